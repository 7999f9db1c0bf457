using System.Buffers;
using System.Globalization;
using System.Text;
using EdgeLlm.Tokenization.Patterns;

namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>A step that changes a text before it is cut into pieces. Texts are valid UTF-8.</summary>
internal abstract class Normalizer
{
    /// <summary>Writes the changed text.</summary>
    public abstract void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output);

    private protected static void Write(Rune rune, IBufferWriter<byte> output) => output.Advance(rune.EncodeToUtf8(output.GetSpan(4)));
}

/// <summary>Unicode's normalization forms.</summary>
internal sealed class FormNormalizer(bool isCompatible, bool composes) : Normalizer
{
    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output) =>
        output.Write(CanonicalComposition.Normalize(text, isCompatible, composes));
}

/// <summary>Every match becomes another text.</summary>
internal sealed class ReplaceNormalizer(Pattern pattern, string content) : Normalizer
{
    private readonly byte[] _content = Encoding.UTF8.GetBytes(content);

    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        List<(int Start, int End)> matches = [];
        pattern.Find(text, matches);
        int done = 0;
        foreach ((int start, int end) in matches)
        {
            output.Write(text[done..start]);
            output.Write(_content);
            done = end;
        }
        output.Write(text[done..]);
    }
}

/// <summary>Puts a text before one that is not empty.</summary>
internal sealed class PrependNormalizer(string content) : Normalizer
{
    private readonly byte[] _content = Encoding.UTF8.GetBytes(content);

    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        if (text.IsEmpty) return;
        output.Write(_content);
        output.Write(text);
    }
}

/// <summary>Leaves out white space at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        int start = 0, end = text.Length;
        while (left && start < end && Rune.DecodeFromUtf8(text[start..end], out Rune rune, out int width) == OperationStatus.Done
            && Rune.IsWhiteSpace(rune))
            start += width;
        while (right && start < end && Rune.DecodeLastFromUtf8(text[start..end], out Rune rune, out int width) == OperationStatus.Done
            && Rune.IsWhiteSpace(rune))
            end -= width;
        output.Write(text[start..end]);
    }
}

/// <summary>Changes characters one by one.</summary>
internal abstract class RuneNormalizer : Normalizer
{
    public sealed override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        foreach (Rune rune in Encoding.UTF8.GetString(text).EnumerateRunes()) Apply(rune, output);
    }

    private protected abstract void Apply(Rune rune, IBufferWriter<byte> output);
}

/// <summary>Letters in lower case, each by itself.</summary>
internal sealed class LowercaseNormalizer : RuneNormalizer
{
    private protected override void Apply(Rune rune, IBufferWriter<byte> output)
    {
        if (rune.Value == 0x130) output.Write("i\u0307"u8); // the one letter whose small form has two characters
        else Write(Rune.ToLowerInvariant(rune), output);
    }
}

/// <summary>Leaves out marks that take no room (after a form that decomposes, accents).</summary>
internal sealed class StripAccentsNormalizer : RuneNormalizer
{
    private protected override void Apply(Rune rune, IBufferWriter<byte> output)
    {
        if (Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark) Write(rune, output);
    }
}

/// <summary>BERT's cleaning: no control characters, white space becomes spaces.</summary>
internal sealed class CleanNormalizer : RuneNormalizer
{
    private protected override void Apply(Rune rune, IBufferWriter<byte> output)
    {
        bool isSpace = rune.Value is '\t' or '\n' or '\r' || Rune.IsWhiteSpace(rune);
        bool isControl = !isSpace
            && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
        if (rune.Value is 0 or 0xFFFD || isControl) return;
        if (isSpace) output.Write(" "u8);
        else Write(rune, output);
    }
}

/// <summary>Spaces around each ideograph.</summary>
internal sealed class IdeographNormalizer : RuneNormalizer
{
    private protected override void Apply(Rune rune, IBufferWriter<byte> output)
    {
        bool isIdeograph = WordPieceTokenizer.IsIdeograph(rune.Value);
        if (isIdeograph) output.Write(" "u8);
        Write(rune, output);
        if (isIdeograph) output.Write(" "u8);
    }
}

/// <summary>Writes bytes as GPT-2's letters.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output) =>
        output.Advance(ByteLetters.Write(text, output.GetSpan(Math.Max(1, text.Length * ByteLetters.MaximumLength))));
}

/// <summary>
/// SentencePiece's map of characters as Hugging Face's tokenizers apply it: to whole grapheme clusters of up to 5 bytes, else to each
/// character; of what a cluster starts with the shortest entry counts, for all of the cluster.
/// </summary>
internal sealed class CharsmapNormalizer(byte[] map) : Normalizer
{
    private const int LongestCluster = 5;

    private readonly PrecompiledCharsmap _map = new(map);

    public override void Apply(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        string letters = Encoding.UTF8.GetString(text);
        for (int at = 0, length; at < letters.Length; at += length)
        {
            length = StringInfo.GetNextTextElementLength(letters, at);
            byte[] cluster = Encoding.UTF8.GetBytes(letters, at, length);
            if (cluster.Length <= LongestCluster && _map.MatchShortest(cluster, out ReadOnlySpan<byte> whole))
            {
                output.Write(whole);
                continue;
            }
            for (int i = 0, width; i < cluster.Length; i += width)
            {
                width = Utf8.WidthAt(cluster, i);
                ReadOnlySpan<byte> character = cluster.AsSpan(i, width);
                output.Write(_map.MatchShortest(character, out ReadOnlySpan<byte> replacement) ? replacement : character);
            }
        }
    }
}
