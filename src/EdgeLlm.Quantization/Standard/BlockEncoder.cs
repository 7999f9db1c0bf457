using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization.Standard;

/// <summary>
/// Rows of floats to ggml's blocks, the other way round than <see cref="BlockUnpacker"/>, whose comments have the layouts. Scales are
/// searched for the smallest squared error; with the importance of a column's inputs, for the smallest error of what the row multiplies.
/// </summary>
internal static partial class BlockEncoder
{
    /// <summary>Whether a type can be written.</summary>
    public static bool CanEncode(ElementType type) => type is ElementType.F32 or ElementType.F16 or ElementType.BF16
        or ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1 or ElementType.Q8_0 or ElementType.IQ4_NL
        or ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K;

    /// <summary>Encodes one row.</summary>
    /// <param name="row">Whole blocks, all finite.</param>
    /// <param name="importance">The mean square of each column's input, or empty.</param>
    /// <param name="destination">The row's bytes.</param>
    public static void Encode(ElementType type, ReadOnlySpan<float> row, ReadOnlySpan<float> importance, Span<byte> destination)
    {
        ElementFormat format = ElementFormat.Get(type);
        if (format.ValuesPerBlock == 1)
        {
            EncodeFloats(type, row, destination);
            return;
        }
        Span<float> weights = stackalloc float[256];
        weights = weights[..format.ValuesPerBlock];
        for (int block = 0; block < row.Length / format.ValuesPerBlock; block++)
        {
            ReadOnlySpan<float> values = row.Slice(block * format.ValuesPerBlock, format.ValuesPerBlock);
            Span<byte> bytes = destination.Slice(block * format.BytesPerBlock, format.BytesPerBlock);
            Weigh(values, importance.IsEmpty ? default : importance.Slice(block * format.ValuesPerBlock, format.ValuesPerBlock), weights);
            switch (type)
            {
                case ElementType.Q4_0: EncodeCentred(values, weights, 4, bytes); break;
                case ElementType.Q5_0: EncodeCentred(values, weights, 5, bytes); break;
                case ElementType.Q4_1: EncodeFromMinimum(values, weights, 4, bytes); break;
                case ElementType.Q5_1: EncodeFromMinimum(values, weights, 5, bytes); break;
                case ElementType.Q8_0: EncodeQ8_0(values, bytes); break;
                case ElementType.IQ4_NL: EncodeIQ4_NL(values, weights, bytes); break;
                case ElementType.Q4_K: EncodeWithMinimums(values, weights, 4, bytes); break;
                case ElementType.Q5_K: EncodeWithMinimums(values, weights, 5, bytes); break;
                case ElementType.Q6_K: EncodeQ6_K(values, weights, bytes); break;
                default: throw new NotSupportedException($"{format.Name} can't be written");
            }
        }
    }

    private static void EncodeFloats(ElementType type, ReadOnlySpan<float> row, Span<byte> destination)
    {
        if (type == ElementType.F32)
        {
            MemoryMarshal.AsBytes(row).CopyTo(destination);
            return;
        }
        Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(destination);
        for (int k = 0; k < row.Length; k++)
            halves[k] = type == ElementType.F16 ? HalfConversion.FromFloat(row[k]) : BrainFloatConversion.FromFloat(row[k]);
    }

    /// <summary>
    /// How much an error counts. With importance h: h sqrt(s^2 + x^2), s^2 the block's mean square, because large weights' inputs are
    /// also where an average over the calibration text says too little (llama.cpp's choice too); without it, all alike.
    /// </summary>
    private static void Weigh(ReadOnlySpan<float> values, ReadOnlySpan<float> importance, Span<float> weights)
    {
        if (importance.IsEmpty)
        {
            weights.Fill(1);
            return;
        }
        float squares = 0, total = 0;
        foreach (float value in values) squares += value * value;
        squares /= values.Length;
        for (int k = 0; k < values.Length; k++)
        {
            weights[k] = importance[k] * MathF.Sqrt(squares + values[k] * values[k]);
            total += weights[k];
        }
        // Inputs that were never seen: all alike. Else a mean of 1, so that no sum leaves a float's range.
        if (!(total > 0) || !float.IsFinite(total)) weights.Fill(1);
        else foreach (ref float weight in weights) weight *= weights.Length / total;
    }

    /// <summary>The half nearest to a scale, written, and as a float.</summary>
    private static float WriteHalf(float value, Span<byte> destination)
    {
        ushort half = HalfConversion.FromFloat(Math.Clamp(value, -65504, 65504));
        MemoryMarshal.Write(destination, half);
        return HalfConversion.ToFloat(half);
    }

    private static float Inverse(float scale) => scale == 0 ? 0 : 1 / scale;
}
