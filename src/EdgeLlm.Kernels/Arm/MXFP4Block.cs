using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>e, nibbles[16] that count in a table whose values are doubled: 2^(e - 128) * value.</summary>
internal readonly unsafe struct MXFP4Block : IBlockFormat
{
    public static int BlockBytes => 17;

    public static bool HasOffset => false;

    public static bool IsNarrow => true;

    public static int Bias => 0;

    public static bool HasExponent => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block)
    {
        Vector128<byte> nibbles = Vector128.Load(block + 1);
        Vector128<sbyte> table = Vector128.Create(CodePoints.DoubledE2M1);
        return (AdvSimd.Arm64.VectorTableLookup(table, (nibbles & Vector128.Create((byte)15)).AsSByte()), AdvSimd.Arm64.VectorTableLookup(table, (nibbles >> 4).AsSByte()));
    }

    /// <summary>The scales of eight blocks, as <see cref="BlockUnpacker"/> has them: e - 1 is the float's exponent, and below 2 the float is subnormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowLanes Scales(byte* p0, byte* p1, byte* p2, byte* p3, byte* p4, byte* p5, byte* p6, byte* p7)
    {
        Vector64<byte> bytes = AdvSimd.LoadAndReplicateToVector64(p0);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 1, p1);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 2, p2);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 3, p3);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 4, p4);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 5, p5);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 6, p6);
        bytes = AdvSimd.LoadAndInsertScalar(bytes, 7, p7);
        Vector128<ushort> exponents = AdvSimd.ZeroExtendWideningLower(bytes);
        return new RowLanes(Power(AdvSimd.ZeroExtendWideningLower(exponents.GetLower())), Power(AdvSimd.ZeroExtendWideningUpper(exponents)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Power(Vector128<uint> e)
    {
        Vector128<uint> subnormal = AdvSimd.ShiftLogical(Vector128.Create(0x0020_0000u), e.AsInt32()), normal = e - Vector128<uint>.One << 23;
        return Vector128.ConditionalSelect(Vector128.GreaterThan(e, Vector128<uint>.One), normal, subnormal).AsSingle();
    }
}
