using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.OpenAi;

namespace EdgeLlm.Server.LlamaCpp;

/// <summary>
/// The body of llama-server's `POST /completion`, and with the fields of a gap of `/infill`. Without a model, the service's own answers.
/// </summary>
internal sealed record LlamaCompletionRequest : TextRequest
{
    private const int MostLikeliest = GenerationOptions.MostLogProbabilities;

    /// <summary>A text, tokens, both in turns, or a list of these.</summary>
    public JsonElement? Prompt { get; init; }

    /// <summary>Most tokens; -1: no limit.</summary>
    public int? NPredict { get; init; }

    /// <summary>How many of the likeliest tokens are named with each; 0: none.</summary>
    public int? NProbs { get; init; }

    /// <summary>Whether the ids of the answer's tokens are given.</summary>
    public bool? ReturnTokens { get; init; }

    /// <summary>The text before the gap.</summary>
    public string? InputPrefix { get; init; }

    /// <summary>The text after it.</summary>
    public string? InputSuffix { get; init; }

    /// <summary>Other files that the model should know.</summary>
    public List<ExtraInput?>? InputExtra { get; init; }

    /// <param name="usual">The service's policy for a full context; null: cut.</param>
    /// <param name="fills">Whether a gap is filled.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? usual, bool fills)
    {
        if (!fills) PromptInput.ListOf(Prompt, "prompt");
        else if (InputPrefix is null && InputSuffix is null) throw ApiException.Field("input_prefix", "and input_suffix are missing");
        if (fills && Fields.IsSet(Prompt) && Prompt!.Value.ValueKind != JsonValueKind.String)
            throw ApiException.Field("prompt", "has to be a text");
        if (NProbs is < 0 or > MostLikeliest) throw ApiException.Field("n_probs", $"is {NProbs}; it has to be 0 to {MostLikeliest}");
        ContextPolicy policy = usual == ContextPolicy.Error ? ContextPolicy.Error : ContextPolicy.Cut;
        int? most = NPredict ?? MaxTokens;
        GenerationOptions options = Fields.Checked(OptionsOf(most is < 0 ? null : most, new SamplingOptions()) with
        {
            LogProbabilities = NProbs > 0 ? NProbs : ReturnTokens == true ? 0 : null,
        });
        return new GenerationRequest(served)
        {
            Encode = (current, _) => Task.FromResult<IReadOnlyList<List<int>>>(fills
                ? [Infill(current.Model)
                    ?? throw ApiException.Unsupported("input_suffix", $"the model '{served.Name}' has no tokens to fill a gap with")]
                : [.. PromptInput.ListOf(Prompt, "prompt").Select(prompt => prompt.Encode(current.Model, "prompt"))]),
            Options = options,
            Biases = Biases(),
            Choices = Choices,
            WhenFull = policy,
            Priority = Priority,
        };
    }

    private List<int>? Infill(LanguageModel model)
    {
        var before = new StringBuilder();
        foreach (ExtraInput? extra in InputExtra ?? [])
        {
            if (extra?.Text is { Length: > 0 } text) before.Append(text).Append('\n');
        }
        before.Append(InputPrefix);
        if (Prompt is { ValueKind: JsonValueKind.String } prompt) before.Append(prompt.GetString());
        return Prompts.EncodeInsertion(model, before.ToString(), InputSuffix ?? "");
    }
}

/// <summary>A file beside the one with the gap.</summary>
internal sealed record ExtraInput(string? Filename, string? Text);

/// <summary>The body of `POST /tokenize`.</summary>
internal sealed record TokenizeRequest(string? Model, JsonElement? Content, bool? AddSpecial, bool? ParseSpecial, bool? WithPieces);

/// <summary>The body of `POST /detokenize`.</summary>
internal sealed record DetokenizeRequest(string? Model, JsonElement? Tokens);

/// <summary>An answer, or a piece of one.</summary>
internal sealed record LlamaCompletion(int Index, string Content, bool Stop)
{
    public int[]? Tokens { get; init; }

    public int IdSlot => 0;

    public string? Model { get; init; }

    public int? TokensPredicted { get; init; }

    public int? TokensEvaluated { get; init; }

    public int? TokensCached { get; init; }

    public bool? Truncated { get; init; }

    /// <summary>`eos`, `limit` or `word`.</summary>
    public string? StopType { get; init; }

    public string? StoppingWord { get; init; }

    public TokenProbability[]? CompletionProbabilities { get; init; }

    public Timings? Timings { get; init; }
}

/// <summary>The answer of `GET /props`.</summary>
internal sealed record LlamaProps(LlamaSettings DefaultGenerationSettings, int TotalSlots, string ModelAlias, string ModelPath,
    string ChatTemplate, string BosToken, string EosToken, string BuildInfo)
{
    public LlamaModalities Modalities { get; } = new(false, false);
}

/// <param name="NCtx">Tokens of a context.</param>
internal sealed record LlamaSettings(int NCtx, LlamaParameters Params);

/// <summary>The samplers where a request says nothing.</summary>
internal sealed record LlamaParameters(float Temperature, int TopK, float TopP, float MinP, float RepeatPenalty,
    int RepeatLastN, float TypicalP);

internal sealed record LlamaModalities(bool Vision, bool Audio);

internal sealed record TokenList(JsonElement Tokens);

/// <summary>A token with its text; bytes where they are a part of a character.</summary>
internal sealed record TokenPiece(int Id, JsonElement Piece);

internal sealed record DetokenizedText(string Content);

internal sealed record AppliedTemplate(string Prompt);

/// <summary>llama-server's error.</summary>
internal sealed record LlamaError(LlamaErrorDetails Error)
{
    public static LlamaError Of(ApiError error) =>
        new(new LlamaErrorDetails(error.Status, error.Message,
            error.Status == 503 ? "unavailable_error" : error.Type)
        { Param = error.Parameter });
}

internal sealed record LlamaErrorDetails(int Code, string Message, string Type)
{
    /// <summary>The field that is wrong.</summary>
    public string? Param { get; init; }
}

/// <summary>How the types of llama-server's API are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(WholeInt32), typeof(WholeInt64)])]
[JsonSerializable(typeof(LlamaCompletionRequest))]
[JsonSerializable(typeof(LlamaCompletion))]
[JsonSerializable(typeof(LlamaCompletion[]))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(DetokenizeRequest))]
[JsonSerializable(typeof(LlamaProps))]
[JsonSerializable(typeof(TokenList))]
[JsonSerializable(typeof(TokenPiece[]))]
[JsonSerializable(typeof(DetokenizedText))]
[JsonSerializable(typeof(AppliedTemplate))]
[JsonSerializable(typeof(LlamaError))]
[JsonSerializable(typeof(int[]))]
internal sealed partial class LlamaJson : JsonSerializerContext;
