using System.Buffers.Binary;

namespace EdgeLlm.Tokenization;

/// <summary>
/// SentencePiece's normalizer: the longest match in a trie of what is to be replaced. Layout: uint32 size of the trie in bytes, the
/// trie as a Darts double array of uint32 units, then replacements, each ending with a zero byte. All little-endian.
/// </summary>
internal sealed class PrecompiledCharsmap
{
    // Unicode's longest compatibility decomposition has 33 bytes. Nothing in a file may make a text grow without bound.
    private const int LongestReplacement = 1024;

    private readonly byte[] _data;
    private readonly int _unitCount;
    private readonly int _replacements; // where they start in _data

    public PrecompiledCharsmap(byte[] data)
    {
        _data = data;
        uint trieSize = data.Length < 4 ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(data);
        if (trieSize % 4 != 0 || trieSize > (uint)data.Length - 4u) throw Damaged("its trie is longer than it is");
        _unitCount = (int)(trieSize / 4);
        _replacements = 4 + (int)trieSize;
        if (_replacements < data.Length && data[^1] != 0) throw Damaged("its last replacement does not end");
        for (int start = _replacements, end; start < data.Length; start = end + 1)
        {
            end = Array.IndexOf(data, (byte)0, start);
            if (end - start > LongestReplacement) throw Damaged("a replacement is too long");
        }
    }

    /// <summary>How many bytes at the start of <paramref name="text"/> are to be replaced, and by what; 0 for none.</summary>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement) => Match(text, isShortest: false, out replacement);

    /// <summary>Whether an entry is what the text starts with, and what the shortest such is replaced by.</summary>
    public bool MatchShortest(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement) =>
        Match(text, isShortest: true, out replacement) > 0;

    private int Match(ReadOnlySpan<byte> text, bool isShortest, out ReadOnlySpan<byte> replacement)
    {
        int length = 0;
        uint offset = 0;
        uint node = Base(Unit(0));
        for (int i = 0; i < text.Length && text[i] != 0; i++)
        {
            node ^= text[i];
            uint unit = Unit(node);
            if ((unit & 0x800000FF) != text[i]) break; // the label, and bit 31 for a value instead of a child
            node ^= Base(unit);
            if ((unit & 0x100) == 0) continue;         // has a leaf, whose unit is the value
            length = i + 1;
            offset = Unit(node) & 0x7FFFFFFF;
            if (isShortest) break;
        }
        replacement = default;
        if (length == 0 || offset >= (uint)(_data.Length - _replacements)) return 0;
        replacement = _data.AsSpan(_replacements + (int)offset);
        replacement = replacement[..replacement.IndexOf((byte)0)];
        return length;
    }

    private static uint Base(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    /// <summary>The unit at <paramref name="index"/>; outside of the array one that no label matches.</summary>
    private uint Unit(uint index) =>
        index < (uint)_unitCount ? BinaryPrimitives.ReadUInt32LittleEndian(_data.AsSpan(4 + (int)index * 4)) : 0x80000000;

    private static TokenizerException Damaged(string what) => new($"tokenizer.ggml.precompiled_charsmap is damaged: {what}");
}
