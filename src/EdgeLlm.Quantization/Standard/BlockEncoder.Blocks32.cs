using System.Runtime.InteropServices;

namespace EdgeLlm.Quantization.Standard;

/// <summary>Blocks of 32 values.</summary>
internal static partial class BlockEncoder
{
    // d, [fifth bits as uint32], nibbles: x = d * (c - 8) or d * (c - 16)
    private static void EncodeCentred(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int bits, Span<byte> block)
    {
        int centre = 1 << (bits - 1);
        float inverse = Inverse(WriteHalf(LevelFit.Scale(values, weights, -centre, centre - 1), block));
        Span<byte> codes = stackalloc byte[32];
        for (int k = 0; k < 32; k++) codes[k] = Level(values[k] * inverse + centre, 2 * centre - 1);
        WriteCodes(codes, bits, block[2..]);
    }

    // d, m, [fifth bits], nibbles: x = d * c + m
    private static void EncodeFromMinimum(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int bits, Span<byte> block)
    {
        int levels = (1 << bits) - 1;
        (float scale, float minimum) = LevelFit.ScaleAndMinimum(values, weights, levels, belowZero: false);
        float inverse = Inverse(WriteHalf(scale, block));
        minimum = WriteHalf(minimum, block[2..]);
        Span<byte> codes = stackalloc byte[32];
        for (int k = 0; k < 32; k++) codes[k] = Level((values[k] - minimum) * inverse, levels);
        WriteCodes(codes, bits, block[4..]);
    }

    // d, int8: x = d * q
    private static void EncodeQ8_0(ReadOnlySpan<float> values, Span<byte> block)
    {
        float largest = 0;
        foreach (float value in values) largest = MathF.Max(largest, MathF.Abs(value));
        float inverse = Inverse(WriteHalf(largest / 127, block));
        for (int k = 0; k < 32; k++) block[2 + k] = (byte)(sbyte)Math.Clamp(MathF.Round(values[k] * inverse), -127, 127);
    }

    // d, nibbles: x = d * table[c]
    private static void EncodeIQ4_NL(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, Span<byte> block)
    {
        float inverse = Inverse(WriteHalf(LevelFit.TableScale(values, weights), block));
        Span<byte> codes = stackalloc byte[32];
        for (int k = 0; k < 32; k++) codes[k] = (byte)LevelFit.TableCode(values[k] * inverse);
        WriteCodes(codes, 4, block[2..]);
    }

    private static byte Level(float x, int levels) => (byte)Math.Clamp(MathF.Round(x), 0, levels);

    /// <summary>32 codes of four bits, or of five with the fifth ones in a uint32 ahead of the nibbles.</summary>
    private static void WriteCodes(ReadOnlySpan<byte> codes, int bits, Span<byte> destination)
    {
        if (bits == 5)
        {
            uint fifth = 0;
            for (int k = 0; k < 32; k++) fifth |= (uint)(codes[k] >> 4) << k;
            MemoryMarshal.Write(destination, fifth);
            destination = destination[4..];
        }
        for (int k = 0; k < 16; k++) destination[k] = (byte)(codes[k] & 15 | codes[16 + k] << 4);
    }
}
