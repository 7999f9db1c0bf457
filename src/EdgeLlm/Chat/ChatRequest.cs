using System.Text.Json;

namespace EdgeLlm.Chat;

/// <summary>A conversation to be made a prompt.</summary>
public sealed record ChatRequest
{
    /// <summary>The turns, oldest first.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>
    /// The tools that the model may call: a JSON array of <c>{"type": "function", "function": {"name", "description", "parameters"}}</c>.
    /// </summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Whether the prompt ends with the beginning of the assistant's turn.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>
    /// Whether a last turn of the assistant is left open for the model to continue; it then takes the place of
    /// <see cref="AddGenerationPrompt"/>.
    /// </summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>The text of the model's token that begins a text; empty for none.</summary>
    public string BosToken { get; init; } = "";

    /// <summary>The text of the model's token that ends a text; empty for none.</summary>
    public string EosToken { get; init; } = "";

    /// <summary>
    /// A JSON object of further variables, such as <c>enable_thinking</c>. They do not change what the request sets itself.
    /// </summary>
    public JsonElement? Variables { get; init; }

    /// <summary>The time that a template is told which asks for it; null for this machine's.</summary>
    public DateTimeOffset? Now { get; init; }
}
