using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Answers;

/// <summary>A request for text: what the requests of all APIs become.</summary>
/// <param name="Served">The model that is asked.</param>
internal sealed record GenerationRequest(ServedModel Served)
{
    /// <summary>Most of <see cref="Choices"/> over all prompts.</summary>
    public const int MostChoices = 8;

    /// <summary>The conversation to answer; null: <see cref="Encode"/> gives the prompts.</summary>
    public Conversation? Conversation { get; init; }

    /// <summary>The tools that may be called in the answer to a conversation.</summary>
    public RequestTools Tools { get; init; } = RequestTools.None;

    /// <summary>Makes the tokens of each prompt that is not a conversation.</summary>
    public Func<(LanguageModel Model, ChatFormat Format), CancellationToken, Task<IReadOnlyList<List<int>>>>? Encode { get; init; }

    /// <summary>How to answer; checked.</summary>
    public required GenerationOptions Options { get; init; }

    /// <summary>Additions to tokens' logits, before the model is known whose tokens they are.</summary>
    public IReadOnlyList<TokenBias> Biases { get; init; } = [];

    /// <summary>Answers to each prompt; they share its computation.</summary>
    public int Choices { get; init; } = 1;

    /// <summary>Policy for a full context.</summary>
    public ContextPolicy WhenFull { get; init; } = ContextPolicy.Cut;

    /// <summary>Its place among all requests.</summary>
    public AnswerPriority Priority { get; init; } = AnswerPriority.Chat;

    /// <summary>How long the model stays loaded after this; null: as usual.</summary>
    public TimeSpan? KeepsFor { get; init; }
}

/// <summary>A bias of a token, or of all tokens of a text.</summary>
/// <param name="Token">A token's number, or a text.</param>
/// <param name="Bias">What is added to its logit; -infinity bans it.</param>
internal sealed record TokenBias(string Token, float Bias)
{
    /// <summary>Biases by token.</summary>
    /// <exception cref="ApiException">A number is not a token of the model, or a bias is not a number.</exception>
    public static Dictionary<int, float>? Of(IReadOnlyList<TokenBias> biases, LanguageModel model)
    {
        if (biases.Count == 0) return null;
        int size = model.Info.VocabularySize;
        var byToken = new Dictionary<int, float>(biases.Count);
        foreach (TokenBias bias in biases)
        {
            if (float.IsNaN(bias.Bias) || float.IsPositiveInfinity(bias.Bias))
                throw ApiException.Field("logit_bias", $"of '{bias.Token}' must be a finite number or a ban");
            if (int.TryParse(bias.Token, System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture, out int token))
            {
                if (token >= size)
                    throw ApiException.Field("logit_bias", $"names the token '{bias.Token}'; this model's are the numbers 0 to {size - 1}");
                byToken[token] = bias.Bias;
                continue;
            }
            int[] tokens = model.Tokenizer.Encode(bias.Token);
            if (tokens.Length == 0) throw ApiException.Field("logit_bias", "names a token without text");
            foreach (int one in tokens) byToken[one] = bias.Bias;
        }
        return byToken;
    }
}
