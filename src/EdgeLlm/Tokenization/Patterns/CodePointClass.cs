using System.Globalization;
using System.Runtime.CompilerServices;

namespace EdgeLlm.Tokenization.Patterns;

/// <summary>A set of code points: categories, white space and ranges; perhaps negated; perhaps only what another class has too.</summary>
internal sealed class CodePointClass
{
    private readonly uint _categories; // bit (int)UnicodeCategory
    private readonly bool _whiteSpace;
    private readonly int[] _ranges;    // first, last, first, last, ... ascending and disjoint
    private readonly bool _negated;
    private readonly CodePointClass? _and;
    private readonly ulong _ascii0, _ascii64; // bit n: code points n and 64 + n

    public CodePointClass(
        uint categories, bool whiteSpace, IEnumerable<(int First, int Last)> ranges, bool negated, CodePointClass? and = null)
    {
        (_categories, _whiteSpace, _negated, _and) = (categories, whiteSpace, negated, and);
        _ranges = Disjoint(ranges);
        for (int codePoint = 0; codePoint < 64; codePoint++)
        {
            if (Computed(codePoint)) _ascii0 |= 1UL << codePoint;
            if (Computed(codePoint + 64)) _ascii64 |= 1UL << codePoint;
        }
    }

    private CodePointClass(CodePointClass left, CodePointClass right)
        : this(left._categories, left._whiteSpace, Pairs(left._ranges), left._negated, right)
    {
    }

    /// <summary>The code points that a condition holds for.</summary>
    public static CodePointClass Where(Predicate<int> condition)
    {
        List<(int, int)> ranges = [];
        int start = -1;
        for (int codePoint = 0; codePoint <= 0x110000; codePoint++)
        {
            bool isMember = codePoint < 0x110000 && condition(codePoint);
            if (isMember && start < 0) start = codePoint;
            if (isMember || start < 0) continue;
            ranges.Add((start, codePoint - 1));
            start = -1;
        }
        return new CodePointClass(0, false, ranges, negated: false);
    }

    /// <summary>Whether a code point belongs to the class.</summary>
    public bool Contains(int codePoint) => Computed(codePoint);

    /// <summary>The code points that both classes have.</summary>
    public CodePointClass And(CodePointClass other) =>
        _and is null ? new CodePointClass(this, other) : throw new NotSupportedException("three classes in one");

    /// <summary>The width in bytes of the character at <paramref name="index"/> if it belongs to the class, or else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int WidthAt(ReadOnlySpan<byte> text, int index)
    {
        byte first = text[index];
        return first < 128 ? (int)((first < 64 ? _ascii0 : _ascii64) >> first) & 1 : WidthAtWide(text, index);
    }

    private int WidthAtWide(ReadOnlySpan<byte> text, int index)
    {
        int width = Utf8.WidthAt(text, index);
        return Computed(Utf8.CodePoint(text, index, width)) ? width : 0;
    }

    private bool Computed(int codePoint)
    {
        bool member = (_categories >> (int)CharUnicodeInfo.GetUnicodeCategory(codePoint) & 1) != 0
            || _whiteSpace && codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint)
            || InRanges(codePoint);
        return member != _negated && (_and is null || _and.Computed(codePoint));
    }

    private bool InRanges(int codePoint)
    {
        int low = 0, high = _ranges.Length / 2;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (codePoint > _ranges[2 * middle + 1]) low = middle + 1;
            else high = middle;
        }
        return 2 * low < _ranges.Length && codePoint >= _ranges[2 * low];
    }

    private static int[] Disjoint(IEnumerable<(int First, int Last)> ranges)
    {
        List<int> disjoint = [];
        foreach ((int first, int last) in ranges.Order())
        {
            if (disjoint.Count > 0 && first <= disjoint[^1]) disjoint[^1] = Math.Max(disjoint[^1], last);
            else disjoint.AddRange([first, last]);
        }
        return [.. disjoint];
    }

    private static IEnumerable<(int First, int Last)> Pairs(int[] ranges) => ranges.Chunk(2).Select(pair => (pair[0], pair[1]));
}
