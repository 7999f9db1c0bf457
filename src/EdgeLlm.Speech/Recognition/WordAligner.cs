using System.Numerics;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A word as tokens, and the encoder's positions that it was said at.</summary>
/// <param name="Tokens">How many of the text's tokens it has.</param>
internal readonly record struct AlignedWord(string Text, int Tokens, int Start, int End);

/// <summary>
/// When words were said: the heads of cross attention that follow the sound, their weights over the tokens brought to the same scale and
/// smoothed, and the cheapest path through them (dynamic time warping). Source: openai/whisper timing.py.
/// </summary>
internal sealed class WordAligner(WhisperModel model, HeadCaches cache)
{
    private const int MedianWidth = 7;

    // They are parts of the word after them, or before them.
    private const string Leading = "\"'“¿([{-", Trailing = "\"'.。,，!！?？:：”)]}、";

    private static readonly string[] LanguagesWithoutSpaces = ["zh", "ja", "th", "lo", "my", "yue"];

    private readonly (int Layer, int Head)[] _heads = model.Config.AlignmentHeads.Count > 0 ? [.. model.Config.AlignmentHeads]
        : [.. Enumerable.Range(model.Config.DecoderLayers / 2, model.Config.DecoderLayers - model.Config.DecoderLayers / 2)
            .SelectMany(layer => Enumerable.Range(0, model.Config.DecoderHeads).Select(head => (layer, head)))];

    /// <summary>Aligns a text with the window that the model has encoded.</summary>
    /// <param name="start">The tokens that start a transcript, up to the one before timestamps.</param>
    /// <param name="text">The text's tokens, without timestamps.</param>
    /// <param name="positions">Positions that have sound.</param>
    public List<AlignedWord> Align(int[] start, int[] text, int positions, string language)
    {
        if (text.Length == 0) return [];
        int[] all = [.. start, model.Tokens.NoTimestamps, .. text];
        float[][] weights = [.. _heads.Select(_ => new float[all.Length * positions])]; // [heads][tokens, positions]
        Attend(all, positions, weights);
        int first = start.Length, rows = text.Length + 1; // row i is of the token that predicts token i of the text
        double[] costs = new double[rows * positions];
        foreach (float[] head in weights)
        {
            Standardize(head, all.Length, positions);
            for (int row = 0; row < rows; row++)
                AddSmoothed(head.AsSpan((first + row) * positions, positions), costs.AsSpan(row * positions, positions));
        }
        int[] starts = Path(costs, rows, positions);
        var words = new List<AlignedWord>();
        int token = 0;
        foreach ((string word, int count) in Words(text, language))
        {
            words.Add(new AlignedWord(word, count, starts[token], starts[token + count]));
            token += count;
        }
        return words;
    }

    /// <summary>Cuts tokens into words with the punctuation that belongs to them.</summary>
    public List<(string Text, int Tokens)> Words(int[] text, string language)
    {
        bool hasSpaces = !LanguagesWithoutSpaces.Contains(language);
        var words = new List<(string Text, int Tokens)>();
        var letters = new StreamingDetokenizer(model.Tokenizer);
        int pending = 0;
        for (int i = 0; i < text.Length; i++)
        {
            pending++;
            string piece = letters.Add(text[i]).ToString();
            if (i == text.Length - 1) piece += letters.Flush().ToString();
            if (piece.Length == 0 && i < text.Length - 1) continue;
            bool continues = words.Count > 0 && hasSpaces && !piece.StartsWith(' ')
                && !(piece.Trim() is [var only] && Trailing.Contains(only));
            if (continues) words[^1] = (words[^1].Text + piece, words[^1].Tokens + pending);
            else words.Add((piece, pending));
            pending = 0;
        }
        for (int i = words.Count - 2; i >= 0; i--)
        {
            if (words[i].Text.StartsWith(' ') && words[i].Text.Trim() is [var mark] && Leading.Contains(mark)) Join(i);
        }
        for (int i = 1; i < words.Count; i++)
        {
            if (!words[i - 1].Text.EndsWith(' ') && words[i].Text is [var mark] && Trailing.Contains(mark)) Join(--i);
        }
        return words;

        void Join(int index)
        {
            words[index] = (words[index].Text + words[index + 1].Text, words[index].Tokens + words[index + 1].Tokens);
            words.RemoveAt(index + 1);
        }
    }

    /// <summary>Runs the decoder and keeps softmax(q k) of the heads.</summary>
    private unsafe void Attend(int[] all, int positions, float[][] weights)
    {
        int dimension = model.Config.Width / model.Config.DecoderHeads, done = 0, length = (model.Positions + 31) / 32 * 32;
        float scale = (float)(1 / Math.Sqrt(dimension));
        float[] keys = new float[dimension * length];
        model.Observer = (layer, queries, tokens) =>
        {
            for (int h = 0; h < _heads.Length; h++)
            {
                if (_heads[h].Layer != layer) continue;
                model.Cross.CopyKeys(layer, _heads[h].Head, keys, length);
                for (int t = 0; t < tokens; t++)
                    Scores(new ReadOnlySpan<float>(queries + t * (nint)model.Config.Width + _heads[h].Head * dimension, dimension), keys,
                        length, scale, weights[h].AsSpan((done + t) * positions, positions));
            }
        };
        try
        {
            cache.Length = 0;
            for (; done < all.Length; done += DecoderStack.MostTokens)
                model.Decode(all.AsSpan(done, Math.Min(DecoderStack.MostTokens, all.Length - done)), [cache], 0);
        }
        finally
        {
            model.Observer = null;
        }
    }

    private static void Scores(ReadOnlySpan<float> query, float[] keys, int length, float scale, Span<float> row)
    {
        float[] scores = new float[length];
        for (int d = 0; d < query.Length; d++)
        {
            var factor = new Vector<float>(query[d] * scale);
            for (int p = 0; p < length; p += Vector<float>.Count)
                Vector.FusedMultiplyAdd(factor, new Vector<float>(keys, d * length + p), new Vector<float>(scores, p)).CopyTo(scores, p);
        }
        float largest = Softmax.Largest(scores.AsSpan(0, row.Length));
        double sum = 0;
        for (int p = 0; p < row.Length; p++) sum += row[p] = Polynomials.Exp(scores[p] - largest);
        for (int p = 0; p < row.Length; p++) row[p] = (float)(row[p] / sum);
    }

    /// <summary>Each position's weights over the tokens: their mean becomes 0 and their deviation 1.</summary>
    private static void Standardize(float[] weights, int tokens, int positions)
    {
        for (int p = 0; p < positions; p++)
        {
            double sum = 0, squares = 0;
            for (int t = 0; t < tokens; t++) sum += weights[t * positions + p];
            double mean = sum / tokens;
            for (int t = 0; t < tokens; t++) squares += (weights[t * positions + p] - mean) * (weights[t * positions + p] - mean);
            double deviation = Math.Sqrt(squares / tokens);
            for (int t = 0; t < tokens; t++)
                weights[t * positions + p] = deviation > 0 ? (float)((weights[t * positions + p] - mean) / deviation) : 0;
        }
    }

    /// <summary>Adds the negative median of seven neighbours, mirrored at the ends.</summary>
    private static void AddSmoothed(ReadOnlySpan<float> row, Span<double> costs)
    {
        Span<float> window = stackalloc float[MedianWidth];
        int half = MedianWidth / 2, last = row.Length - 1;
        for (int p = 0; p < row.Length; p++)
        {
            for (int k = 0; k < MedianWidth; k++)
            {
                int at = Math.Abs(p + k - half);
                window[k] = row[Math.Clamp(at > last ? 2 * last - at : at, 0, last)];
            }
            window.Sort();
            costs[p] -= window[half];
        }
    }

    /// <summary>The cheapest path from the first token at the first position to the last at the last.</summary>
    /// <returns>Where each row begins.</returns>
    private static int[] Path(double[] costs, int rows, int positions)
    {
        double[] before = new double[positions + 1], now = new double[positions + 1];
        byte[] steps = new byte[rows * positions];
        before.AsSpan().Fill(double.PositiveInfinity);
        before[0] = 0;
        for (int row = 0; row < rows; row++)
        {
            now[0] = double.PositiveInfinity;
            for (int p = 0; p < positions; p++)
            {
                double both = before[p], down = before[p + 1], right = now[p];
                byte step = both < down && both < right ? (byte)0 : down < both && down < right ? (byte)1 : (byte)2;
                steps[row * positions + p] = step;
                now[p + 1] = costs[row * positions + p] + (step == 0 ? both : step == 1 ? down : right);
            }
            (before, now) = (now, before);
        }
        int[] starts = new int[rows];
        for (int row = rows - 1, p = positions - 1; row >= 0 && p >= 0;)
        {
            starts[row] = p;
            switch (steps[row * positions + p])
            {
                case 0: row--; p--; break;
                case 1: row--; break;
                default: p--; break;
            }
        }
        return starts;
    }
}
