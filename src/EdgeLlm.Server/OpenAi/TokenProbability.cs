using System.Text;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Server.OpenAi;

/// <summary>A token and the logarithm of its probability, as OpenAI's and Ollama's APIs write it.</summary>
/// <param name="Token">Its text; U+FFFD for bytes that are a part of a character.</param>
/// <param name="Logprob">The natural logarithm.</param>
/// <param name="Bytes">Its bytes.</param>
internal sealed record TokenProbability(string Token, float Logprob, int[] Bytes)
{
    /// <summary>Most tokens that are named with each one.</summary>
    public const int MostLikeliest = 20;

    /// <summary>The token's id, as llama.cpp's server gives it.</summary>
    public int? Id { get; init; }

    /// <summary>The likeliest tokens in its place.</summary>
    public IReadOnlyList<TokenProbability>? TopLogprobs { get; init; }

    /// <summary>Those of an answer.</summary>
    public static TokenProbability[] Of(Tokenizer tokenizer, IReadOnlyList<TokenLogProbability> tokens) =>
        [.. tokens.Select(token => Of(tokenizer, token.Token, token.LogProbability)
            with { TopLogprobs = [.. token.Likeliest.Select(one => Of(tokenizer, one.Token, one.LogProbability))] })];

    /// <summary>A token by its id.</summary>
    public static TokenProbability Of(Tokenizer tokenizer, int id, float logProbability)
    {
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        tokenizer.Decode(id, bytes, renderSpecial: true);
        return new TokenProbability(Encoding.UTF8.GetString(bytes.WrittenSpan), Finite(logProbability),
            [.. bytes.WrittenSpan.ToArray().Select(one => (int)one)])
        {
            Id = id,
        };
    }

    /// <summary>JSON has no infinity: OpenAI's API has -9999 in its place.</summary>
    public static float Finite(float logProbability) => float.IsFinite(logProbability) ? logProbability : -9999;
}

/// <summary>Probabilities of an answer's tokens, as chats have them.</summary>
internal sealed record ChatProbabilities(TokenProbability[] Content)
{
    [System.Text.Json.Serialization.JsonIgnore(Condition = System.Text.Json.Serialization.JsonIgnoreCondition.Never)]
    public TokenProbability[]? Refusal => null;

    /// <summary>Null where they were not asked for.</summary>
    public static ChatProbabilities? Of(Tokenizer tokenizer, IReadOnlyList<TokenLogProbability> tokens, bool areGiven) =>
        areGiven ? new ChatProbabilities(TokenProbability.Of(tokenizer, tokens)) : null;
}
