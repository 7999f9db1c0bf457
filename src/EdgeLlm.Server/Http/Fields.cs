using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Ollama;

namespace EdgeLlm.Server.Http;

/// <summary>Fields of requests whose values come in several forms.</summary>
internal static class Fields
{
    private const int MostStops = 128;

    /// <summary>A text, a list of texts, or nothing; empty texts are left out, as llama.cpp does it.</summary>
    /// <exception cref="ApiException">It is something else, or too many.</exception>
    public static string[] Texts(JsonElement? element, string name)
    {
        switch (element?.ValueKind)
        {
            case null or JsonValueKind.Null or JsonValueKind.Undefined: return [];
            case JsonValueKind.String: return element.Value.GetString() is { Length: > 0 } text ? [text] : [];
            case JsonValueKind.Array when element.Value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String):
                string[] texts = [.. element.Value.EnumerateArray().Select(item => item.GetString()!).Where(item => item.Length > 0)];
                return texts.Length <= MostStops ? texts
                    : throw ApiException.Field(name, $"has {texts.Length} texts; at most {MostStops} are taken");
            default: throw ApiException.Field(name, "has to be a text or a list of texts");
        }
    }

    /// <summary>Whether a field asks for something: neither absent nor null, false, 0, empty.</summary>
    public static bool IsSet(JsonElement? element) => element?.ValueKind switch
    {
        null or JsonValueKind.Null or JsonValueKind.Undefined or JsonValueKind.False => false,
        JsonValueKind.Number => element.Value.GetDouble() != 0,
        JsonValueKind.String => element.Value.GetString()!.Length > 0,
        JsonValueKind.Array => element.Value.GetArrayLength() > 0,
        _ => true,
    };

    /// <summary>Whether a field is there and not null.</summary>
    public static bool IsGiven(JsonElement? element) => element?.ValueKind is not (null or JsonValueKind.Null or JsonValueKind.Undefined);

    /// <summary>An object, or null where there is nothing.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public static JsonElement? Object(JsonElement? element, string name) => !IsGiven(element) ? null
        : element!.Value.ValueKind == JsonValueKind.Object ? element : throw ApiException.Field(name, "has to be an object");

    /// <summary>
    /// Checks options, and calls one that is wrong by the name that it has in requests: `TopP is 2; ...` as `top_p is 2; ...`.
    /// </summary>
    /// <exception cref="ApiException">A value is out of its range.</exception>
    public static GenerationOptions Checked(GenerationOptions options)
    {
        try
        {
            options.Validate();
            return options;
        }
        catch (ArgumentException exception) when (exception.ParamName is { } option)
        {
            string name = option == nameof(GenerationOptions.StopStrings) ? "stop" : JsonNamingPolicy.SnakeCaseLower.ConvertName(option);
            bool saysName = exception.Message.StartsWith(option, StringComparison.Ordinal);
            throw new ApiException(400,
                saysName ? name + exception.Message[option.Length..] : $"{name}: {exception.Message}", parameter: name);
        }
    }

    /// <summary>Options with samplers turned off where a client writes -1 (as in vLLM and n8n) or 0.</summary>
    public static SamplingOptions WithOff(SamplingOptions options) => options with
    {
        TopK = Math.Max(options.TopK, 0),
        RepeatPenalty = options.RepeatPenalty == 0 ? 1 : options.RepeatPenalty,
    };

    /// <summary>
    /// The samplers of a model where a request of OpenAI's or Anthropic's API says nothing: the API's, but for the options that a derived
    /// model has.
    /// </summary>
    public static SamplingOptions SamplingOf(ServedModel served) =>
        served.DefaultOptions is { } options ? new OllamaOptions(options).ToGeneration(OpenAiSampling).Sampling : OpenAiSampling;

    /// <summary>Defaults of OpenAI's API where llama.cpp's differ.</summary>
    public static SamplingOptions OpenAiSampling { get; } = new() { Temperature = 1, TopP = 1 };

    /// <summary>Defaults of Ollama's API where llama.cpp's differ.</summary>
    public static SamplingOptions OllamaSampling { get; } = new() { TopP = 0.9f, MinP = 0 };
}
