namespace EdgeLlm.Sampling.Constraints;

/// <summary>A set of Unicode code points without surrogates: sorted ranges that neither touch nor overlap.</summary>
internal sealed class CharacterSet
{
    private const int Last = 0x10FFFF;

    private readonly (int Low, int High)[] _ranges;

    private CharacterSet((int Low, int High)[] ranges) => _ranges = ranges;

    private static readonly CharacterSet[] Ascii = [.. Enumerable.Range(0, 128).Select(c => new CharacterSet([(c, c)]))];

    /// <summary>Every code point.</summary>
    public static CharacterSet All { get; } = Of((0, Last));

    public static CharacterSet Digits { get; } = Of(('0', '9'));

    /// <summary>Characters of `\w` in ECMAScript.</summary>
    public static CharacterSet Word { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>Characters of `\s` in ECMAScript.</summary>
    public static CharacterSet Space { get; } = Of(
        ('\t', '\r'), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>Characters of `.` in ECMAScript: all but line ends.</summary>
    public static CharacterSet NotLineEnd { get; } = Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)).Negate();

    public ReadOnlySpan<(int Low, int High)> Ranges => _ranges;

    public bool IsEmpty => _ranges.Length == 0;

    /// <summary>The union of ranges, both ends within.</summary>
    public static CharacterSet Of(params IEnumerable<(int Low, int High)> ranges)
    {
        var merged = new List<(int Low, int High)>();
        foreach ((int low, int high) in ranges.SelectMany(WithoutSurrogates).OrderBy(range => range.Low))
        {
            if (merged.Count > 0 && low <= merged[^1].High + 1) merged[^1] = (merged[^1].Low, Math.Max(merged[^1].High, high));
            else merged.Add((low, high));
        }
        return new CharacterSet([.. merged]);
    }

    /// <summary>One character; those of ASCII are made once.</summary>
    public static CharacterSet Of(int c) =>
        (uint)c < (uint)Ascii.Length ? Ascii[c] : c is >= 0xD800 and <= 0xDFFF ? Of((c, c)) : new CharacterSet([(c, c)]);

    public CharacterSet Union(CharacterSet other) => Of([.. _ranges, .. other._ranges]);

    public CharacterSet Negate()
    {
        var rest = new List<(int, int)>();
        int next = 0;
        foreach ((int low, int high) in _ranges)
        {
            if (low > next) rest.Add((next, low - 1));
            next = high + 1;
        }
        if (next <= Last) rest.Add((next, Last));
        return Of(rest);
    }

    /// <summary>The set with the other case of each ASCII letter.</summary>
    public CharacterSet IgnoringCase()
    {
        var more = new List<(int, int)>();
        foreach ((int low, int high) in _ranges)
        {
            more.Add((low, high));
            AddShifted('a', 'z', 'A' - 'a');
            AddShifted('A', 'Z', 'a' - 'A');

            void AddShifted(int first, int last, int shift)
            {
                int from = Math.Max(low, first), to = Math.Min(high, last);
                if (from <= to) more.Add((from + shift, to + shift));
            }
        }
        return Of(more);
    }

    /// <summary>The byte ranges of the UTF-8 of a range of code points: sequences of 1 to 4 of them, each a path.</summary>
    public static IEnumerable<(byte Low, byte High)[]> Utf8(int low, int high)
    {
        var todo = new Stack<(int Low, int High)>();
        todo.Push((low, high));
        while (todo.TryPop(out (int Low, int High) range))
        {
            if (Split(range) is { } middle)
            {
                todo.Push((middle, range.High));
                todo.Push((range.Low, middle - 1));
                continue;
            }
            Span<byte> first = stackalloc byte[4], last = stackalloc byte[4];
            int length = Encode(range.Low, first);
            Encode(range.High, last);
            var path = new (byte, byte)[length];
            for (int i = 0; i < length; i++) path[i] = (first[i], last[i]);
            yield return path;
        }
    }

    private static IEnumerable<(int Low, int High)> WithoutSurrogates((int Low, int High) range)
    {
        if (range.Low < 0xD800 && range.High >= 0xD800) yield return (range.Low, 0xD7FF);
        else if (range.Low < 0xD800) yield return range;
        if (range.High > 0xDFFF) yield return (Math.Max(range.Low, 0xE000), range.High);
    }

    /// <summary>
    /// Where a range has to be cut so that its encodings have one length and differ in trailing bytes as whole blocks only.
    /// </summary>
    private static int? Split((int Low, int High) range)
    {
        foreach (int limit in (ReadOnlySpan<int>)[0x80, 0x800, 0x10000])
        {
            if (range.Low < limit && range.High >= limit) return limit;
        }
        for (int shift = 6; shift <= 18 && range.High >= 0x80; shift += 6)
        {
            int mask = (1 << shift) - 1;
            if ((range.Low & ~mask) == (range.High & ~mask)) continue;
            if ((range.Low & mask) != 0) return (range.Low | mask) + 1;
            if ((range.High & mask) != mask) return range.High & ~mask;
        }
        return null;
    }

    private static int Encode(int codePoint, Span<byte> output) => new System.Text.Rune(codePoint).EncodeToUtf8(output);
}
