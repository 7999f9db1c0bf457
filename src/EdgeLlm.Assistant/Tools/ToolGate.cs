using System.Text.Json;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Assistant.Tools;

/// <summary>Who said yes to a question of the gate. There is no value for a model, a tool or an API.</summary>
internal enum Confirmation
{
    /// <summary>The device's own button.</summary>
    Button,

    /// <summary>The device's own page.</summary>
    Page,

    /// <summary>A spoken yes that our recognizer heard, or one that was typed at the device.</summary>
    Voice,
}

/// <summary>A call of the log.</summary>
/// <param name="Time">Local time.</param>
/// <param name="Source">Who asked.</param>
/// <param name="IsByModel">Whether a model wanted it, rather than an intent of the person's words.</param>
/// <param name="Call">The call.</param>
/// <param name="Outcome">What came of it.</param>
internal sealed record ToolLogEntry(DateTimeOffset Time, Source Source, bool IsByModel, ToolCall Call, string Outcome);

/// <summary>
/// The one way to every tool. A call passes if its source may use the tool, its arguments satisfy the schema, limits allow it, and, where a
/// model wants to move something, the person's own words name it and nothing untrusted was read; otherwise it is refused, or asked about.
/// Safe for use by several threads.
/// </summary>
internal sealed class ToolGate
{
    /// <summary>Calls of one turn.</summary>
    public const int MostCalls = 8;

    private const int MostArgumentBytes = 16 << 10;

    private readonly AssistantSettings _settings;
    private readonly IntentRouter _router;
    private readonly Dictionary<string, Tool> _tools;
    private readonly TimeProvider _time;
    private readonly Lock _turn = new();
    private Pending? _pending;

    public ToolGate(AssistantSettings settings, IntentRouter router, IEnumerable<Tool> tools, TimeProvider time)
    {
        (_settings, _router, _time) = (settings, router, time);
        _tools = tools.ToDictionary(static tool => tool.Name);
    }

    /// <summary>Is told of each call.</summary>
    public Action<ToolLogEntry>? Log { get; set; }

    /// <summary>Whether a question waits for an answer.</summary>
    public bool IsAsking
    {
        get { lock (_turn) return Current() is not null; }
    }

    /// <summary>Tools that a source may use.</summary>
    public IReadOnlyList<Tool> ToolsFor(Source source)
    {
        lock (_turn) return [.. _tools.Values.Where(tool => IsAllowed(source, tool.Name))];
    }

    /// <summary>Adds tools that came later, such as those of an MCP server; of a name that there is, the first stays.</summary>
    public void Add(IEnumerable<Tool> tools)
    {
        lock (_turn)
        {
            foreach (Tool tool in tools) _tools.TryAdd(tool.Name, tool);
        }
    }

    /// <summary>Calls a tool, or says why not.</summary>
    /// <param name="isByModel">Whether a model wants it; otherwise it follows from the person's own words.</param>
    public async Task<ToolResult> CallAsync(ToolCall call, Turn turn, bool isByModel, CancellationToken cancellation)
    {
        ToolResult result;
        try
        {
            result = await CheckAndRunAsync(call, turn, isByModel, cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Tell(call, turn, isByModel, "cancelled");
            throw;
        }
        if (result.IsUntrusted) turn.HasUntrustedText = turn.ReadUntrustedText = true;
        Tell(call, turn, isByModel,
            result.Status == ToolStatus.Done ? "done" : $"{result.Status.ToString().ToLowerInvariant()}: {result.Text}");
        return result;
    }

    /// <summary>A person says yes to the question that waits; null where none does.</summary>
    public async Task<ToolResult?> ConfirmAsync(Confirmation by, CancellationToken cancellation)
    {
        Pending? pending;
        lock (_turn) (pending, _pending) = (Current(), null);
        if (pending is null) return null;
        (Tool tool, JsonElement arguments, Turn turn, ToolCall call, bool isByModel, _) = pending;
        // Limits hold for what was confirmed, too, and time has passed.
        ToolResult result = tool.Refusal(arguments, turn.Language) is { } refusal ? new ToolResult(ToolStatus.Refused, refusal, refusal)
            : await RunAsync(tool, arguments, turn, cancellation).ConfigureAwait(false);
        Tell(call, turn, isByModel,
            $"confirmed by {by.ToString().ToLowerInvariant()}: {(result.Status == ToolStatus.Done ? "done" : result.Text)}");
        return result;
    }

    /// <summary>Forgets the question that waits.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Decline()
    {
        lock (_turn)
        {
            bool was = Current() is not null;
            _pending = null;
            return was;
        }
    }

    private async Task<ToolResult> CheckAndRunAsync(ToolCall call, Turn turn, bool isByModel, CancellationToken cancellation)
    {
        Vocabulary words = turn.Language;
        Tool? tool;
        lock (_turn) tool = _tools.GetValueOrDefault(call.Tool);
        if (tool is null)
            return Refused(
                $"there is no tool '{Printable.Line(call.Tool, 60)}'; there is "
                    + $"{string.Join(", ", ToolsFor(turn.Source).Select(static one => one.Name))}",
                words.Say("nomodel"));
        if (!IsAllowed(turn.Source, tool.Name))
            return Refused($"{tool.Name} may not be used from here ({turn.Source.ToString().ToLowerInvariant()})", words.Say("forbidden"));
        if (isByModel && ++turn.Calls > MostCalls)
            return Refused($"there were {MostCalls} calls in this turn already: answer now", words.Say("nomodel"));
        if (Parse(call.Arguments) is not { } arguments) return Refused("the arguments must be a JSON object", words.Say("nomodel"));
        if (!Satisfies(tool.Parameters, arguments))
            return Refused($"the arguments do not satisfy the schema of {tool.Name}: {tool.Parameters.GetRawText()}", words.Say("nomodel"));
        if (tool.Refusal(arguments, words) is { } refusal) return Refused(refusal, refusal);
        bool isTainted = isByModel && turn.HasUntrustedText;
        bool readsAgain = tool.Effect == ToolEffect.Reads && turn.ReadUntrustedText;
        if (isTainted && (tool.Effect == ToolEffect.Informs || readsAgain))
            return Refused("this turn has read text of unknown origin: only sensors may be read in it", words.Say("forbidden"));
        bool isUnnamed = isByModel && tool.OutputOf(arguments) is { } output && !_router.OutputsNamedIn(turn.Words).Contains(output);
        bool isWeighty = tool.Effect is ToolEffect.Moves or ToolEffect.Runs;
        // A model's call that moves something needs the person's words for it; what a router made of them has them.
        if (tool.NeedsConfirmation(arguments) || (isWeighty && (isTainted || isUnnamed))
            || (isByModel && tool.Effect == ToolEffect.Moves && !AgreesWith(tool, arguments, turn.Words)))
            return Ask(tool, arguments, turn, call, isByModel);
        return await RunAsync(tool, arguments, turn, cancellation).ConfigureAwait(false);
    }

    /// <summary>Whether an intent of the person's words makes the same call: only then a model's wish is the person's.</summary>
    private bool AgreesWith(Tool tool, JsonElement arguments, string words) =>
        _router.Find(words).Calls.Any(call => call.Tool == tool.Name && Parse(call.Arguments) is { } own
            && JsonElement.DeepEquals(own, arguments));

    private ToolResult Ask(Tool tool, JsonElement arguments, Turn turn, ToolCall call, bool isByModel)
    {
        string question = tool.Question(arguments, turn.Language);
        // A question can only be answered where the device is: elsewhere it would wait for nobody.
        if (turn.Source is not (Source.Voice or Source.Button or Source.Page))
            return Refused($"{tool.Name} takes a confirmation at the device itself", turn.Language.Say("forbidden"));
        lock (_turn) _pending = new Pending(tool, arguments, turn, call, isByModel, _time.GetTimestamp());
        return new ToolResult(ToolStatus.Asks, "the person is being asked for a confirmation: it is not done yet", question);
    }

    private async Task<ToolResult> RunAsync(Tool tool, JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using ITimer timer = _time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), limit, _settings.Times.Act,
            Timeout.InfiniteTimeSpan);
        try
        {
            return await tool.RunAsync(arguments, turn, limit.Token).WaitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return ToolResult.Failed($"{tool.Name} did not answer within {_settings.Times.Act.TotalSeconds:0} s",
                turn.Language.Say("slow"));
        }
        catch (Exception exception)
            when (exception is IOException or InvalidOperationException or UnauthorizedAccessException or JsonException)
        {
            return ToolResult.Failed(exception.Message, turn.Language.Say("failed", exception.Message));
        }
    }

    private bool IsAllowed(Source source, string tool) => _settings.ToolsOf(source).Any(allowed => allowed == "*" || allowed == tool);

    private static bool Satisfies(JsonElement schema, JsonElement arguments)
    {
        try
        {
            var document = new SchemaDocument(schema, new CompileBudget());
            return new SchemaValidator(document, new CompileBudget()).IsValid(document.Root, arguments);
        }
        catch (ConstraintException)
        {
            return false; // a schema that can't be checked lets nothing through
        }
    }

    private static JsonElement? Parse(string arguments)
    {
        if (arguments.Length > MostArgumentBytes) return null;
        try
        {
            using JsonDocument json =
                JsonDocument.Parse(arguments, new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
            return json.RootElement.ValueKind == JsonValueKind.Object ? json.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private Pending? Current() =>
        _pending is { } pending && _time.GetElapsedTime(pending.Since) <= _settings.Times.Confirm ? pending : null;

    private void Tell(ToolCall call, Turn turn, bool isByModel, string outcome) =>
        Log?.Invoke(new ToolLogEntry(_time.GetLocalNow(), turn.Source, isByModel, call, outcome));

    private static ToolResult Refused(string text, string spoken) => new(ToolStatus.Refused, text, spoken);

    private sealed record Pending(Tool Tool, JsonElement Arguments, Turn Turn, ToolCall Call, bool IsByModel, long Since);
}
