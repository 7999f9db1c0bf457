using System.Text;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// Which tokens may come next in a window: never the suppressed ones; timestamps in pairs, never back in time, and before text where they
/// are together likelier than any text. Source: openai/whisper decoding.py (SuppressBlank, SuppressTokens, ApplyTimestampRules).
/// </summary>
/// <param name="hasTimestamps">Timestamps may come; otherwise none does.</param>
/// <param name="form">A form that the text has: it alone says which tokens may come; null: any text.</param>
internal sealed class TokenRules(WhisperConfig config, WhisperTokens tokens, bool hasTimestamps, IReadOnlyList<int[]> hotwords,
    float bonus, TextForm? form = null)
{
    /// <summary>The form that the text has; null: any.</summary>
    public TextForm? Form => form;

    /// <summary>Logits of tokens that may not come become negative infinity.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="text">What came in the window so far, without the prompt.</param>
    public void Apply(Span<float> logits, ReadOnlySpan<int> text)
    {
        Favour(logits, text, hotwords, bonus);
        if (form is not null) return;
        Forbid(logits, config.Suppressed);
        if (text.IsEmpty) Forbid(logits, config.SuppressedFirst);
        logits[tokens.NoTimestamps] = float.NegativeInfinity;
        if (hasTimestamps) ApplyTimestamps(logits, text);
        else logits[tokens.FirstTimestamp..].Fill(float.NegativeInfinity);
    }

    private void ApplyTimestamps(Span<float> logits, ReadOnlySpan<int> text)
    {
        int first = tokens.FirstTimestamp;
        bool lastIsTime = text.Length >= 1 && tokens.IsTimestamp(text[^1]),
            nextToLastIsTime = text.Length < 2 || tokens.IsTimestamp(text[^2]);
        if (lastIsTime && nextToLastIsTime) logits[first..].Fill(float.NegativeInfinity);
        else if (lastIsTime) logits[..tokens.End].Fill(float.NegativeInfinity);
        int latest = text.LastIndexOfAnyInRange(first, int.MaxValue);
        if (latest >= 0)
        {
            // A time may come again to begin the next segment, but a segment is never empty.
            int least = lastIsTime && !nextToLastIsTime ? text[latest] : text[latest] + 1;
            logits[first..Math.Min(least, logits.Length)].Fill(float.NegativeInfinity);
        }
        if (text.IsEmpty)
        {
            logits[..first].Fill(float.NegativeInfinity);
            int end = first + config.MostInitialTimestamp + 1;
            if (end < logits.Length) logits[end..].Fill(float.NegativeInfinity);
        }
        (double textLargest, double timesTotal) = (Softmax.Largest(logits[..first]), Softmax.LogSum(logits[first..]));
        if (timesTotal > textLargest) logits[..first].Fill(float.NegativeInfinity);
    }

    private static void Forbid(Span<float> logits, IReadOnlyList<int> ids)
    {
        for (int i = 0; i < ids.Count; i++)
        {
            if ((uint)ids[i] < (uint)logits.Length) logits[ids[i]] = float.NegativeInfinity;
        }
    }

    /// <summary>Adds to the next token of each word whose beginning was just said, and to the first token of the others.</summary>
    public static void Favour(Span<float> logits, ReadOnlySpan<int> text, IReadOnlyList<int[]> words, float bonus)
    {
        foreach (int[] word in words)
        {
            int said = Math.Min(word.Length - 1, text.Length);
            while (said > 0 && !text.EndsWith(word.AsSpan(0, said))) said--;
            logits[word[said]] += bonus;
        }
    }

    /// <summary>The tokens of words as they come within a text and at its beginning.</summary>
    public static IReadOnlyList<int[]> HotwordTokens(Tokenization.Tokenizer tokenizer, IEnumerable<string> words) =>
        [.. words.Select(word => word.Trim()).Where(word => word.Length > 0)
            .Select(word => tokenizer.Encode(" " + word.Normalize(NormalizationForm.FormC)))];
}
