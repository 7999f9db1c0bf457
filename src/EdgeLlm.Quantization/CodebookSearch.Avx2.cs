using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Quantization;

/// <summary>
/// 32 positions at a time. A position's upper four bits pick a stretch of 16 positions (0 to 7, then the negative ones); at most three
/// borders between codes are in it, so its first code plus one for each border that is reached is the code.
/// </summary>
internal sealed partial class CodebookSearch
{
    private const int Borders = 3;

    private Vector256<byte> _firstCodes;
    private Vector256<sbyte> _table;
    private Vector256<sbyte> _border0; // the last position before each stretch's first border; 127: none
    private Vector256<sbyte> _border1;
    private Vector256<sbyte> _border2;
    private bool _fitsTables;
    private bool _hasThirdBorders;

    private void CreateTables()
    {
        Span<byte> first = stackalloc byte[16];
        Span<sbyte> borders = stackalloc sbyte[Borders * 16];
        borders.Fill(127);
        _fitsTables = true;
        for (int stretch = 0; stretch < 16; stretch++)
        {
            int start = 16 * (stretch ^ 8), found = 0;
            first[stretch] = _codes[start];
            for (int position = start + 1; position < start + 16; position++)
            {
                int passed = _codes[position] - _codes[position - 1];
                for (; passed > 0 && found < Borders; passed--, found++)
                    borders[found * 16 + stretch] = (sbyte)(position - 1 - Positions / 2);
                _fitsTables &= passed == 0;
            }
            _hasThirdBorders |= found == Borders;
        }
        _firstCodes = Twice(Vector128.Create<byte>(first));
        _table = Twice(Vector128.Create(_values));
        _border0 = Twice(Vector128.Create<sbyte>(borders));
        _border1 = Twice(Vector128.Create<sbyte>(borders[16..]));
        _border2 = Twice(Vector128.Create<sbyte>(borders[32..]));
    }

    private static Vector256<T> Twice<T>(Vector128<T> lane) => Vector256.Create(lane, lane);

    /// <summary>Sums of <see cref="Best"/>, by vectors.</summary>
    internal (float Products, float Squares) BestAvx2(ReadOnlySpan<float> x, float unit, bool mirrored, ReadOnlySpan<short> counts,
        ReadOnlySpan<float> shares)
    {
        // Packed as [0-3, 8-11 | 4-7, 12-15] and [16-19, 24-27 | 20-23, 28-31]: the order matters to no sum.
        ref float first = ref MemoryMarshal.GetReference(x);
        bool isLong = x.Length == 32;
        Vector256<float> a = Vector256.LoadUnsafe(ref first) * unit, b = Vector256.LoadUnsafe(ref first, 8) * unit;
        Vector256<float> c = isLong ? Vector256.LoadUnsafe(ref first, 16) * unit : default,
            d = isLong ? Vector256.LoadUnsafe(ref first, 24) * unit : default;
        Vector256<short> low = Pack(a, b), high = Pack(c, d), lowCounts, highCounts, lowCounted, highCounted;
        if (counts.IsEmpty)
        {
            lowCounts = Vector256.Create((short)One);
            highCounts = isLong ? lowCounts : default;
            (lowCounted, highCounted) = (low, high);
        }
        else
        {
            ref float share = ref MemoryMarshal.GetReference(shares);
            ref short count = ref MemoryMarshal.GetReference(counts);
            lowCounts = Ordered(ref count);
            lowCounted = Pack(a * Vector256.LoadUnsafe(ref share), b * Vector256.LoadUnsafe(ref share, 8));
            highCounts = isLong ? Ordered(ref Unsafe.Add(ref count, 16)) : default;
            highCounted = isLong ? Pack(c * Vector256.LoadUnsafe(ref share, 16), d * Vector256.LoadUnsafe(ref share, 24)) : default;
        }
        Vector256<short> sign = Vector256.Create((short)(mirrored ? -1 : 0)); // no branch: half the guesses would be wrong
        low = (low ^ sign) - sign;
        high = (high ^ sign) - sign;
        Vector128<float> bestScore = default, best = default; // score, score | products, squares for either end
        ref short factor = ref MemoryMarshal.GetArrayDataReference(_factors);
        for (int i = 0; i < 2 * Reaches.Length; i += 2)
        {
            Vector256<int> lower = Sums(low, high, Unsafe.Add(ref factor, i), lowCounts, highCounts, lowCounted, highCounted);
            Vector256<int> upper = Sums(low, high, Unsafe.Add(ref factor, i + 1), lowCounts, highCounts, lowCounted, highCounted);
            Vector256<int> both = Avx2.HorizontalAdd(lower, upper);
            Vector128<float> sums = Vector128.ConvertToSingle(both.GetLower() + both.GetUpper());
            Vector128<float> score = Sse.Shuffle(sums * sums, sums * sums, 0b10_10_00_00) / Sse.Shuffle(sums, sums, 0b11_11_01_01);
            Vector128<float> better = Sse.CompareGreaterThan(score, bestScore);
            bestScore = Sse41.BlendVariable(bestScore, score, better);
            best = Sse41.BlendVariable(best, sums, better);
        }
        Vector128<float> isUpper = Sse.CompareGreaterThan(Sse.MoveHighToLow(bestScore, bestScore), bestScore);
        best = Sse41.BlendVariable(best, Sse.MoveHighToLow(best, best), isUpper);
        return (best.ToScalar(), best.GetElement(1));

        // As a pack orders them.
        static Vector256<short> Ordered(ref short counts) =>
            Avx2.Permute4x64(Vector256.LoadUnsafe(ref counts).AsInt64(), 0b11_01_10_00).AsInt16();
    }

    /// <summary>Products and squares under one factor: [products, products, squares, squares] twice, to be added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<int> Sums(Vector256<short> low, Vector256<short> high, short factor,
        Vector256<short> lowCounts, Vector256<short> highCounts, Vector256<short> lowCounted, Vector256<short> highCounted)
    {
        Vector256<short> factors = Vector256.Create(factor);
        Vector256<sbyte> positions = Avx2.PackSignedSaturate(Avx2.MultiplyHigh(low, factors), Avx2.MultiplyHigh(high, factors));
        Vector256<sbyte> values = Avx2.Shuffle(_table, CodesOf(positions).AsSByte());
        Vector256<short> lowValues = Avx2.UnpackLow(values, values).AsInt16() >> 8,
            highValues = Avx2.UnpackHigh(values, values).AsInt16() >> 8;
        Vector256<int> products = Avx2.MultiplyAddAdjacent(lowCounted, lowValues) + Avx2.MultiplyAddAdjacent(highCounted, highValues);
        Vector256<int> squares = Avx2.MultiplyAddAdjacent(lowCounts, lowValues * lowValues)
            + Avx2.MultiplyAddAdjacent(highCounts, highValues * highValues);
        return Avx2.HorizontalAdd(products, squares);
    }

    private Vector128<byte> CodesAvx2(ReadOnlySpan<float> x, float low, float high)
    {
        ref float first = ref MemoryMarshal.GetReference(x[..32]);
        Vector256<float> half = Vector256.Create((float)(Positions / 2));
        Vector256<int> a = Position(Vector256.LoadUnsafe(ref first) * low, half),
            b = Position(Vector256.LoadUnsafe(ref first, 8) * low, half);
        Vector256<int> c = Position(Vector256.LoadUnsafe(ref first, 16) * high, half),
            d = Position(Vector256.LoadUnsafe(ref first, 24) * high, half);
        Vector256<byte> codes = CodesOf(Avx2.PackSignedSaturate(Avx2.PackSignedSaturate(a, b), Avx2.PackSignedSaturate(c, d)));
        // Fours of columns lie [0-3, 8-11, 16-19, 24-27 | 4-7, 12-15, 20-23, 28-31]: the upper two of a lane go above the lower two.
        Vector256<uint> fours = codes.AsUInt32();
        Vector256<uint> nibbles = fours | Avx2.Shuffle(fours, 0b01_00_11_10) << 4;
        return Sse2.UnpackLow(nibbles.GetLower(), nibbles.GetUpper()).AsByte();

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector256<int> Position(Vector256<float> x, Vector256<float> half) =>
            Avx.ConvertToVector256Int32WithTruncation(Vector256.MaxNative(x + x + half, Vector256<float>.Zero))
                - Vector256.Create(Positions / 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<byte> CodesOf(Vector256<sbyte> positions)
    {
        Vector256<sbyte> stretch = ((positions.AsUInt16() >> 4).AsByte() & Vector256.Create((byte)15)).AsSByte();
        Vector256<sbyte> codes = Avx2.Shuffle(_firstCodes, stretch.AsByte()).AsSByte();
        codes -= Avx2.CompareGreaterThan(positions, Avx2.Shuffle(_border0, stretch));
        codes -= Avx2.CompareGreaterThan(positions, Avx2.Shuffle(_border1, stretch));
        if (_hasThirdBorders) codes -= Avx2.CompareGreaterThan(positions, Avx2.Shuffle(_border2, stretch));
        return codes.AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Pack(Vector256<float> x, Vector256<float> y) =>
        Avx2.PackSignedSaturate(Avx.ConvertToVector256Int32(x), Avx.ConvertToVector256Int32(y));
}
