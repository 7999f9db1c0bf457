using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Eight rows' halfs to floats in three instructions for four: moved 13 bits up a half is its value times 2^-112, subnormal or not.
/// Infinity and NaN come out wrong; <see cref="FoundSpecial"/> tells, and their rows are then left to the scalar kernel.
/// </summary>
internal unsafe struct HalfLanes
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

    /// <summary>The half that each of eight addresses has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RowLanes Load(byte* p0, byte* p1, byte* p2, byte* p3, byte* p4, byte* p5, byte* p6, byte* p7)
    {
        Vector128<ushort> halfs = AdvSimd.LoadAndReplicateToVector128((ushort*)p0);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 1, (ushort*)p1);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 2, (ushort*)p2);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 3, (ushort*)p3);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 4, (ushort*)p4);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 5, (ushort*)p5);
        halfs = AdvSimd.LoadAndInsertScalar(halfs, 6, (ushort*)p6);
        return ToFloat(AdvSimd.LoadAndInsertScalar(halfs, 7, (ushort*)p7));
    }

    /// <summary>The first and the second of the two halfs that each of eight addresses has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (RowLanes First, RowLanes Second) LoadPairs(byte* p0, byte* p1, byte* p2, byte* p3, byte* p4, byte* p5, byte* p6, byte* p7)
    {
        Vector128<uint> low = AdvSimd.LoadAndReplicateToVector128((uint*)p0), high = AdvSimd.LoadAndReplicateToVector128((uint*)p4);
        low = AdvSimd.LoadAndInsertScalar(low, 1, (uint*)p1);
        high = AdvSimd.LoadAndInsertScalar(high, 1, (uint*)p5);
        low = AdvSimd.LoadAndInsertScalar(low, 2, (uint*)p2);
        high = AdvSimd.LoadAndInsertScalar(high, 2, (uint*)p6);
        low = AdvSimd.LoadAndInsertScalar(low, 3, (uint*)p3);
        high = AdvSimd.LoadAndInsertScalar(high, 3, (uint*)p7);
        return (ToFloat(AdvSimd.Arm64.UnzipEven(low.AsUInt16(), high.AsUInt16())),
            ToFloat(AdvSimd.Arm64.UnzipOdd(low.AsUInt16(), high.AsUInt16())));
    }
}
