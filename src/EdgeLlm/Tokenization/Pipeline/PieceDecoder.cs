using System.Buffers;
using System.Text;

namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>From tokens to text, one token at a time.</summary>
internal sealed record PieceDecoder
{
    /// <summary>Whether tokens are written in letters for bytes.</summary>
    public bool ReadsByteLetters { get; init; }

    /// <summary>Whether an entry such as &lt;0x0A&gt; stands for a byte.</summary>
    public bool ReadsBytes { get; init; }

    /// <summary>Whether words are divided by spaces, and tokens that continue one are marked: WordPiece's.</summary>
    public bool JoinsWords { get; init; }

    /// <summary>Whether the space before . , ! ? is left out.</summary>
    public bool CleansUpSpaces { get; init; }

    /// <summary>Whether a text's first space is left out.</summary>
    public bool DropsFirstSpace { get; init; }

    /// <summary>Replacements in each token, one after the other.</summary>
    public IReadOnlyList<(string From, string To)> Replacements { get; init; } = [];

    /// <summary>Writes what a token stands for.</summary>
    public void Write(ReadOnlySpan<byte> token, IBufferWriter<byte> output)
    {
        if (ReadsByteLetters)
        {
            if (ByteLetters.Are(token)) ByteLetters.Read(token, output);
            else output.Write(token);
            return;
        }
        if (Replacements.Count == 0)
        {
            output.Write(token);
            return;
        }
        string text = Encoding.UTF8.GetString(token);
        foreach ((string from, string to) in Replacements) text = text.Replace(from, to, StringComparison.Ordinal);
        output.Write(Encoding.UTF8.GetBytes(text));
    }
}
