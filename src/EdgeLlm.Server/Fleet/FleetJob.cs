using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Server.Engine;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// A request as a worker receives it: everything that the answer depends on, so that each worker gives the same one to the last bit. The
/// gateway has drawn the seed, rendered the template (by its clock) and made tokens of the text.
/// </summary>
/// <param name="Id">32 hexadecimal digits, the gateway's.</param>
/// <param name="Model">SHA-256 of the model, its arithmetic, its cache's type and, where that matters, its context's length, in hexadecimal
/// digits (<see cref="Models.LanguageModel.StateKey"/>).</param>
/// <param name="Prompt">Token ids.</param>
internal sealed record FleetJob(string Id, string Model, int[] Prompt)
{
    private const int MostVisibleTokens = 256;
    private const int MostPromptEnd = 64 << 10;

    // An answer's end has all of them, as at most some 30 bytes each: well within a message.
    private const int MostProbabilities = 200_000;

    /// <summary>Number of our arithmetic (<see cref="Models.ModelIdentity.Arithmetic"/>).</summary>
    public int Arithmetic { get; init; }

    /// <summary>Tokens of the context.</summary>
    public int Context { get; init; }

    /// <summary>Queue of the gateway that waits for pieces.</summary>
    public string ReplyTo { get; init; } = "";

    /// <summary>Who asks, for turns in the worker's queue.</summary>
    public string Client { get; init; } = "";

    public int Priority { get; init; }

    /// <summary>When nobody waits any more, in seconds since 1970.</summary>
    public long Deadline { get; init; }

    /// <summary>Whose kept prompts may be used.</summary>
    public string Owner { get; init; } = "";

    public int Instructions { get; init; }

    public int MaxTokens { get; init; }

    public string[] StopStrings { get; init; } = [];

    public int[] StopTokens { get; init; } = [];

    public bool IgnoreEndOfText { get; init; }

    public bool StopsLoops { get; init; }

    public bool Heal { get; init; }

    /// <summary>How many of the likeliest tokens are named with each token's probability; null: probabilities are not given.</summary>
    public int? LogProbabilities { get; init; }

    /// <summary>Name of a <see cref="ContextPolicy"/>.</summary>
    public string WhenContextIsFull { get; init; } = "";

    public string[] DryBreakers { get; init; } = [];

    /// <summary>Kind of the form that the answer has to have (<see cref="OutputConstraint.Source"/>); null: any.</summary>
    public string? ConstraintKind { get; init; }

    public string? ConstraintText { get; init; }

    /// <summary>Place from which on the answer has the form: where the model begins a call; null: its beginning.</summary>
    public FleetTrigger? ConstraintBegins { get; init; }

    /// <summary>Control tokens whose text is part of the answer.</summary>
    public int[] VisibleTokens { get; init; } = [];

    public float Temperature { get; init; }

    public int TopK { get; init; }

    public float TopP { get; init; }

    public float MinP { get; init; }

    public float TypicalP { get; init; }

    public float RepeatPenalty { get; init; }

    public int RepeatLastN { get; init; }

    public float PresencePenalty { get; init; }

    public float FrequencyPenalty { get; init; }

    public float DryMultiplier { get; init; }

    public float DryBase { get; init; }

    public int DryAllowedLength { get; init; }

    public int DryPenaltyLastN { get; init; }

    public int[][] DrySequenceBreakers { get; init; } = [];

    public Dictionary<int, float>? LogitBias { get; init; }

    public ulong Seed { get; init; }

    /// <summary>Adapters, in the order in which their changes are added.</summary>
    public FleetChange[] Adapters { get; init; } = [];

    public FleetChange[] ControlVectors { get; init; } = [];

    /// <summary>A job of a request whose seed is drawn.</summary>
    /// <exception cref="Http.ApiException">It asks for something that a fleet can't do.</exception>
    public static FleetJob Of(string id, string model, AnswerRequest request)
    {
        GenerationOptions options = request.Options;
        SamplingOptions sampling = options.Sampling;
        OutputConstraint? form = options.Constraint ?? options.LateConstraint?.Constraint; // tools allow one of them
        (string Kind, string Text)? source = form?.Source;
        if (form is not null && source is null)
            throw new Http.ApiException(400, "this form of answer can't be asked for through a gateway", "unsupported_value");
        if (options.LogProbabilities is { } likeliest && (long)(likeliest + 1) * options.MaxTokens > MostProbabilities)
            throw Http.ApiException.Unsupported("logprobs",
                $"a gateway passes on at most {MostProbabilities} probabilities an answer, the likeliest tokens' among them: {likeliest + 1} "
                    + $"for each of up to {options.MaxTokens} tokens are more");
        if (options.Shift) throw Http.ApiException.Unsupported("shift", "a gateway does not drop turns in the middle of an answer");
        RequireKnown(options);
        return new FleetJob(id, model, [.. request.Prompt])
        {
            Arithmetic = Models.ModelIdentity.Arithmetic,
            Client = request.Client,
            Priority = (int)request.Priority,
            Owner = options.Scope.Owner,
            Instructions = options.Instructions,
            MaxTokens = options.MaxTokens,
            StopStrings = [.. options.StopStrings],
            StopTokens = [.. options.StopTokens],
            IgnoreEndOfText = options.IgnoreEndOfText,
            StopsLoops = options.StopsLoops,
            Heal = options.Heal,
            LogProbabilities = options.LogProbabilities,
            WhenContextIsFull = options.WhenContextIsFull.ToString(),
            DryBreakers = [.. options.DryBreakers],
            ConstraintKind = source?.Kind,
            ConstraintText = source?.Text,
            ConstraintBegins =
                options.LateConstraint is { } late ? new FleetTrigger(late.PromptEnd) { Thinking = late.Thinking?.Open } : null,
            VisibleTokens = [.. options.VisibleTokens],
            Temperature = sampling.Temperature,
            TopK = sampling.TopK,
            TopP = sampling.TopP,
            MinP = sampling.MinP,
            TypicalP = sampling.TypicalP,
            RepeatPenalty = sampling.RepeatPenalty,
            RepeatLastN = sampling.RepeatLastN,
            PresencePenalty = sampling.PresencePenalty,
            FrequencyPenalty = sampling.FrequencyPenalty,
            DryMultiplier = sampling.DryMultiplier,
            DryBase = sampling.DryBase,
            DryAllowedLength = sampling.DryAllowedLength,
            DryPenaltyLastN = sampling.DryPenaltyLastN,
            DrySequenceBreakers = [.. sampling.DrySequenceBreakers.Select(breaker => breaker.ToArray())],
            LogitBias = sampling.LogitBias is { } bias ? new Dictionary<int, float>(bias) : null,
            Seed = sampling.Seed ?? throw new ArgumentException("the seed is not drawn", nameof(request)),
            Adapters = [.. options.Adapters.Select(use => new FleetChange(Convert.ToHexStringLower(use.Adapter.Identity.Span), use.Scale))],
            ControlVectors =
                [.. options.ControlVectors.Select(
                    use => new FleetChange(Convert.ToHexStringLower(use.Vector.Identity.Span), use.Scale) { FirstLayer = use.FirstLayer,
                        LastLayer = use.LastLayer })],
        };
    }

    /// <summary>
    /// Refuses options that a job has no field for: an answer without them would be another one. Records are equal where all fields are, so
    /// that a field that is new to them is seen here.
    /// </summary>
    private static void RequireKnown(GenerationOptions options)
    {
        var known = new GenerationOptions
        {
            Sampling = options.Sampling,
            MaxTokens = options.MaxTokens,
            StopStrings = options.StopStrings,
            StopTokens = options.StopTokens,
            IgnoreEndOfText = options.IgnoreEndOfText,
            StopsLoops = options.StopsLoops,
            Heal = options.Heal,
            LogProbabilities = options.LogProbabilities,
            WhenContextIsFull = options.WhenContextIsFull,
            DryBreakers = options.DryBreakers,
            Scope = options.Scope with { Variant = "" },
            Instructions = options.Instructions,
            Constraint = options.Constraint,
            LateConstraint = options.LateConstraint,
            VisibleTokens = options.VisibleTokens,
            Speculates = options.Speculates,
            DraftTokens = options.DraftTokens,
            Adapters = options.Adapters,
            ControlVectors = options.ControlVectors,
        };
        SamplingOptions all = options.Sampling;
        var sampling = new SamplingOptions
        {
            Temperature = all.Temperature,
            TopK = all.TopK,
            TopP = all.TopP,
            MinP = all.MinP,
            TypicalP = all.TypicalP,
            RepeatPenalty = all.RepeatPenalty,
            RepeatLastN = all.RepeatLastN,
            PresencePenalty = all.PresencePenalty,
            FrequencyPenalty = all.FrequencyPenalty,
            DryMultiplier = all.DryMultiplier,
            DryBase = all.DryBase,
            DryAllowedLength = all.DryAllowedLength,
            DryPenaltyLastN = all.DryPenaltyLastN,
            DrySequenceBreakers = all.DrySequenceBreakers,
            LogitBias = all.LogitBias,
            Seed = all.Seed,
        };
        if (known != options || sampling != all)
            throw new Http.ApiException(400,
                "this request asks for something that a gateway does not pass on to its workers", "unsupported_value");
    }

    /// <summary>
    /// Options with the job's adapters and control vectors, which are found by their content; null: one of them is not here, and the job is
    /// for another worker.
    /// </summary>
    public GenerationOptions? WithChanges(GenerationOptions options, ModelAdapters offered)
    {
        AdapterUse?[] adapters = [.. Adapters.Select(change => offered.Adapters.Select(adapter => (AdapterUse?)adapter.Use)
            .FirstOrDefault(use => change.IsOf(use!.Value.Adapter.Identity)) is { } found
            ? found with { Scale = change.Scale } : (AdapterUse?)null)];
        ControlVectorUse?[] vectors =
            [.. ControlVectors.Select(change => offered.Vectors.Select(vector => (ControlVectorUse?)vector.Use)
                .FirstOrDefault(use => change.IsOf(use!.Value.Vector.Identity)) is { } found
            ? found with { Scale = change.Scale, FirstLayer = change.FirstLayer, LastLayer = change.LastLayer } : (ControlVectorUse?)null)];
        return Array.Exists(adapters, use => use is null) || Array.Exists(vectors, use => use is null) ? null
            : options with { Adapters = [.. adapters.Select(use => use!.Value)], ControlVectors = [.. vectors.Select(use => use!.Value)] };
    }

    /// <summary>The request that it was made of.</summary>
    /// <param name="vocabulary">Number of the model's tokens.</param>
    /// <exception cref="FormatException">A field is out of its range; the message names it.</exception>
    public AnswerRequest ToRequest(int vocabulary)
    {
        if (Prompt is not { Length: > 0 } || Prompt.Any(token => (uint)token >= (uint)vocabulary))
            throw new FormatException("prompt must have tokens of the model");
        if (!Enum.IsDefined((AnswerPriority)Priority)) throw new FormatException("priority is none");
        if (!Enum.TryParse(WhenContextIsFull, out ContextPolicy policy) || !Enum.IsDefined(policy))
            throw new FormatException("whenContextIsFull is none");
        if (StopStrings is null || StopStrings.Length > 64 || StopStrings.Any(string.IsNullOrEmpty) || StopTokens is null
            || DryBreakers is null || DryBreakers.Any(text => text is null)
            || DrySequenceBreakers is null || DrySequenceBreakers.Any(tokens => tokens is null) || Client is null
            || Owner is null || ReplyTo is null)
            throw new FormatException("a list has a null or an empty text");
        if (Adapters is null || ControlVectors is null || Math.Max(Adapters.Length, ControlVectors.Length) > Adaptation.MostUses
            || Adapters.Concat(ControlVectors).Any(change => change is not { Content.Length: 64 }
                || !(Math.Abs(change.Scale) <= Adaptation.MostScale) || change.FirstLayer < 0 || change.LastLayer < change.FirstLayer))
            throw new FormatException("an adapter or control vector is none, or its scale or its layers are out of range");
        if (VisibleTokens is not { Length: <= MostVisibleTokens } || VisibleTokens.Any(token => (uint)token >= (uint)vocabulary))
            throw new FormatException("visibleTokens must be few, and tokens of the model");
        if (Instructions < 0) throw new FormatException("instructions is negative");
        var options = new GenerationOptions
        {
            MaxTokens = MaxTokens,
            StopStrings = StopStrings,
            StopTokens = StopTokens,
            IgnoreEndOfText = IgnoreEndOfText,
            StopsLoops = StopsLoops,
            Heal = Heal,
            LogProbabilities = LogProbabilities,
            WhenContextIsFull = policy,
            DryBreakers = DryBreakers,
            VisibleTokens = VisibleTokens,
            Scope = new PrefixScope(Owner == PrefixScope.Shared ? "" : Owner),
            Instructions = Math.Min(Instructions, Prompt.Length),
            Sampling = new SamplingOptions
            {
                Temperature = Temperature,
                TopK = TopK,
                TopP = TopP,
                MinP = MinP,
                TypicalP = TypicalP,
                RepeatPenalty = RepeatPenalty,
                RepeatLastN = RepeatLastN,
                PresencePenalty = PresencePenalty,
                FrequencyPenalty = FrequencyPenalty,
                DryMultiplier = DryMultiplier,
                DryBase = DryBase,
                DryAllowedLength = DryAllowedLength,
                DryPenaltyLastN = DryPenaltyLastN,
                DrySequenceBreakers = DrySequenceBreakers,
                LogitBias = LogitBias,
                Seed = Seed,
            },
        };
        try
        {
            if (ConstraintKind is not null) options = WithForm(options, ConstraintKind);
            else if (ConstraintBegins is not null) throw new FormatException("constraintBegins has no form");
            options.Validate();
        }
        catch (Exception exception) when (exception is ArgumentException or ConstraintException or SamplingException)
        {
            throw new FormatException(Printable.Line(exception.Message, 300));
        }
        return new AnswerRequest(Prompt) { Options = options, Client = "fleet " + Client, Priority = (AnswerPriority)Priority };
    }

    /// <summary>Options with the job's form, compiled within the limits of a request's.</summary>
    private GenerationOptions WithForm(GenerationOptions options, string kind)
    {
        string text = ConstraintText ?? "";
        if (kind != CallForm.Kind)
            return ConstraintBegins is null ? options with { Constraint = OutputConstraint.OfSource(kind, text) }
                : throw new FormatException("constraintBegins is of calls alone");
        var form = CallForm.Read(text);
        if (ConstraintBegins is not { } begins) return options with { Constraint = form.Compile() };
        if (begins.PromptEnd is not { Length: <= MostPromptEnd }) throw new FormatException("promptEnd is missing or too long");
        ThinkingFormat? thinking = begins.Thinking is not { } open ? null
            : ThinkingFormat.Opened(open) ?? throw new FormatException("thinking is none that is known here");
        return options with
        {
            LateConstraint =
                new LateConstraint(form.Compile(), form.Format, [.. form.Tools.Select(tool => tool.Name)], thinking, begins.PromptEnd),
        };
    }
}

/// <summary>Place in an answer from which on it has a form.</summary>
/// <param name="PromptEnd">The prompt's last text: thoughts, or a call, may be open there.</param>
internal sealed record FleetTrigger(string PromptEnd)
{
    /// <summary>How thoughts begin, in which no call does; null: there are none.</summary>
    public string? Thinking { get; init; }
}

/// <summary>An adapter or control vector of a job, by what is in its file.</summary>
/// <param name="Content">SHA-256 in hexadecimal digits.</param>
/// <param name="Scale">How strongly it acts.</param>
internal sealed record FleetChange(string Content, float Scale)
{
    /// <summary>Of a control vector: the first layer that it changes.</summary>
    public int FirstLayer { get; init; }

    /// <summary>Of a control vector: the last layer that it changes.</summary>
    public int LastLayer { get; init; } = int.MaxValue;

    public bool IsOf(ReadOnlyMemory<byte> identity) => Convert.ToHexStringLower(identity.Span) == Content;
}
