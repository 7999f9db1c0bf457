using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Eight rows' floats, a lane each.</summary>
internal readonly unsafe struct RowLanes(Vector128<float> low, Vector128<float> high)
{
    public readonly Vector128<float> Low = low;
    public readonly Vector128<float> High = high;

    public static RowLanes Zero => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowLanes Load(float* source) => new(Vector128.Load(source), Vector128.Load(source + 4));

    /// <summary>this + scales * activationScale * dots, rounded after the first product and at the end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes AddScaled(RowLanes scales, float activationScale, RowLanes dots)
    {
        Vector128<float> scale = Vector128.CreateScalarUnsafe(activationScale);
        return new RowLanes(
            AdvSimd.FusedMultiplyAdd(Low, AdvSimd.MultiplyBySelectedScalar(scales.Low, scale, 0), dots.Low),
            AdvSimd.FusedMultiplyAdd(High, AdvSimd.MultiplyBySelectedScalar(scales.High, scale, 0), dots.High));
    }

    /// <summary>this + scale * sums, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes AddScaled(float scale, RowSums sums)
    {
        Vector128<float> factor = Vector128.CreateScalarUnsafe(scale);
        return new RowLanes(
            AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Low, AdvSimd.ConvertToSingle(sums.Low), factor, 0),
            AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(High, AdvSimd.ConvertToSingle(sums.High), factor, 0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes Times(RowLanes other) => new(Low * other.Low, High * other.High);

    public RowLanes Negate() => new(-Low, -High);

    /// <summary>this + offsets * sum, rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes AddOffset(RowLanes offsets, float sum)
    {
        Vector128<float> factor = Vector128.CreateScalarUnsafe(sum);
        return new RowLanes(
            AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(Low, offsets.Low, factor, 0),
            AdvSimd.Arm64.FusedMultiplyAddBySelectedScalar(High, offsets.High, factor, 0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target)
    {
        Low.Store(target);
        High.Store(target + 4);
    }

    /// <summary>Stores the first <paramref name="rows"/> (1 to 8) of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target, int rows)
    {
        if (rows == 8) Store(target);
        else StoreSome(Low, High, target, rows);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreSome(Vector128<float> low, Vector128<float> high, float* target, int rows)
    {
        for (int r = 0; r < rows; r++) target[r] = r < 4 ? low.GetElement(r) : high.GetElement(r - 4);
    }
}
