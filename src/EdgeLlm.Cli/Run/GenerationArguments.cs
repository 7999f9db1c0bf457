using System.CommandLine;
using System.Globalization;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Run;

/// <summary>The options that say how an answer is made, and what they come to.</summary>
internal sealed class GenerationArguments
{
    private static readonly SamplingOptions Defaults = new();
    private static readonly GenerationOptions GenerationDefaults = new();

    /// <summary>Tokens after which an answer ends where nobody said when: minutes on a Pi, and far more than an answer needs.</summary>
    public const int UsualMaxTokens = 2048;

    private readonly Option<int> _maxTokens = new("--max-tokens", "-n", "--predict", "--n-predict")
    {
        Description = "Most tokens of an answer; -1: until the model ends it.",
        HelpName = "N",
        DefaultValueFactory = _ => UsualMaxTokens,
    };

    private readonly Option<bool> _noLoopGuard =
        new("--no-loop-guard") { Description = "Let an answer go on that says the same words 8 times over." };
    private readonly Option<string[]> _stop =
        new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "TEXT" };
    private readonly Option<bool> _ignoreEnd = new("--ignore-eos") { Description = "Go on where the model would end the answer." };
    private readonly Option<ContextPolicy?> _whenFull = new("--when-full")
    {
        Description =
            "When the context is full: `cut` the answer there, `drop` the oldest turns before an answer and keep the system prompt, or "
                + "`refuse` (default: drop).",
        HelpName = "cut|drop|refuse",
        CustomParser = result => result.Tokens[0].Value switch
        {
            "refuse" or "error" => ContextPolicy.Error,
            "cut" => ContextPolicy.Cut,
            "drop" => ContextPolicy.DropOldestTurns,
            var other => Fail(result, $"--when-full takes `cut`, `drop` or `refuse`, not `{other}`"),
        },
    };

    private readonly Option<string> _speculation = new("--speculation")
    {
        Description =
            "Guess likely next words and compute several at once while that is faster (auto), or never (off); the answer is the same.",
        HelpName = "auto|off",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<bool> _shift =
        new("--shift") { Description = "Drop the oldest turns in the middle of an answer, too, when it fills the context." };

    private readonly Option<float> _temperature =
        Number("--temperature", "0: always the likeliest token. Higher is more varied.", Defaults.Temperature, "--temp");
    private readonly Option<int> _topK = Count("--top-k", "Keep the N likeliest tokens; 0: all.", Defaults.TopK);
    private readonly Option<float> _topP =
        Number("--top-p", "Keep the likeliest tokens up to this probability together; 1: all.", Defaults.TopP);
    private readonly Option<float> _minP =
        Number("--min-p", "Keep tokens at least this likely beside the likeliest; 0: all.", Defaults.MinP);
    private readonly Option<float> _typicalP =
        Number("--typical-p", "Keep the most typical tokens up to this probability; 1: all.", Defaults.TypicalP);
    private readonly Option<float> _repeatPenalty =
        Number("--repeat-penalty", "Factor against tokens that came before; 1: none.", Defaults.RepeatPenalty);
    private readonly Option<int> _repeatLastN =
        Count("--repeat-last-n", "How many tokens the penalties look back; -1: the whole context.", Defaults.RepeatLastN);
    private readonly Option<float> _presence = Number("--presence-penalty", "Taken off tokens that came before.", 0);
    private readonly Option<float> _frequency = Number("--frequency-penalty", "Taken off tokens for each time that they came before.", 0);
    private readonly Option<float> _dryMultiplier = Number("--dry-multiplier", "Strength of DRY against repeated sequences; 0: off.", 0);
    private readonly Option<float> _dryBase = Number("--dry-base", "How DRY grows with the length of a repeat.", Defaults.DryBase);
    private readonly Option<int> _dryAllowed =
        Count("--dry-allowed-length", "The longest repeat that DRY lets pass.", Defaults.DryAllowedLength);
    private readonly Option<int> _dryLastN =
        Count("--dry-penalty-last-n", "How many tokens DRY looks back; -1: the whole context.", Defaults.DryPenaltyLastN);
    private readonly Option<string[]> _dryBreakers = new("--dry-breaker")
    {
        Description = "A text that DRY's repeats may not reach across (default: line break, : \" *). May be given several times.",
        HelpName = "TEXT",
    };
    private readonly Option<string[]> _bias = new("--logit-bias")
    {
        Description = "TOKEN=VALUE added to a token's logit; `-inf` bans it. May be given several times.",
        HelpName = "ID=VALUE",
    };
    private readonly Option<string?> _seed = new("--seed", "-s")
    {
        Description = "The same seed gives the same answer on every machine; without one, or with -1, each is different.",
        HelpName = "N",
    };

    private readonly ConstraintArguments _constraint = new();

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            _maxTokens, _temperature, _topK, _topP, _minP, _typicalP, _seed, _repeatPenalty, _repeatLastN, _presence, _frequency,
            _dryMultiplier, _dryBase, _dryAllowed, _dryLastN, _dryBreakers, _bias, _stop, _ignoreEnd, _noLoopGuard,
            _whenFull, _shift, _speculation,
        }) command.Options.Add(option);
        _constraint.AddTo(command);
    }

    /// <exception cref="UsageException">A value is out of its range.</exception>
    public GenerationOptions Read(ParseResult result)
    {
        var options = new GenerationOptions
        {
            // -2 is llama.cpp's "until the context is full"
            MaxTokens = result.GetValue(_maxTokens) is var most and not (-1 or -2) ? most : 0,
            StopsLoops = !result.GetValue(_noLoopGuard) && !result.GetValue(_ignoreEnd),
            StopStrings = result.GetValue(_stop) ?? [],
            IgnoreEndOfText = result.GetValue(_ignoreEnd),
            DryBreakers = result.GetValue(_dryBreakers) is { Length: > 0 } breakers ? breakers : GenerationDefaults.DryBreakers,
            WhenContextIsFull = result.GetValue(_whenFull) ?? ContextPolicy.DropOldestTurns,
            Shift = result.GetValue(_shift),
            Speculates = result.GetValue(_speculation) switch
            {
                "auto" => true,
                "off" => false,
                var other => throw new UsageException($"--speculation takes `auto` or `off`, not `{other}`"),
            },
            Constraint = _constraint.Read(result),
            Heal = _constraint.Heals(result),
            Sampling = new SamplingOptions
            {
                Temperature = result.GetValue(_temperature),
                TopK = result.GetValue(_topK),
                TopP = result.GetValue(_topP),
                MinP = result.GetValue(_minP),
                TypicalP = result.GetValue(_typicalP),
                RepeatPenalty = result.GetValue(_repeatPenalty),
                RepeatLastN = result.GetValue(_repeatLastN),
                PresencePenalty = result.GetValue(_presence),
                FrequencyPenalty = result.GetValue(_frequency),
                DryMultiplier = result.GetValue(_dryMultiplier),
                DryBase = result.GetValue(_dryBase),
                DryAllowedLength = result.GetValue(_dryAllowed),
                DryPenaltyLastN = result.GetValue(_dryLastN),
                LogitBias = ReadBiases(result.GetValue(_bias) ?? []),
                Seed = ReadSeed(result.GetValue(_seed)),
            },
        };
        try
        {
            options.Validate();
            return options;
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    /// <summary>Note on an answer that ended before the model ended it, and was not asked to; null: none.</summary>
    public static string? NoteOn(GenerationStatistics statistics, GenerationOptions options, int contextLength) =>
        statistics.FinishReason switch
        {
            FinishReason.MaxTokens when options.Constraint is not null =>
                "the end of the answer was brought about early, to keep its form within --max-tokens and --context",
            FinishReason.MaxTokens when options.MaxTokens == UsualMaxTokens =>
                $"the answer was cut at {UsualMaxTokens} tokens; -n -1 lets it go on",
            FinishReason.Loop => "the answer was cut because it said the same words 8 times over; --no-loop-guard lets it go on",
            FinishReason.ContextFull => $"the answer was cut because the context of {contextLength} tokens is full; --context makes it larger",
            _ => null,
        };

    /// <exception cref="UsageException">--logit-bias names a token that the model does not have.</exception>
    public static void RequireTokens(GenerationOptions options, int vocabularySize)
    {
        foreach (int token in options.Sampling.LogitBias?.Keys ?? [])
        {
            if (token >= vocabularySize)
                throw new UsageException($"--logit-bias names token {token}; this model has the tokens 0 to {vocabularySize - 1}");
        }
    }

    private static Dictionary<int, float>? ReadBiases(string[] texts)
    {
        if (texts.Length == 0) return null;
        var biases = new Dictionary<int, float>();
        foreach (string text in texts)
        {
            string[] parts = text.Split('=');
            float value = float.NegativeInfinity;
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int token)
                || (parts[1] != "-inf" && !float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out value)))
                throw new UsageException($"--logit-bias takes TOKEN=VALUE, such as 11=-2.5 or 11=-inf, not `{text}`");
            biases[token] = value;
        }
        return biases;
    }

    private static ContextPolicy? Fail(System.CommandLine.Parsing.ArgumentResult result, string message)
    {
        result.AddError(message);
        return null;
    }

    private static ulong? ReadSeed(string? text)
    {
        if (text is null or "-1") return null;
        return ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
            ? seed
            : throw new UsageException($"--seed takes a whole number from 0 on, or -1 for a random one, not '{text}'");
    }

    private static Option<float> Number(string name, string description, float value, params string[] aliases) => new(name, aliases)
    {
        Description = description,
        HelpName = "X",
        DefaultValueFactory = _ => value,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float number)) return number;
            result.AddError($"{name} takes a number, not `{text}`");
            return value;
        },
    };

    private static Option<int> Count(string name, string description, int value) =>
        new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => value };
}
