using EdgeLlm.Sampling;

namespace EdgeLlm.Tests.Sampling;

/// <summary>The filters as their papers put them, on a list of tokens, best first, and with the platform's functions.</summary>
internal static class Reference
{
    public static List<int> TopK(float[] logits, int k) =>
        [.. Enumerable.Range(0, logits.Length).Where(token => !float.IsNegativeInfinity(logits[token]))
            .OrderByDescending(token => logits[token]).ThenBy(token => token).Take(k == 0 ? logits.Length : k)];

    public static List<int> TopP(float[] logits, List<int> tokens, float p)
    {
        double[] probabilities = Probabilities(logits, tokens);
        int kept = 1;
        while (kept < tokens.Count && probabilities.Take(kept).Sum() < p) kept++;
        return tokens[..kept];
    }

    public static List<int> MinP(float[] logits, List<int> tokens, float p)
    {
        double[] probabilities = Probabilities(logits, tokens);
        return [.. tokens.Where((_, index) => probabilities[index] >= p * probabilities.Max())];
    }

    public static List<int> TypicalP(float[] logits, List<int> tokens, float p)
    {
        double[] probabilities = Probabilities(logits, tokens);
        double entropy = -probabilities.Sum(probability => probability * Math.Log(probability));
        int[] order = [.. Enumerable.Range(0, tokens.Count).OrderBy(index => Math.Abs(-Math.Log(probabilities[index]) - entropy))];
        int kept = 1;
        while (kept < order.Length && order.Take(kept).Sum(index => probabilities[index]) <= p) kept++;
        return [.. order.Take(kept).Order().Select(index => tokens[index])];
    }

    public static double[] Probabilities(float[] logits, List<int> tokens, double temperature = 1)
    {
        double best = tokens.Max(token => logits[token]);
        double[] weights = [.. tokens.Select(token => Math.Exp((logits[token] - best) / temperature))];
        return [.. weights.Select(weight => weight / weights.Sum())];
    }

    /// <summary>
    /// DRY as p-e-w wrote it: from each earlier occurrence of the last token, walk back while the tokens match. Breakers are single
    /// tokens.
    /// </summary>
    public static float[] Dry(int[] text, float[] logits, SamplingOptions options)
    {
        HashSet<int> breakers = [.. options.DrySequenceBreakers.Select(breaker => breaker.Single())];
        var longest = new Dictionary<int, int>();
        if (text.Length > 0 && !breakers.Contains(text[^1]))
        {
            for (int i = 0; i < text.Length - 1; i++)
            {
                if (text[i] != text[^1] || breakers.Contains(text[i + 1])) continue;
                int length = 1;
                while (i - length >= 0 && text[i - length] == text[^(length + 1)] && !breakers.Contains(text[i - length])) length++;
                longest[text[i + 1]] = Math.Max(length, longest.GetValueOrDefault(text[i + 1]));
            }
        }

        float[] penalised = [.. logits];
        foreach ((int token, int length) in longest)
        {
            if (length < options.DryAllowedLength) continue;
            penalised[token] -= (float)(options.DryMultiplier * Math.Pow(options.DryBase, length - options.DryAllowedLength));
        }
        return penalised;
    }

    /// <summary>Logits like a model's: a bell of the given width.</summary>
    public static float[] RandomLogits(int seed, int count, double width)
    {
        var random = new Xoshiro256((ulong)seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(width * (Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6)))];
    }
}
