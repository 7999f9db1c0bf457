using EdgeLlm.Tokenization.Patterns;

namespace EdgeLlm.Tokenization;

/// <summary>How a BPE with merges treats a text before it merges, by the name in <c>tokenizer.ggml.pre</c>.</summary>
internal sealed partial class PreTokenizer
{
    private readonly Splitter[] _splitters;

    private PreTokenizer(params string[] expressions)
    {
        Expressions = expressions;
        _splitters = [.. expressions.Select(expression => (Splitter?)DigitGroups.For(expression) ?? Pattern.Parse(expression))];
    }

    /// <summary>The expressions, each applied to the pieces that the one before left.</summary>
    public IReadOnlyList<string> Expressions { get; }

    /// <summary>Whether a piece that is a token is taken as it is.</summary>
    public bool IgnoresMerges { get; private init; }

    /// <summary>Whether merges work on UTF-8 and not on GPT-2's letters for bytes.</summary>
    public bool IsRaw { get; private init; }

    /// <summary>Whether spaces are written as ▁, and a run of newlines that is a token is taken as it is.</summary>
    public bool MarksSpaces { get; private init; }

    /// <summary>Whether the model wants BOS, if its file does not say.</summary>
    public bool AddsBos { get; private init; }

    /// <summary>Whether the model wants a separator, if its file does not say.</summary>
    public bool AddsSeparator { get; private init; }

    /// <summary>Where each piece of <paramref name="text"/> ends.</summary>
    public List<int> Split(ReadOnlySpan<byte> text)
    {
        List<int> ends = [text.Length], finer = [];
        foreach (Splitter splitter in _splitters)
        {
            finer.Clear();
            int start = 0;
            foreach (int end in ends)
            {
                splitter.Split(text[start..end], start, finer);
                start = end;
            }
            (ends, finer) = (finer, ends);
        }
        return ends;
    }

    public bool TakesWhole(ReadOnlySpan<byte> piece) => IgnoresMerges || MarksSpaces && !piece.ContainsAnyExcept((byte)'\n');
}
