using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Eight rows' halfs to floats in three instructions for four: moved 13 bits up a half is its value times 2^-112, subnormal or not.
/// Infinity and NaN come out wrong; <see cref="FoundSpecial"/> tells, and their rows are then left to the scalar kernel.
/// </summary>
internal struct HalfLanes
{
    private Vector128<ushort> largest;

    public readonly bool FoundSpecial => Vector128.GreaterThanOrEqualAny(largest, Vector128.Create((ushort)(0x7C00 << 1)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes ToFloat(Vector128<ushort> halfs)
    {
        largest = Vector128.Max(largest, halfs << 1);
        // Sign extension fills bits 28 to 30 too, which the mask clears.
        Vector128<int> mask = Vector128.Create(unchecked((int)0x8FFFFFFF));
        Vector128<float> factor = Vector128.Create(5.192296858534828e33f); // 2^112
        Vector128<int> low = AdvSimd.ShiftLeftLogicalWideningLower(halfs.AsInt16().GetLower(), 13) & mask;
        Vector128<int> high = AdvSimd.ShiftLeftLogicalWideningUpper(halfs.AsInt16(), 13) & mask;
        return new RowLanes(low.AsSingle() * factor, high.AsSingle() * factor);
    }
}
