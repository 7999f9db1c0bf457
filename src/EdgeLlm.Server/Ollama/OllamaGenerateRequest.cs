using System.Text.Json;

namespace EdgeLlm.Server.Ollama;

/// <summary>The body of `POST /api/generate`.</summary>
internal sealed record OllamaGenerateRequest : OllamaRequest
{
    public string? Prompt { get; init; }

    public string? System { get; init; }

    /// <summary>The prompt goes to the model as it is, without its chat template.</summary>
    public bool? Raw { get; init; }

    public string? Suffix { get; init; }

    public string? Template { get; init; }

    public JsonElement? Images { get; init; }

    /// <summary>The tokens of an earlier answer's `context`, which this prompt follows.</summary>
    public int[]? Context { get; init; }
}
