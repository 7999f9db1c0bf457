using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Looks for infinities and NaNs: numbers all of whose exponent's bits are set.</summary>
internal static class Finite
{
    /// <summary>Whether a type's bytes can be looked at as they are.</summary>
    public static bool Knows(ElementType type) => type is ElementType.F32 or ElementType.F16 or ElementType.BF16;

    /// <param name="type">F32, F16 or BF16.</param>
    public static bool All(ElementType type, ReadOnlySpan<byte> values) => type == ElementType.F32
        ? All(MemoryMarshal.Cast<byte, float>(values))
        : All(MemoryMarshal.Cast<byte, ushort>(values), type == ElementType.F16 ? (ushort)0x7C00 : (ushort)0x7F80);

    public static bool All(ReadOnlySpan<float> values) => All(MemoryMarshal.Cast<float, uint>(values), 0x7F80_0000u);

    private static bool All<T>(ReadOnlySpan<T> values, T exponent) where T : unmanaged, IBinaryInteger<T>
    {
        Vector256<T> mask = Vector256.Create(exponent), found = Vector256<T>.Zero;
        int k = 0;
        for (; k + Vector256<T>.Count <= values.Length; k += Vector256<T>.Count)
            found |= Vector256.Equals(Vector256.Create(values[k..]) & mask, mask);
        for (; k < values.Length; k++)
        {
            if ((values[k] & exponent) == exponent) return false;
        }
        return found == Vector256<T>.Zero;
    }
}
