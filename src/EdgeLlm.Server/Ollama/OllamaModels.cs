using System.Text.Json;
using EdgeLlm.Server.Library;

namespace EdgeLlm.Server.Ollama;

/// <summary>The answer of `GET /api/tags`.</summary>
internal sealed record OllamaModels(OllamaModel[] Models);

/// <summary>A model. Open WebUI needs both `name` and `model`.</summary>
internal sealed record OllamaModel(string Name, string Model, string ModifiedAt, long Size, string? Digest, OllamaDetails Details);

internal sealed record OllamaDetails(string ParentModel, string Format, string Family, string[] Families, string ParameterSize,
    string QuantizationLevel);

/// <summary>The body of `POST /api/show`; older clients say `name`.</summary>
internal sealed record OllamaShowRequest(string? Model, string? Name);

/// <summary>The answer of `POST /api/show`.</summary>
/// <param name="Parameters">A name and its value a line, as in a Modelfile.</param>
/// <param name="ModelInfo">The file's metadata; the context length is the one that is served.</param>
internal sealed record OllamaModelInformation(
    string? License, string Modelfile, string Parameters, string Template, OllamaDetails Details, Dictionary<string, JsonElement> ModelInfo,
    string[] Capabilities, string ModifiedAt)
{
    /// <summary>A system turn for conversations that have none.</summary>
    public string? System { get; init; }

    /// <summary>Turns before those of conversations that have no system turn.</summary>
    public DerivedTurn[]? Messages { get; init; }
}

/// <summary>The answer of `GET /api/ps`.</summary>
internal sealed record OllamaRunningModels(OllamaRunningModel[] Models);

/// <summary>A model that is loaded.</summary>
/// <param name="Size">Bytes that it takes of memory at most.</param>
/// <param name="SizeVram">None: it computes on the processor.</param>
/// <param name="ExpiresAt">Never: a time that is far away.</param>
/// <param name="Waiting">How many requests wait for their turn; Ollama does not have this, nor <paramref name="Computing"/>.</param>
/// <param name="Computing">Whether an answer is being computed.</param>
internal sealed record OllamaRunningModel(
    string Name, string Model, long Size, string? Digest, OllamaDetails Details, string ExpiresAt, long SizeVram, int ContextLength,
    bool Computing, int Waiting);

/// <summary>The answer of `GET /api/version`.</summary>
/// <param name="Version">Ollama's version whose API is spoken: digits and dots, by which clients decide whether they talk to it.</param>
/// <param name="Edgellm">The service's own version.</param>
internal sealed record OllamaVersion(string Version, string Edgellm)
{
    /// <summary>The first one whose API has probabilities of tokens, the last thing that was added of what is spoken here.</summary>
    public const string Spoken = "0.12.11";
}

/// <summary>Ollama's error.</summary>
internal sealed record OllamaError(string Error)
{
    /// <summary>The field that is wrong; Ollama does not have it.</summary>
    public string? Param { get; init; }
}
