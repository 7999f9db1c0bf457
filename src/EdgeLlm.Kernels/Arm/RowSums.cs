using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Eight rows' integers, a lane each; sums wrap around.</summary>
internal struct RowSums(Vector128<int> low, Vector128<int> high)
{
    public Vector128<int> Low = low;
    public Vector128<int> High = high;

    /// <summary>Adds dots * subScales * a lane of <paramref name="multipliers"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddScaled(RowSums dots, Vector128<short> subScales, Vector128<short> multipliers,
        [ConstantExpected(Max = (byte)7)] byte lane)
    {
        High = AdvSimd.MultiplyAdd(High, dots.High, AdvSimd.MultiplyBySelectedScalarWideningUpper(subScales, multipliers, lane));
        Low = AdvSimd.MultiplyAdd(Low, dots.Low, AdvSimd.MultiplyBySelectedScalarWideningLower(subScales.GetLower(), multipliers, lane));
    }

    /// <summary>Adds dots * (subScales &lt;&lt; shift), <paramref name="shifts"/> in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddShifted(RowSums dots, Vector128<short> subScales, Vector128<short> shifts)
    {
        Vector128<short> scales = AdvSimd.ShiftLogical(subScales, shifts);
        High = AdvSimd.MultiplyAdd(High, dots.High, AdvSimd.SignExtendWideningUpper(scales));
        Low = AdvSimd.MultiplyAdd(Low, dots.Low, AdvSimd.SignExtendWideningLower(scales.GetLower()));
    }
}
