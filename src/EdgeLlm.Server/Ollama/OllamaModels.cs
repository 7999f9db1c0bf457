using System.Text.Json;

namespace EdgeLlm.Server.Ollama;

/// <summary>The answer of `GET /api/tags`.</summary>
internal sealed record OllamaModels(OllamaModel[] Models);

/// <summary>A model. Open WebUI needs both `name` and `model`.</summary>
internal sealed record OllamaModel(string Name, string Model, string ModifiedAt, long Size, string? Digest, OllamaDetails Details);

internal sealed record OllamaDetails(string ParentModel, string Format, string Family, string[] Families, string ParameterSize, string QuantizationLevel);

/// <summary>The body of `POST /api/show`; older clients say `name`.</summary>
internal sealed record OllamaShowRequest(string? Model, string? Name);

/// <summary>The answer of `POST /api/show`.</summary>
/// <param name="Parameters">A name and its value a line, as in a Modelfile.</param>
/// <param name="ModelInfo">The file's metadata; the context length is the one that is served.</param>
internal sealed record OllamaModelInformation(
    string? License, string Modelfile, string Parameters, string Template, OllamaDetails Details, Dictionary<string, JsonElement> ModelInfo, string[] Capabilities, string ModifiedAt);

/// <summary>The answer of `GET /api/ps`.</summary>
internal sealed record OllamaRunningModels(OllamaRunningModel[] Models);

/// <summary>A model that is loaded.</summary>
/// <param name="Size">Bytes that it takes of memory at most.</param>
/// <param name="SizeVram">None: it computes on the processor.</param>
/// <param name="ExpiresAt">Never: a time that is far away.</param>
/// <param name="Waiting">How many requests wait for their turn; Ollama does not have this, nor <paramref name="Computing"/>.</param>
/// <param name="Computing">Whether an answer is being computed.</param>
internal sealed record OllamaRunningModel(
    string Name, string Model, long Size, string? Digest, OllamaDetails Details, string ExpiresAt, long SizeVram, int ContextLength, bool Computing, int Waiting);

/// <summary>The answer of `GET /api/version`: digits and dots, which clients parse.</summary>
internal sealed record OllamaVersion(string Version);

/// <summary>Ollama's error.</summary>
internal sealed record OllamaError(string Error);
