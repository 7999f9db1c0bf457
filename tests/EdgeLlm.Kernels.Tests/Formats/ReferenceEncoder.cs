using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary>Floats to blocks as ggml's `quantize_row_*_ref` has it: round to nearest, no search for better scales.</summary>
internal static class ReferenceEncoder
{
    /// <summary>Blocks of whole blocks of values; F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.</summary>
    public static byte[] Encode(ElementType type, ReadOnlySpan<float> values)
    {
        ElementFormat format = ElementFormat.Get(type);
        byte[] bytes = new byte[ElementFormat.ByteCount(type, values.Length)];
        for (int block = 0; block < values.Length / format.ValuesPerBlock; block++)
        {
            ReadOnlySpan<float> source = values.Slice(block * format.ValuesPerBlock, format.ValuesPerBlock);
            Span<byte> destination = bytes.AsSpan(block * format.BytesPerBlock, format.BytesPerBlock);
            switch (type)
            {
                case ElementType.F32: MemoryMarshal.Write(destination, source[0]); break;
                case ElementType.F16: MemoryMarshal.Write(destination, (Half)source[0]); break;
                case ElementType.BF16: MemoryMarshal.Write(destination, BrainFloatConversion.FromFloat(source[0])); break;
                case ElementType.Q4_0: EncodeCentred(source, destination, bits: 4); break;
                case ElementType.Q5_0: EncodeCentred(source, destination, bits: 5); break;
                case ElementType.Q4_1: EncodeFromMinimum(source, destination, bits: 4); break;
                case ElementType.Q5_1: EncodeFromMinimum(source, destination, bits: 5); break;
                case ElementType.Q8_0: EncodeQ8_0(source, destination); break;
                default: throw new NotSupportedException($"no reference encoder for {type}");
            }
        }
        return bytes;
    }

    /// <summary>Q4_0 and Q5_0: the value of the largest magnitude becomes the most negative code, exactly.</summary>
    private static void EncodeCentred(ReadOnlySpan<float> source, Span<byte> destination, int bits)
    {
        float largest = 0;
        foreach (float value in source)
        {
            if (MathF.Abs(value) > MathF.Abs(largest)) largest = value;
        }
        int centre = 1 << (bits - 1);
        float d = largest / -centre;
        float inverse = d != 0 ? 1 / d : 0;
        MemoryMarshal.Write(destination, (Half)d);
        Span<int> codes = stackalloc int[32];
        for (int j = 0; j < 32; j++) codes[j] = Math.Min(2 * centre - 1, (int)(source[j] * inverse + (centre + 0.5f)));
        WriteCodes(codes, destination[2..], bits);
    }

    /// <summary>Q4_1 and Q5_1: codes count steps from the smallest value.</summary>
    private static void EncodeFromMinimum(ReadOnlySpan<float> source, Span<byte> destination, int bits)
    {
        float minimum = float.MaxValue;
        float maximum = float.MinValue;
        foreach (float value in source)
        {
            minimum = MathF.Min(minimum, value);
            maximum = MathF.Max(maximum, value);
        }
        int last = (1 << bits) - 1;
        float d = (maximum - minimum) / last;
        float inverse = d != 0 ? 1 / d : 0;
        MemoryMarshal.Write(destination, (Half)d);
        MemoryMarshal.Write(destination[2..], (Half)minimum);
        Span<int> codes = stackalloc int[32];
        for (int j = 0; j < 32; j++) codes[j] = Math.Min(last, (int)((source[j] - minimum) * inverse + 0.5f));
        WriteCodes(codes, destination[4..], bits);
    }

    private static void EncodeQ8_0(ReadOnlySpan<float> source, Span<byte> destination)
    {
        float largest = 0;
        foreach (float value in source) largest = MathF.Max(largest, MathF.Abs(value));
        float d = largest / 127;
        float inverse = d != 0 ? 1 / d : 0;
        MemoryMarshal.Write(destination, (Half)d);
        for (int j = 0; j < 32; j++) destination[2 + j] = (byte)(sbyte)MathF.Round(source[j] * inverse, MidpointRounding.AwayFromZero);
    }

    /// <summary>32 codes of four bits, or of five with the fifth ones in a uint32 ahead of the nibbles.</summary>
    private static void WriteCodes(ReadOnlySpan<int> codes, Span<byte> destination, int bits)
    {
        if (bits == 5)
        {
            uint fifth = 0;
            for (int j = 0; j < 32; j++) fifth |= (uint)(codes[j] >> 4) << j;
            MemoryMarshal.Write(destination, fifth);
            destination = destination[4..];
        }
        for (int j = 0; j < 16; j++) destination[j] = (byte)(codes[j] & 15 | (codes[16 + j] & 15) << 4);
    }
}
