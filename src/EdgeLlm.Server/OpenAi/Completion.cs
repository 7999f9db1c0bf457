using System.Text;
using System.Text.Json.Serialization;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Server.OpenAi;

/// <summary>Continued texts, or a piece of one.</summary>
internal sealed record Completion(string Id, long Created, string Model, string? SystemFingerprint, CompletionChoice[] Choices)
{
    public string Object => "text_completion";

    public Usage? Usage { get; init; }

    public Timings? Timings { get; init; }
}

internal sealed record CompletionChoice(int Index, string Text)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public CompletionProbabilities? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }
}

/// <summary>Probabilities of tokens as completions have them: lists side by side.</summary>
/// <param name="Tokens">Texts.</param>
/// <param name="TokenLogprobs">Natural logarithms; null of a prompt's first token.</param>
/// <param name="TopLogprobs">Those of the likeliest tokens by their texts; null of a prompt's first token.</param>
/// <param name="TextOffset">Characters before each.</param>
internal sealed record CompletionProbabilities(string[] Tokens, float?[] TokenLogprobs,
    Dictionary<string, float>?[] TopLogprobs, int[] TextOffset)
{
    /// <summary>Those of tokens.</summary>
    /// <param name="before">Characters before the first.</param>
    public static CompletionProbabilities Of(Tokenizer tokenizer, IReadOnlyList<TokenLogProbability> tokens, int before, int? first = null)
    {
        var texts = new List<string>();
        var logarithms = new List<float?>();
        var likeliest = new List<Dictionary<string, float>?>();
        var offsets = new List<int>();
        if (first is { } beginning) Add(TextOf(tokenizer, beginning), null, null);
        foreach (TokenLogProbability token in tokens)
        {
            var top = new Dictionary<string, float>();
            foreach ((int id, float logProbability) in token.Likeliest)
                top.TryAdd(TextOf(tokenizer, id), TokenProbability.Finite(logProbability));
            Add(TextOf(tokenizer, token.Token), TokenProbability.Finite(token.LogProbability), top);
        }
        return new CompletionProbabilities([.. texts], [.. logarithms], [.. likeliest], [.. offsets]);

        void Add(string text, float? logProbability, Dictionary<string, float>? top)
        {
            texts.Add(text);
            logarithms.Add(logProbability);
            likeliest.Add(top);
            offsets.Add(before);
            before += text.Length;
        }
    }

    /// <summary>A token's text; bytes that are a part of a character as OpenAI's API writes them: `bytes:\xe2\x82`.</summary>
    private static string TextOf(Tokenizer tokenizer, int id)
    {
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        tokenizer.Decode(id, bytes, renderSpecial: true);
        string text = Encoding.UTF8.GetString(bytes.WrittenSpan);
        return text.Contains('\uFFFD', StringComparison.Ordinal)
            ? "bytes:" + string.Concat(bytes.WrittenSpan.ToArray().Select(one => $"\\x{one:x2}")) : text;
    }
}
