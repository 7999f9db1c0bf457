namespace EdgeLlm.Server.Ollama;

/// <summary>The answer of `GET /api/tags`.</summary>
internal sealed record OllamaModels(OllamaModel[] Models);

/// <summary>A model. Open WebUI needs both `name` and `model`.</summary>
internal sealed record OllamaModel(string Name, string Model, string ModifiedAt, long Size, string? Digest, OllamaDetails Details);

internal sealed record OllamaDetails(string ParentModel, string Format, string Family, string[] Families, string ParameterSize, string QuantizationLevel);

/// <summary>The answer of `GET /api/version`: digits and dots, which clients parse.</summary>
internal sealed record OllamaVersion(string Version);

/// <summary>Ollama's error.</summary>
internal sealed record OllamaError(string Error);
