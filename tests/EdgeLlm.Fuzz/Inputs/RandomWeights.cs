using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>Weights of tiny models: random, finite, of any type.</summary>
internal static class RandomWeights
{
    /// <summary>Rows of a type, of normal numbers.</summary>
    public static byte[] Rows(ElementType type, int rows, int columns, float deviation, Dice dice)
    {
        int rowBytes = (int)ElementFormat.ByteCount(type, columns);
        if (!BlockEncoder.CanEncode(type)) return Of(type, rows * rowBytes, dice);
        byte[] bytes = new byte[rows * rowBytes];
        float[] row = new float[columns];
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < columns; k++) row[k] = dice.Normal() * deviation;
            BlockEncoder.Encode(type, row, [], bytes.AsSpan(r * rowBytes, rowBytes));
        }
        return bytes;
    }

    /// <summary>Bytes that any type reads as finite numbers: the exponent of every half in them is small.</summary>
    public static byte[] Of(ElementType type, int count, Dice dice)
    {
        byte[] bytes = dice.Bytes(count);
        if (type != ElementType.F32)
        {
            for (int i = 0; i < count; i++) bytes[i] &= 0x2F;
            return bytes;
        }
        Span<float> numbers = MemoryMarshal.Cast<byte, float>(bytes.AsSpan());
        for (int i = 0; i < numbers.Length; i++) numbers[i] = dice.Normal();
        return bytes;
    }
}
