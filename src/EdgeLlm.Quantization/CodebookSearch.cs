using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Quantization;

/// <summary>
/// The arithmetic of a codebook, in integers, so that it is the same on every machine. A number x / d in halves of a unit, rounded down, is
/// a position from -128 to 127; the middle between two values is always a border between positions. While scales are tried, weights are 14
/// bits of the run's largest.
/// </summary>
internal sealed partial class CodebookSearch
{
    /// <summary>The run's largest weight, or importance.</summary>
    public const int One = 1 << 14;

    private const int Positions = 256;
    private const float SmallestWeight = 1e-30f;

    // Where the largest weight may come to lie, the end of the codebook being 1. More of them hardly make a smaller error.
    private static ReadOnlySpan<float> Reaches => [0.86f, 0.93f, 1, 1.07f];

    private readonly sbyte[] _values;
    private readonly byte[] _codes;

    // What a weight in 14 bits is multiplied by for its position in 16 bits more: pairs, the largest weight near the lower and the upper
    // end.
    private readonly short[] _factors = new short[2 * Reaches.Length];

    /// <param name="values">16 or 32, rising.</param>
    public CodebookSearch(sbyte[] values)
    {
        _values = values;
        _codes = NearestCodes(values, Positions);
        for (int step = 0; step < Reaches.Length; step++)
        {
            for (int end = 0; end < 2; end++) _factors[2 * step + end] = (short)MathF.Round(8 * values[end == 0 ? 0 : ^1] * Reaches[step]);
        }
        if (values.Length == 16) CreateTables(); // 32 are searched in turn
    }

    /// <summary>The code of the value nearest to each position: half a unit each, the middle of them being 0.</summary>
    public static byte[] NearestCodes(ReadOnlySpan<sbyte> values, int positions)
    {
        byte[] codes = new byte[positions];
        for (int position = 0; position < positions; position++)
        {
            double middle = (position - positions / 2 + 0.5) / 2;
            int code = 0;
            for (int other = 1; other < values.Length; other++)
            {
                if (Math.Abs(values[other] - middle) < Math.Abs(values[code] - middle)) code = other;
            }
            codes[position] = (byte)code;
        }
        return codes;
    }

    public byte Code(float x) => _codes[(int)Math.Clamp(2 * x + Positions / 2, 0, Positions - 1)];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector128<byte> Codes(ReadOnlySpan<float> x, float low, float high)
    {
        if (Avx2.IsSupported && _fitsTables) return CodesAvx2(x, low, high);
        return CodesInTurn(x, low, high);
    }

    private Vector128<byte> CodesInTurn(ReadOnlySpan<float> x, float low, float high)
    {
        Span<byte> packed = stackalloc byte[16];
        for (int k = 0; k < 16; k++) packed[k] = (byte)(Code(x[k] * low) | Code(x[16 + k] * high) << 4);
        return Vector128.Create<byte>(packed);
    }

    /// <param name="x">A run: 16 or 32 weights.</param>
    /// <param name="importance">Null: all count alike.</param>
    /// <param name="start">The run's first column.</param>
    public float FindScale(ReadOnlySpan<float> x, ColumnImportance? importance, int start)
    {
        (float magnitude, bool isNegative) = Largest(x);
        if (!(magnitude >= SmallestWeight)) return 0;
        ReadOnlySpan<short> counts = importance is null ? default : importance.Counts.AsSpan(start, x.Length);
        ReadOnlySpan<float> shares = importance is null ? default : importance.Shares.AsSpan(start, x.Length);
        (float products, float squares) = Avx2.IsSupported && _fitsTables
            ? BestAvx2(x, One / magnitude, isNegative, counts, shares)
            : Best(x, One / magnitude, isNegative, counts, shares);
        return squares == 0 ? 0 : magnitude * products / squares;
    }

    /// <summary>Sums of products and squares for the best of the scales: the specification of the vector form.</summary>
    /// <param name="unit">Makes 14 bits of a weight.</param>
    /// <param name="mirrored">The largest weight is negative.</param>
    /// <param name="counts">Of <see cref="ColumnImportance"/>; empty: all alike.</param>
    /// <param name="shares">Of the same.</param>
    internal (float Products, float Squares) Best(ReadOnlySpan<float> x, float unit, bool mirrored, ReadOnlySpan<short> counts,
        ReadOnlySpan<float> shares)
    {
        Span<int> weights = stackalloc int[32], counted = stackalloc int[32];
        for (int k = 0; k < x.Length; k++)
        {
            weights[k] = (int)MathF.Round(x[k] * unit);
            counted[k] = counts.IsEmpty ? weights[k] : (int)MathF.Round(x[k] * unit * shares[k]);
        }
        Span<(float Score, float Products, float Squares)> best = stackalloc (float, float, float)[2];
        for (int i = 0; i < _factors.Length; i++)
        {
            int factor = mirrored ? -_factors[i] : _factors[i], products = 0, squares = 0;
            for (int k = 0; k < x.Length; k++)
            {
                int t = _values[_codes[Math.Clamp((weights[k] * factor) >> 16, -128, 127) + 128]];
                products += counted[k] * t;
                squares += (counts.IsEmpty ? One : counts[k]) * t * t;
            }
            float score = (float)products * (float)products / (float)squares;
            if (score > best[i % 2].Score) best[i % 2] = (score, products, squares);
        }
        return best[1].Score > best[0].Score ? (best[1].Products, best[1].Squares) : (best[0].Products, best[0].Squares);
    }

    /// <summary>
    /// The largest magnitude and whether it is a negative weight's; the positive one of two. Without branches: half of them would be
    /// guessed wrong.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (float Magnitude, bool IsNegative) Largest(ReadOnlySpan<float> x)
    {
        Vector256<float> most = Vector256.Create(x), least = most;
        for (int k = 8; k < x.Length; k += 8)
        {
            Vector256<float> weights = Vector256.Create(x[k..]);
            most = Vector256.MaxNative(most, weights);
            least = Vector256.MinNative(least, weights);
        }
        Vector128<float> above = Vector128.MaxNative(most.GetLower(), most.GetUpper()),
            below = -Vector128.MinNative(least.GetLower(), least.GetUpper());
        Vector128<float> both = Vector128.MaxNative(Vector128.Shuffle(above, Vector128.Create(0, 2, 1, 3)),
            Vector128.Shuffle(above, Vector128.Create(1, 3, 0, 2)));
        Vector128<float> others = Vector128.MaxNative(Vector128.Shuffle(below, Vector128.Create(0, 2, 1, 3)),
            Vector128.Shuffle(below, Vector128.Create(1, 3, 0, 2)));
        Vector128<float> first = Vector128.MaxNative(both, Vector128.Shuffle(both, Vector128.Create(1, 0, 3, 2)));
        Vector128<float> second = Vector128.MaxNative(others, Vector128.Shuffle(others, Vector128.Create(1, 0, 3, 2)));
        return (Vector128.MaxNative(first, second).ToScalar(), first.ToScalar() < second.ToScalar());
    }
}
