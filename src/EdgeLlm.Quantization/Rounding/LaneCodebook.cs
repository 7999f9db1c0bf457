using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// The nearest of a codebook's values for eight numbers at a time, without a table: every border that is below a number adds a step.
/// </summary>
internal sealed class LaneCodebook
{
    private readonly Vector256<float>[] _borders = new Vector256<float>[16];
    private readonly Vector256<float>[] _steps = new Vector256<float>[16];
    private readonly Vector256<float> _first;

    public LaneCodebook(ReadOnlySpan<sbyte> rising)
    {
        Values = rising.ToArray();
        _first = Vector256.Create((float)Values[0]);
        for (int i = 0; i < 15; i++)
        {
            _borders[i] = Vector256.Create((Values[i] + Values[i + 1]) / 2f);
            _steps[i] = Vector256.Create((float)(Values[i + 1] - Values[i]));
        }
        _borders[15] = Vector256.Create(float.PositiveInfinity);
    }

    /// <summary>16, rising.</summary>
    public sbyte[] Values { get; }

    /// <summary>The values nearest to eight numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector256<float> Nearest(Vector256<float> x)
    {
        ref Vector256<float> border = ref _borders[0];
        ref Vector256<float> step = ref _steps[0];
        Vector256<float> a = _first, b = default, c = default, d = default;
        for (int i = 0; i < 16; i += 4)
        {
            a += Vector256.GreaterThan(x, Unsafe.Add(ref border, i)) & Unsafe.Add(ref step, i);
            b += Vector256.GreaterThan(x, Unsafe.Add(ref border, i + 1)) & Unsafe.Add(ref step, i + 1);
            c += Vector256.GreaterThan(x, Unsafe.Add(ref border, i + 2)) & Unsafe.Add(ref step, i + 2);
            d += Vector256.GreaterThan(x, Unsafe.Add(ref border, i + 3)) & Unsafe.Add(ref step, i + 3);
        }
        return a + b + (c + d);
    }

    /// <summary>The code of one of the values.</summary>
    public byte CodeOf(float value) => (byte)Math.Max(0, Array.IndexOf(Values, (sbyte)value));
}
