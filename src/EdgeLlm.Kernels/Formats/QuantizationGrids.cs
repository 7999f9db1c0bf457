using System.Numerics;
using System.Runtime.InteropServices;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// The grids of ggml's i-quants, ready to index: eight values an entry as the bytes of a <see cref="ulong"/>, or four as those of a
/// <see cref="uint"/>, the first value lowest. Unpacked from <see cref="QuantizationGridCodes"/> at the first use: 34 KB, kept for good,
/// outside of the managed heap so that kernels can hold pointers. An index has as many bits as its grid needs, so none can be outside.
/// </summary>
internal static unsafe class QuantizationGrids
{
    /// <summary>256 entries of eight values.</summary>
    public static readonly ulong* IQ2_XXS = Eights(QuantizationGridCodes.IQ2_XXS, [8, 25, 43]);

    /// <summary>512 entries of eight values.</summary>
    public static readonly ulong* IQ2_XS = Eights(QuantizationGridCodes.IQ2_XS, [8, 25, 43]);

    /// <summary>1,024 entries of eight values.</summary>
    public static readonly ulong* IQ2_S = Eights(QuantizationGridCodes.IQ2_S, [8, 25, 43]);

    /// <summary>256 entries of four values.</summary>
    public static readonly uint* IQ3_XXS = Fours(QuantizationGridCodes.IQ3_XXS, [4, 12, 20, 28, 36, 44, 52, 62]);

    /// <summary>512 entries of four values.</summary>
    public static readonly uint* IQ3_S = Fours(QuantizationGridCodes.IQ3_S, [1, 3, 5, 7, 9, 11, 13, 15]);

    /// <summary>2,048 entries of eight values, for IQ1_S and IQ1_M.</summary>
    public static readonly ulong* IQ1 = Eights(QuantizationGridCodes.IQ1, [-1, 0, 1]);

    /// <summary>128 sign bytes: the index, and above its seven bits one that makes the number of set bits even.</summary>
    public static readonly byte* EvenSigns = BuildEvenSigns();

    private static ulong* Eights(ReadOnlySpan<ushort> codes, ReadOnlySpan<sbyte> values)
    {
        ulong* entries = (ulong*)Allocate(codes.Length * sizeof(ulong));
        for (int entry = 0; entry < codes.Length; entry++) entries[entry] = Unpack(codes[entry], 2, 8, values);
        return entries;
    }

    private static uint* Fours(ReadOnlySpan<ushort> codes, ReadOnlySpan<sbyte> values)
    {
        uint* entries = (uint*)Allocate(codes.Length * sizeof(uint));
        for (int entry = 0; entry < codes.Length; entry++) entries[entry] = (uint)Unpack(codes[entry], 3, 4, values);
        return entries;
    }

    private static ulong Unpack(int code, int bits, int count, ReadOnlySpan<sbyte> values)
    {
        ulong entry = 0;
        for (int i = 0; i < count; i++) entry |= (ulong)(byte)values[(code >> (bits * i)) & ((1 << bits) - 1)] << (8 * i);
        return entry;
    }

    private static byte* BuildEvenSigns()
    {
        byte* signs = (byte*)Allocate(128);
        for (uint i = 0; i < 128; i++) signs[i] = (byte)(i | ((uint)BitOperations.PopCount(i) & 1) << 7);
        return signs;
    }

    private static void* Allocate(int bytes) => NativeMemory.AlignedAlloc((nuint)bytes, 64);
}
