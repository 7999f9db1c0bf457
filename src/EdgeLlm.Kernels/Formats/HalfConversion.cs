using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// IEEE 754 half precision as bits in a <see cref="ushort"/>, exact for every pattern and without float denormals on the way to single.
/// It exists because the conversions of <see cref="Half"/> are calls in .NET 10. A NaN keeps its sign and upper payload and becomes
/// quiet, as there.
/// </summary>
/// <remarks>
/// Widening of one, as in ggml's ggml_compute_fp16_to_fp32: a normal half moves 13 bits up with 224 added to its exponent and is
/// multiplied by 2^-112 (the detour carries infinity's and NaN's exponent to 255); a subnormal half m stands for m * 2^-24, the distance
/// of the float with the bits of 0.5 plus m from 0.5. Vectors need no comparison: for a subnormal half the detour gives
/// v = 2^-15 + m * 2^-25, of which 2 v - 2^-14 is the value, and the lesser of the two; for all others v is the lesser or both are equal.
/// </remarks>
internal static unsafe class HalfConversion
{
    private const uint HalfMagnitude = 0x7FFF;
    private const uint HalfSmallestNormal = 0x0400;
    private const uint ExponentDetour = 224u << 23;
    private const float DetourBack = 1.92592994e-34f; // 2^-112
    private const float SmallestNormalValue = 6.10351562e-5f; // 2^-14
    private const uint OneHalf = 0x3F000000;

    private const uint SingleMagnitude = 0x7FFF_FFFF;
    private const uint SingleInfinity = 0x7F80_0000;
    private const uint SmallestNormal = (127 - 14) << 23; // 2^-14, below which a half is subnormal
    private const uint BeyondLargest = (127 + 16) << 23; // 2^16; what rounds to it from below carries into infinity's pattern by itself
    private const uint Rebias = (127 - 15) << 23;

    /// <summary>The value of a half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToFloat(ushort bits)
    {
        uint magnitude = bits & HalfMagnitude;
        float value = magnitude < HalfSmallestNormal
            ? BitConverter.UInt32BitsToSingle(magnitude | OneHalf) - 0.5f
            : BitConverter.UInt32BitsToSingle((magnitude << 13) + ExponentDetour) * DetourBack;
        return BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) | ((bits & ~HalfMagnitude) << 16));
    }

    /// <summary>The half nearest to a float, the even one of two equally near; infinity from 65520 on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromFloat(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint magnitude = bits & SingleMagnitude;
        uint half;
        if (magnitude < SmallestNormal) // 0.5 has its last bit at 2^-24: the addition rounds to whole subnormals
            half = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude) + 0.5f) - OneHalf;
        else if (magnitude < BeyondLargest)
            half = (magnitude - Rebias + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
        else
            half = magnitude > SingleInfinity ? 0x7E00 | ((magnitude >> 13) & 0x3FF) : 0x7C00;
        return (ushort)(half | ((bits >> 16) & 0x8000));
    }

    /// <summary>The values of eight halfs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToFloat(Vector128<ushort> bits)
    {
        if (!Vector256.IsHardwareAccelerated)
            return Vector256.Create(Widened(Vector128.WidenLower(bits)), Widened(Vector128.WidenUpper(bits)));
        Vector256<int> wide = Vector256.WidenLower(bits.AsInt16().ToVector256Unsafe());
        Vector256<int> shifted = (wide & Vector256.Create((int)HalfMagnitude)) << 13;
        Vector256<float> detour = (shifted + Vector256.Create((int)ExponentDetour)).AsSingle();
        Vector256<float> magnitude = Vector256.MinNative(detour * Vector256.Create(DetourBack),
            Vector256.FusedMultiplyAdd(detour, Vector256.Create(2 * DetourBack), Vector256.Create(-SmallestNormalValue)));
        return (magnitude.AsInt32() | wide & Vector256.Create(int.MinValue)).AsSingle();
    }

    /// <summary>The values of four halfs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> ToFloat(Vector64<ushort> bits) => Widened(Vector128.WidenLower(bits.ToVector128Unsafe()));

    /// <summary>The halfs nearest to eight floats, as <see cref="FromFloat(float)"/> rounds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ushort> FromFloat(Vector256<float> values) =>
        Vector128.Narrow(Narrowed(values.GetLower()), Narrowed(values.GetUpper()));

    /// <summary>Converts a row of halfs.</summary>
    public static void ToFloat(ushort* source, float* destination, nint count)
    {
        nint index = 0;
        for (; index + Vector128<ushort>.Count <= count; index += Vector128<ushort>.Count)
            ToFloat(Vector128.Load(source + index)).Store(destination + index);
        for (; index < count; index++) destination[index] = ToFloat(source[index]);
    }

    /// <summary>Converts a row of floats to the nearest halfs.</summary>
    public static void FromFloat(float* source, ushort* destination, nint count)
    {
        nint index = 0;
        for (; index + Vector256<float>.Count <= count; index += Vector256<float>.Count)
            FromFloat(Vector256.Load(source + index)).Store(destination + index);
        for (; index < count; index++) destination[index] = FromFloat(source[index]);
    }

    /// <summary>The values of four halfs, each in the lower half of a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Widened(Vector128<uint> bits)
    {
        Vector128<float> detour = (((bits & Vector128.Create(HalfMagnitude)) << 13) + Vector128.Create(ExponentDetour)).AsSingle();
        Vector128<float> magnitude = Vector128.MinNative(detour * Vector128.Create(DetourBack),
            Vector128.FusedMultiplyAdd(detour, Vector128.Create(2 * DetourBack), Vector128.Create(-SmallestNormalValue)));
        return (magnitude.AsUInt32() | (bits << 16) & Vector128.Create(~SingleMagnitude)).AsSingle();
    }

    /// <summary>The halfs nearest to four floats, each in the lower half of a lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Narrowed(Vector128<float> values)
    {
        Vector128<uint> bits = values.AsUInt32();
        Vector128<uint> magnitude = bits & Vector128.Create(SingleMagnitude);
        Vector128<int> ordered = magnitude.AsInt32();
        Vector128<uint> subnormal = (magnitude.AsSingle() + Vector128.Create(0.5f)).AsUInt32() - Vector128.Create(OneHalf);
        Vector128<uint> upper = magnitude >> 13;
        Vector128<uint> normal = (magnitude - Vector128.Create(Rebias - 0xFFF) + (upper & Vector128<uint>.One)) >> 13;
        Vector128<uint> notANumber = Vector128.Create(0x7E00u) | (upper & Vector128.Create(0x3FFu));
        Vector128<uint> special = Vector128.ConditionalSelect(
            Vector128.GreaterThan(ordered, Vector128.Create((int)SingleInfinity)).AsUInt32(), notANumber, Vector128.Create(0x7C00u));
        Vector128<uint> finite = Vector128.ConditionalSelect(
            Vector128.LessThan(ordered, Vector128.Create((int)SmallestNormal)).AsUInt32(), subnormal, normal);
        Vector128<uint> half = Vector128.ConditionalSelect(
            Vector128.LessThan(ordered, Vector128.Create((int)BeyondLargest)).AsUInt32(), finite, special);
        return half | ((bits >> 16) & Vector128.Create(0x8000u));
    }
}

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
