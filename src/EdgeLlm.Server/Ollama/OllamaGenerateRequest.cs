using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Ollama;

/// <summary>The body of `POST /api/generate`.</summary>
internal sealed record OllamaGenerateRequest : OllamaRequest
{
    public string? Prompt { get; init; }

    public string? System { get; init; }

    /// <summary>The prompt goes to the model as it is, without its chat template.</summary>
    public bool? Raw { get; init; }

    /// <summary>The text after the gap that the answer fills.</summary>
    public string? Suffix { get; init; }

    public string? Template { get; init; }

    public JsonElement? Images { get; init; }

    /// <summary>The tokens of an earlier answer's `context`, which this prompt follows.</summary>
    public int[]? Context { get; init; }

    /// <summary>Whether it only loads or unloads the model.</summary>
    [global::System.Text.Json.Serialization.JsonIgnore]
    public bool IsEmpty => string.IsNullOrEmpty(Prompt) && string.IsNullOrEmpty(Suffix);

    /// <param name="usual">The service's policy for a full context.</param>
    /// <exception cref="ApiException">A field is wrong, or asks for what this version does not do.</exception>
    public GenerationRequest ToRequest(ServedModel served, ContextPolicy? usual)
    {
        if (!string.IsNullOrEmpty(Template))
            throw ApiException.Unsupported("template", "only the model's own chat template is used; raw: true uses none");
        if (Fields.IsSet(Images)) throw ApiException.Unsupported("images", "this model reads text only");
        GenerationRequest request = RequestFor(served, usual);
        // One question has no turns to drop: where it may not be cut, it is refused.
        ContextPolicy whenFull = request.WhenFull == ContextPolicy.Error ? ContextPolicy.Error : ContextPolicy.Cut;
        request = request with { WhenFull = whenFull, Options = request.Options with { Shift = false } };
        string? system = string.IsNullOrEmpty(System) ? served.System : System;
        bool isInsertion = !string.IsNullOrEmpty(Suffix);
        bool isPlain = Raw == true || isInsertion || (served.ChatTemplate is null && string.IsNullOrEmpty(system));
        if (!isPlain && Context is not { Length: > 0 }) return request with
        {
            Conversation = new Conversation(Turns(system)) { Variables = Variables() },
        };
        return request with
        {
            Encode = async (current, cancellation) =>
            {
                List<int> prompt = await EncodeAsync(current, system, cancellation).ConfigureAwait(false);
                Prompts.RequireRoomFor(request.Options.MaxTokens, prompt.Count, current.Model.ContextLength, whenFull);
                return [prompt];
            },
        };

        JsonElement? Variables() => Thinking.Variables(null, ThinkingEffort.Thinks, ThinkingEffort.Effort);
    }

    private List<ChatMessage> Turns(string? system) =>
        string.IsNullOrEmpty(system) ? [new("user", Prompt!)] : [new("system", system), new("user", Prompt!)];

    private async Task<List<int>> EncodeAsync((LanguageModel Model, ChatFormat Format) current, string? system,
        CancellationToken cancellation)
    {
        List<int> before = [.. Context ?? []];
        if (before.Any(token => (uint)token >= (uint)current.Model.Info.VocabularySize))
            throw ApiException.Field("context", "has a token that this model does not have");
        if (!string.IsNullOrEmpty(Suffix))
            return Prompts.EncodeInsertion(current.Model, Prompt ?? "", Suffix)
                ?? throw new ApiException(400, $"\"{Model}\" does not support insert", parameter: "suffix");
        // As in Ollama, a model without a template continues the prompt; a system prompt would be lost, so that is refused.
        if (Raw == true || (!current.Format.HasTemplate && string.IsNullOrEmpty(system)))
            return [.. before, .. Prompts.EncodeRaw(current.Model.Tokenizer, Prompt!, isFirst: before.Count == 0)];
        List<ChatMessage> turns = Turns(before.Count == 0 ? system : System);
        if (before.Count == 0)
            return await Prompts.EncodeAsync(current, new Conversation(turns), 0, ContextPolicy.Cut, cancellation).ConfigureAwait(false);
        try
        {
            return await Prompts.EncodeAfterAsync(current, before, turns, cancellation).ConfigureAwait(false);
        }
        catch (ChatTemplateException) when (turns.Count > 1)
        {
            // Many templates take a system turn as the first one only.
            turns = [new ChatMessage("user", $"{System}\n\n{Prompt}")];
            return await Prompts.EncodeAfterAsync(current, before, turns, cancellation).ConfigureAwait(false);
        }
    }
}
