using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>bfloat16, the upper half of a single, as bits in a <see cref="ushort"/>. Widening keeps every bit, NaNs included.</summary>
internal static unsafe class BrainFloatConversion
{
    /// <summary>The value of a bfloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToFloat(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>The bfloat16 nearest to a float, the even one of two equally near; a NaN keeps its upper bits and becomes quiet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>The values of eight bfloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector128<ushort> bits)
    {
        if (!Vector256.IsHardwareAccelerated)
            return Vector256.Create(Vector128.WidenLower(bits) << 16, Vector128.WidenUpper(bits) << 16).AsSingle();
        return (Vector256.WidenLower(bits.ToVector256Unsafe()) << 16).AsSingle();
    }

    /// <summary>The values of four bfloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector64<ushort> bits) => (Vector128.WidenLower(bits.ToVector128Unsafe()) << 16).AsSingle();

    /// <summary>Converts a row of bfloat16.</summary>
    public static void ToFloat(ushort* source, float* destination, nint count)
    {
        nint index = 0;
        for (; index + Vector128<ushort>.Count <= count; index += Vector128<ushort>.Count)
            ToFloat(Vector128.Load(source + index)).Store(destination + index);
        for (; index < count; index++) destination[index] = ToFloat(source[index]);
    }
}
