using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>The body of `POST /v1/completions`: texts that are continued as they are.</summary>
internal sealed record CompletionRequest : TextRequest
{
    /// <summary>Most of <see cref="Logprobs"/>.</summary>
    private const int MostLikeliest = 20;

    /// <summary>A text, tokens, or a list of either.</summary>
    public JsonElement? Prompt { get; init; }

    /// <summary>The text after the gap that the answer fills.</summary>
    public string? Suffix { get; init; }

    /// <summary>Whether the prompt's text comes before the answer's.</summary>
    public bool? Echo { get; init; }

    /// <summary>How many of the likeliest tokens are named with each; null: no probabilities.</summary>
    public int? Logprobs { get; init; }

    /// <summary>Answers of which the <see cref="TextRequest.N"/> with the highest mean probability are given.</summary>
    public int? BestOf { get; init; }

    /// <summary>How many answers of each prompt are given.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public int Given => Choices;

    /// <summary>Whether nothing is generated: only the prompt is looked at.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsEmpty => MaxTokens == 0;

    /// <summary>The tokens of each prompt.</summary>
    /// <exception cref="ApiException">They are something else.</exception>
    public IReadOnlyList<List<int>> Encode(LanguageModel model)
    {
        PromptInput[] prompts = PromptInput.ListOf(Prompt, "prompt");
        if (string.IsNullOrEmpty(Suffix)) return [.. prompts.Select(prompt => prompt.Encode(model, "prompt"))];
        return
        [
            .. prompts.Select(prompt =>
                Prompts.EncodeInsertion(model, prompt.Text ?? throw ApiException.Field("suffix", "takes a prompt that is a text"), Suffix)
                ?? throw ApiException.Unsupported("suffix", $"the model '{Model}' has no tokens to fill a gap with")),
        ];
    }

    /// <param name="served">The model that is asked.</param>
    /// <param name="whenFull">The service's policy for a full context; null: cut.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? whenFull)
    {
        PromptInput.ListOf(Prompt, "prompt"); // before the model is opened
        if (Logprobs is < 0 or > MostLikeliest) throw ApiException.Field("logprobs", $"is {Logprobs}; it has to be 0 to {MostLikeliest}");
        int choices = Choices, best = BestOf ?? choices;
        if (best < choices || best > GenerationRequest.MostChoices)
            throw ApiException.Field("best_of", $"is {best}; it has to be n, {choices}, to {GenerationRequest.MostChoices}");
        if (Stream == true && best > choices) throw ApiException.Field("best_of", "can't be more than n in a stream");
        ContextPolicy policy = whenFull == ContextPolicy.Error ? ContextPolicy.Error : ContextPolicy.Cut; // no turns to drop
        GenerationOptions options =
            Fields.Checked(OptionsOf(MaxTokens, Fields.SamplingOf(served))
                with
            { LogProbabilities = Logprobs ?? (best > choices ? 0 : null) });
        return new GenerationRequest(served)
        {
            Encode = (current, _) =>
            {
                IReadOnlyList<List<int>> prompts = Encode(current.Model);
                foreach (List<int> prompt in prompts)
                    Prompts.RequireRoomFor(options.MaxTokens, prompt.Count, current.Model.ContextLength, policy);
                return Task.FromResult(prompts);
            },
            Options = options,
            Biases = Biases(),
            Choices = best,
            WhenFull = policy,
            Priority = Priority,
        };
    }
}

/// <summary>A prompt that is continued as it is: a text, or tokens, or both in turns (llama.cpp's server).</summary>
internal sealed class PromptInput
{
    private const int MostPrompts = GenerationRequest.MostChoices;

    private readonly JsonElement _value;

    private PromptInput(JsonElement value) => _value = value;

    /// <summary>Its text; null: it is or has tokens.</summary>
    public string? Text => _value.ValueKind == JsonValueKind.String ? _value.GetString() : null;

    /// <summary>The prompts of a field: a text, a list of tokens, or a list of prompts.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public static PromptInput[] ListOf(JsonElement? field, string name)
    {
        PromptInput[] prompts = field switch
        {
            { ValueKind: JsonValueKind.String } text => [new PromptInput(text)],
            { ValueKind: JsonValueKind.Object } parts when parts.TryGetProperty("prompt_string", out JsonElement text)
                && text.ValueKind == JsonValueKind.String => [new PromptInput(text)],
            { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() == 0 => throw ApiException.Field(name, "has no prompt"),
            { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(IsToken) => [new PromptInput(list)],
            { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String
                || IsMixed(item)) => [.. list.EnumerateArray().Select(item => new PromptInput(item))],
            { ValueKind: JsonValueKind.Array } list when IsMixed(list) => [new PromptInput(list)],
            null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => throw ApiException.Field(name, "is missing"),
            _ => throw ApiException.Field(name, "has to be a text, a list of tokens, or a list of these"),
        };
        return prompts.Length <= MostPrompts ? prompts
            : throw ApiException.Field(name, $"has {prompts.Length} prompts; at most {MostPrompts} are taken");
    }

    /// <summary>Its tokens.</summary>
    /// <exception cref="ApiException">A token is not the model's.</exception>
    public List<int> Encode(LanguageModel model, string name)
    {
        if (Text is { } text) return [.. Prompts.EncodeRaw(model.Tokenizer, text, isFirst: true)];
        var tokens = new List<int>();
        foreach (JsonElement part in _value.EnumerateArray())
        {
            if (part.ValueKind == JsonValueKind.String)
                tokens.AddRange(Prompts.EncodeRaw(model.Tokenizer, part.GetString()!, isFirst: tokens.Count == 0));
            else if (part.TryGetInt32(out int token) && (uint)token < (uint)model.Info.VocabularySize) tokens.Add(token);
            else
                throw ApiException.Field(name, $"has the token {part.GetRawText()}; this model's are 0 to {model.Info.VocabularySize - 1}");
        }
        return tokens;
    }

    private static bool IsToken(JsonElement item) => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out _);

    private static bool IsMixed(JsonElement list) =>
        list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0
            && list.EnumerateArray().All(item => IsToken(item) || item.ValueKind == JsonValueKind.String);
}
