namespace EdgeLlm.Tokenization.Patterns;

/// <summary>
/// Cuts runs of digits into threes counted from the right, as thousands are written. Three expressions mean this; as expressions
/// they would look ahead to the end of the number from every group.
/// </summary>
internal sealed class DigitGroups : Splitter
{
    private readonly CodePointClass _digit;
    private readonly CodePointClass? _mayNotFollow;
    private readonly bool _cutsAround;

    private DigitGroups(string digit, string? mayNotFollow, bool cutsAround)
    {
        _digit = new PatternParser(digit).ParseOnlyClass();
        _mayNotFollow = mayNotFollow is null ? null : new PatternParser(mayNotFollow).ParseOnlyClass();
        _cutsAround = cutsAround;
    }

    /// <summary>The splitter for one of the three expressions, or null for any other.</summary>
    public static DigitGroups? For(string expression) => expression switch
    {
        @"\p{AFMoE_digits}" => new DigitGroups(@"\p{N}", null, cutsAround: true),
        @"\d{1,3}(?=(?:\d{3})*\b)" => new DigitGroups(@"\d", @"[\p{L}\p{M}\d\p{Pc}]", cutsAround: true),
        @"(?=(\d{3})+(?!\d))" => new DigitGroups(@"\d", null, cutsAround: false), // no width: cuts before each group of three
        _ => null,
    };

    public override void Split(ReadOnlySpan<byte> text, int offset, List<int> ends)
    {
        int pieceStart = 0;
        for (int position = 0; position < text.Length;)
        {
            if (_digit.WidthAt(text, position) == 0)
            {
                position += Utf8.WidthAt(text, position);
                continue;
            }
            int start = position, count = 0;
            for (int width; position < text.Length && (width = _digit.WidthAt(text, position)) > 0; count++) position += width;
            if (_mayNotFollow is not null && position < text.Length && _mayNotFollow.WidthAt(text, position) > 0) continue;

            for (int left = count; left > 0; left--)
            {
                bool cut = left % 3 == 0 || _cutsAround && left == count;
                if (cut && start > pieceStart) ends.Add(offset + (pieceStart = start));
                start += Utf8.WidthAt(text, start);
            }
            if (_cutsAround) ends.Add(offset + (pieceStart = position));
        }
        if (pieceStart < text.Length) ends.Add(offset + text.Length);
    }
}
