using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Parts of speech by an averaged perceptron over the word, its neighbours and the two tags before it, from left to right.
/// </summary>
internal sealed class Tagger
{
    private const int WeightBytes = 3;

    private readonly string[] _tags;
    private readonly StringTable _words;
    private readonly StringTable _vocabulary;
    private readonly StringTable _weights;

    public Tagger(TextParts parts)
    {
        _tags = Encoding.UTF8.GetString(parts[TextParts.Tags].Span).Split('\n');
        (_words, _vocabulary, _weights) =
            (parts.Table(TextParts.TagWords), parts.Table(TextParts.TagVocabulary), parts.Table(TextParts.TagWeights));
    }

    /// <summary>Sets the tags of tokens that follow each other.</summary>
    public void Tag(ReadOnlySpan<WordToken> tokens)
    {
        string[] context = new string[tokens.Length + 4]; // two words before the first and after the last
        (context[0], context[1], context[^2], context[^1]) = ("-START2-", "-START-", "-END-", "-END2-");
        for (int i = 0; i < tokens.Length; i++)
        {
            string word = Normalize(tokens[i].Text);
            context[i + 2] = _vocabulary.TryFind(word, out _) ? word : $"<{Shape(tokens[i].Text)}>";
        }
        string previous = "-START-", beforeThat = "-START2-";
        Span<double> scores = stackalloc double[_tags.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            string text = tokens[i].Text;
            string tag;
            if (_words.TryFind(text, out ReadOnlySpan<byte> known))
            {
                tag = known.Length == 1 && known[0] < _tags.Length ? _tags[known[0]] : "NN";
            }
            else
            {
                scores.Clear();
                Add(scores, "b", "");
                Add(scores, "s3=", LastThree(text));
                Add(scores, "p1=", text.AsSpan(0, 1));
                Add(scores, "w=", context[i + 2]);
                Add(scores, "sh=", Shape(text));
                Add(scores, i == 0 ? "i0" : "i+", "");
                Add(scores, "t-1=", previous);
                Add(scores, "t-2=", beforeThat);
                Add(scores, "t-12=", $"{previous},{beforeThat}");
                Add(scores, "w-1=", context[i + 1]);
                Add(scores, "s3-1=", LastThree(context[i + 1]));
                Add(scores, "w-2=", context[i]);
                Add(scores, "w+1=", context[i + 3]);
                Add(scores, "s3+1=", LastThree(context[i + 3]));
                Add(scores, "w+2=", context[i + 4]);
                int best = 0;
                for (int t = 1; t < scores.Length; t++)
                {
                    if (scores[t] >= scores[best]) best = t;
                }
                tag = _tags[best];
            }
            tokens[i].Tag = tag;
            (beforeThat, previous) = (previous, tag);
        }
    }

    private void Add(Span<double> scores, string name, ReadOnlySpan<char> value)
    {
        if (value.Length > 64) return; // no feature is so long
        Span<char> key = stackalloc char[80];
        name.CopyTo(key);
        value.CopyTo(key[name.Length..]);
        if (!_weights.TryFind(key[..(name.Length + value.Length)], out ReadOnlySpan<byte> weights)) return;
        for (int i = 0; i + WeightBytes <= weights.Length; i += WeightBytes)
        {
            if (weights[i] < scores.Length) scores[weights[i]] += BinaryPrimitives.ReadInt16LittleEndian(weights[(i + 1)..]) / 10.0;
        }
    }

    private static ReadOnlySpan<char> LastThree(string text) => text.AsSpan(Math.Max(0, text.Length - 3));

    private static bool IsDigit(char c) =>
        char.IsDigit(c) || c is '²' or '³' or '¹' or (>= '⁰' and <= '⁹') or (>= '₀' and <= '₉') or (>= '①' and <= '⑨');

    private static bool AreDigits(string text)
    {
        foreach (char c in text)
        {
            if (!IsDigit(c)) return false;
        }
        return text.Length > 0;
    }

    private static string Normalize(string word)
    {
        if (word.Contains('-') && word[0] != '-') return "!HYPHEN";
        if (word.Length == 4 && AreDigits(word)) return "!YEAR";
        return IsDigit(word[0]) ? "!DIGITS" : word.ToLowerInvariant();
    }

    private static string Shape(string word)
    {
        if (Letters.IsAlphabetic(word))
        {
            if (HasCase(word, upper: false)) return "x";
            if (HasCase(word, upper: true)) return word.Length == 1 ? "X1" : "XX";
            return HasCase(word.AsSpan(0, 1), upper: true) && HasCase(word.AsSpan(1), upper: false) ? "Xx" : "xX";
        }
        if (AreDigits(word)) return "d";
        Span<char> shape = stackalloc char[Math.Min(4, word.Length)];
        for (int i = 0; i < shape.Length; i++) shape[i] = IsDigit(word[i]) ? 'd' : char.IsLetter(word[i]) ? 'x' : word[i];
        return shape.ToString();
    }

    /// <summary>At least one cased letter, and none of the other case.</summary>
    private static bool HasCase(ReadOnlySpan<char> text, bool upper)
    {
        bool found = false;
        foreach (char c in text)
        {
            if (upper ? char.IsLower(c) : char.IsUpper(c)) return false;
            found |= upper ? char.IsUpper(c) : char.IsLower(c);
        }
        return found;
    }
}
