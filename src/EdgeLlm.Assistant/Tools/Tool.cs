using System.Text.Json;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;

namespace EdgeLlm.Assistant.Tools;

/// <summary>Effects of a tool on the world: the greater, the stricter the gate.</summary>
internal enum ToolEffect
{
    /// <summary>Reads a sensor, a state or the clock: allowed in every turn.</summary>
    Senses,

    /// <summary>Reads text of this machine that nobody vouches for, and changes nothing: once in a turn.</summary>
    Reads,

    /// <summary>Reminds: not in a turn that has read untrusted text, or sees some of an earlier one.</summary>
    Informs,

    /// <summary>Moves an output.</summary>
    Moves,

    /// <summary>Runs something of somebody else's.</summary>
    Runs,
}

/// <summary>A request of a person and what has happened since.</summary>
/// <param name="Source">Where it comes from.</param>
/// <param name="Words">The person's own words, and nothing else.</param>
/// <param name="Language">In which to answer.</param>
internal sealed record Turn(Source Source, string Words, Vocabulary Language)
{
    /// <summary>
    /// Whether text that nobody vouches for (notes, files, tools' results) has been read, in this turn or one that the model still sees.
    /// </summary>
    public bool HasUntrustedText { get; set; }

    /// <summary>Whether it was read in this very turn.</summary>
    public bool ReadUntrustedText { get; set; }

    /// <summary>Tools that were called.</summary>
    public int Calls { get; set; }
}

/// <summary>How a call ended.</summary>
internal enum ToolStatus
{
    /// <summary>It was done.</summary>
    Done,

    /// <summary>It must not be done.</summary>
    Refused,

    /// <summary>It waits for a person's yes.</summary>
    Asks,

    /// <summary>The tool failed.</summary>
    Failed,
}

/// <summary>Result of a call.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Text">For a model.</param>
/// <param name="Spoken">For a person.</param>
internal sealed record ToolResult(ToolStatus Status, string Text, string Spoken)
{
    /// <summary>Whether the text is of somebody whom nobody vouches for.</summary>
    public bool IsUntrusted { get; init; }

    public static ToolResult Done(string text) => new(ToolStatus.Done, text, text);

    public static ToolResult Done(string text, string spoken) => new(ToolStatus.Done, text, spoken);

    public static ToolResult Failed(string text, string spoken) => new(ToolStatus.Failed, text, spoken);
}

/// <summary>Something that can be called.</summary>
internal abstract class Tool
{
    protected Tool(string name, string description, string parameters, ToolEffect effect)
    {
        using JsonDocument schema = JsonDocument.Parse(parameters);
        (Name, Description, Parameters, Effect) = (name, description, schema.RootElement.Clone(), effect);
    }

    public string Name { get; }

    /// <summary>For a model.</summary>
    public string Description { get; }

    /// <summary>JSON Schema of the arguments.</summary>
    public JsonElement Parameters { get; }

    public ToolEffect Effect { get; }

    /// <summary>
    /// Whether name, description or schema are of somebody whom nobody vouches for: a turn that shows them to a model has read untrusted
    /// text.
    /// </summary>
    public virtual bool HasUntrustedDescription => false;

    /// <summary>Whether each call takes a confirmation, whoever asks.</summary>
    public virtual bool NeedsConfirmation(JsonElement arguments) => false;

    /// <summary>Question to a person before the call.</summary>
    public virtual string Question(JsonElement arguments, Vocabulary words) => words.Say("confirm.run", Name.Replace('_', ' '));

    /// <summary>Reason why limits forbid a call, or null. Arguments are those of the schema.</summary>
    public virtual string? Refusal(JsonElement arguments, Vocabulary words) => null;

    /// <summary>The output that a call moves; null: none.</summary>
    public virtual string? OutputOf(JsonElement arguments) => null;

    /// <summary>Does it.</summary>
    public abstract Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation);

    /// <summary>The schema of no arguments.</summary>
    protected const string NoArguments = """{"type":"object","properties":{},"additionalProperties":false}""";

    /// <summary>A JSON list of texts.</summary>
    protected static string Json(IEnumerable<string> texts) =>
        "[" + string.Join(",", texts.Select(static text => $"\"{JsonEncodedText.Encode(text)}\"")) + "]";
}
