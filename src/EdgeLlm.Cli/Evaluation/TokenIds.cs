using System.Globalization;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>Token ids as text: whole numbers with blanks or commas between them.</summary>
internal static class TokenIds
{
    private const string Separators = " ,\t\r\n";

    private const char PairMark = '|';

    /// <summary>The prompts of a file that has one a line; a `|` is between the two texts of a pair.</summary>
    /// <exception cref="InvalidDataException">There is none, a line is empty, or something is not a token id; the message names the
    /// line.</exception>
    public static List<TokenPrompt> ReadPrompts(string path)
    {
        List<TokenPrompt> prompts = [];
        using var lines = new StringReader(InputFile.ReadText(path, InputFile.MostTextBytes).TrimStart('\uFEFF'));
        while (lines.ReadLine() is { } line)
        {
            string place = PlaceOf(path, prompts.Count);
            int[][] texts = [.. line.Split(PairMark).Select(text => Parse(text, place))];
            if (texts.Length > 2)
                throw new InvalidDataException($"{place}: has {texts.Length - 1} of {PairMark}; a pair has one, between its texts");
            if (texts.Any(text => text.Length == 0))
                throw new InvalidDataException(
                    $"{place}: {(texts.Length == 1 ? "the line" : "a text of the pair")} is empty; each line is a prompt of token ids");
            prompts.Add(new TokenPrompt([.. texts.SelectMany(text => text)], texts.Length == 1 ? null : texts[0].Length));
        }
        if (prompts.Count == 0) throw new InvalidDataException($"{path}: the file is empty; each line is a prompt of token ids");
        return prompts;
    }

    /// <summary>Place of the prompt with this index, for messages.</summary>
    public static string PlaceOf(string path, int prompt) => $"{path}, line {prompt + 1}";

    /// <exception cref="InvalidDataException">Something is not a token id; the message names <paramref name="place"/> and which
    /// word.</exception>
    public static int[] Parse(string text, string place)
    {
        List<int> ids = [];
        foreach (Range range in text.AsSpan().SplitAny(Separators))
        {
            ReadOnlySpan<char> word = text.AsSpan(range);
            if (word.IsEmpty) continue;
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw new InvalidDataException($"{place}: word {ids.Count + 1} is not a token id (a whole number from 0 on)");
            ids.Add(id);
        }
        return [.. ids];
    }

    /// <exception cref="InvalidDataException">An id is not in the vocabulary.</exception>
    public static void Require(ReadOnlySpan<int> ids, int vocabularySize, string place)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)vocabularySize)
                throw new InvalidDataException($"{place}: token {id} is not in the vocabulary (0 to {vocabularySize - 1})");
        }
    }
}

/// <summary>A prompt as token ids.</summary>
/// <param name="Second">The index of the second text's first id, where it is a pair of texts.</param>
internal sealed record TokenPrompt(int[] Ids, int? Second);
