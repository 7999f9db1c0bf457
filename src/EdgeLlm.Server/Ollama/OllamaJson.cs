using System.Text.Json.Serialization;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Ollama;

/// <summary>How the types of Ollama's API are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(WholeInt32), typeof(WholeInt64)])]
[JsonSerializable(typeof(OllamaChatRequest))]
[JsonSerializable(typeof(OllamaGenerateRequest))]
[JsonSerializable(typeof(OllamaAnswer))]
[JsonSerializable(typeof(OllamaModels))]
[JsonSerializable(typeof(OllamaVersion))]
[JsonSerializable(typeof(OllamaError))]
internal sealed partial class OllamaJson : JsonSerializerContext;
