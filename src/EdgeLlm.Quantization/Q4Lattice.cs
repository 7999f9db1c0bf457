using System.Collections.Frozen;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Quantization;

/// <summary>
/// Matrices that a training for four bits left on Q4_0's lattice, published as floats: in every block of 32 weights each is d * code,
/// rounded to the float type, with one half d and codes from -8 to 7. Rounded anew, such a model loses what that training was for; with the
/// codes it had it loses nothing.
/// </summary>
internal static class Q4Lattice
{
    private const int BlockLength = 32;
    private const int LeastCode = -8, LargestCode = 7;

    // Of all blocks that are not zero. The others are rounded.
    private const double LeastShare = 0.999;

    // Weights that are looked at before all are: of a matrix that is on no lattice hardly a block fits.
    private const int SampleWeights = 16_384;

    /// <summary>Names of a model's matrices that are on the lattice.</summary>
    /// <exception cref="ModelException">A weight is not finite.</exception>
    public static IReadOnlySet<string> Find(GgufFile file, CancellationToken cancellation) =>
        file.Tensors.Where(tensor => QuantizationPlan.CanPack(tensor) && IsOn(file, tensor, cancellation))
            .Select(tensor => tensor.Name).ToFrozenSet();

    /// <summary>Whether a tensor is on the lattice.</summary>
    public static bool IsOn(GgufFile file, GgufTensor tensor, CancellationToken cancellation)
    {
        if (tensor.Packed is not null || tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16)
            || tensor.Columns % BlockLength != 0)
            return false;
        var rows = new WeightRows(file, tensor);
        (long fitting, long blocks) = Count(rows.Sample(SampleWeights), tensor.Type);
        if (fitting < 0.9 * blocks) return false;
        (fitting, blocks) = (0, 0);
        int unit = (int)Math.Clamp(SampleWeights / tensor.Columns, 1, tensor.Rows);
        ParallelWork.ForAll((int)((tensor.Rows + unit - 1) / unit), cancellation, i =>
        {
            long first = (long)i * unit;
            float[] weights = new float[Math.Min(unit, tensor.Rows - first) * tensor.Columns];
            rows.Read(first, weights);
            (long fittingHere, long blocksHere) = Count(weights, tensor.Type);
            Interlocked.Add(ref fitting, fittingHere);
            Interlocked.Add(ref blocks, blocksHere);
        });
        return blocks > 0 && fitting >= LeastShare * blocks;
    }

    /// <summary>Writes a tensor as Q4_0: blocks on the lattice with their codes, the others rounded.</summary>
    /// <param name="advance">Receives the bytes that were written.</param>
    public static void Write(GgufFile file, GgufTensor tensor, Stream output, Action<long> advance, CancellationToken cancellation) =>
        new RowStream(file, tensor, unitRows: 1, ElementFormat.ByteCount(ElementType.Q4_0, tensor.Columns),
            (row, bytes) => EncodeRow(tensor.Type, row, bytes)).Write(output, advance, cancellation);

    private static void EncodeRow(ElementType type, ReadOnlySpan<float> row, Span<byte> bytes)
    {
        int blockBytes = ElementFormat.Get(ElementType.Q4_0).BytesPerBlock;
        Span<sbyte> codes = stackalloc sbyte[BlockLength];
        for (int block = 0; block < row.Length / BlockLength; block++)
        {
            ReadOnlySpan<float> weights = row.Slice(block * BlockLength, BlockLength);
            Span<byte> to = bytes.Slice(block * blockBytes, blockBytes);
            if (!TryFit(weights, type, codes, out ushort scale))
            {
                BlockEncoder.Encode(ElementType.Q4_0, weights, [], to);
                continue;
            }
            MemoryMarshal.Write(to, scale);
            for (int k = 0; k < BlockLength / 2; k++)
                to[sizeof(ushort) + k] = (byte)(codes[k] - LeastCode | codes[k + BlockLength / 2] - LeastCode << 4);
        }
    }

    /// <summary>How many blocks that are not zero there are, and how many of them are on the lattice.</summary>
    private static (long Fitting, long Blocks) Count(ReadOnlySpan<float> weights, ElementType type)
    {
        (long fitting, long blocks) = (0, 0);
        Span<sbyte> codes = stackalloc sbyte[BlockLength];
        for (int start = 0; start < weights.Length; start += BlockLength)
        {
            ReadOnlySpan<float> block = weights.Slice(start, BlockLength);
            if (!block.ContainsAnyExcept(0f)) continue;
            blocks++;
            if (TryFit(block, type, codes, out _)) fitting++;
        }
        return (fitting, blocks);
    }

    /// <summary>The scale (a half's bits) and codes of a block that give its weights again, after rounding to their type.</summary>
    /// <param name="block">32 weights.</param>
    /// <param name="codes">Receives -8 to 7 of each.</param>
    public static bool TryFit(ReadOnlySpan<float> block, ElementType type, Span<sbyte> codes, out ushort scale)
    {
        // A weight of 8 significant bits, known to half of the last one, leaves this many halves of 11 open on each side of the quotient.
        const int Neighbours = 9;
        float largest = block[TensorPrimitives.IndexOfMaxMagnitude(block)];
        scale = 0;
        for (int code = LeastCode; code <= LargestCode && largest != 0; code++)
        {
            if (code is < 0 and > LeastCode) continue; // -7 with d is 7 with -d
            if (code == 0 || !FindCodes(block, largest / code, codes)) continue;
            ushort near = HalfConversion.FromFloat(largest / code);
            for (int i = 0; i <= 2 * Neighbours; i++)
            {
                int bits = near + (i % 2 == 0 ? -i / 2 : (i + 1) / 2);
                if ((bits ^ near) > short.MaxValue || (bits & short.MaxValue) is 0 or >= 0x7c00
                    || !Gives(HalfConversion.ToFloat((ushort)bits), codes, type, block))
                    continue;
                scale = (ushort)bits;
                return true;
            }
        }
        return false;
    }

    /// <summary>The nearest codes; false where a weight is between two of them, or beyond.</summary>
    private static bool FindCodes(ReadOnlySpan<float> block, float scale, Span<sbyte> codes)
    {
        const float Tolerance = 1 / 15f; // half of the last of eight bits, 1 / 256, of both numbers, times the largest code
        for (int k = 0; k < block.Length; k++)
        {
            float quotient = block[k] / scale, code = MathF.Round(quotient);
            if (!(MathF.Abs(quotient - code) <= Tolerance) || code is < LeastCode or > LargestCode) return false;
            codes[k] = (sbyte)code;
        }
        return true;
    }

    private static bool Gives(float scale, ReadOnlySpan<sbyte> codes, ElementType type, ReadOnlySpan<float> block)
    {
        for (int k = 0; k < block.Length; k++)
        {
            float weight = scale * codes[k];
            weight = type switch
            {
                ElementType.F16 => HalfConversion.ToFloat(HalfConversion.FromFloat(weight)),
                ElementType.BF16 => BrainFloatConversion.ToFloat(BrainFloatConversion.FromFloat(weight)),
                _ => weight,
            };
            if (weight != block[k]) return false;
        }
        return true;
    }
}
