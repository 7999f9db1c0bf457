using System.Diagnostics.CodeAnalysis;
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

/// <summary>A row's codes of columns 0 to 15 and 16 to 31.</summary>
internal readonly unsafe struct RowCodes(Vector128<sbyte> first, Vector128<sbyte> second)
{
    public readonly Vector128<sbyte> First = first;
    public readonly Vector128<sbyte> Second = second;

    /// <summary>Nibbles [16]: the low ones first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes OfNibbles(byte* source)
    {
        Vector128<byte> nibbles = Vector128.Load(source);
        return new RowCodes((nibbles & Vector128.Create((byte)15)).AsSByte(), (nibbles >> 4).AsSByte());
    }
}

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
