using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Scalar;

internal unsafe partial class ScalarKernel
{
    /// <summary>
    /// scale = max |x| / 127, q = round-half-even(x / scale) per 32 columns. A block below 2^-100 is zero; one that is not finite has the
    /// scale NaN, which the next norm reports.
    /// </summary>
    public override void Quantize(float* x, in QuantizedActivations target, int token)
    {
        for (int b = 0; b < target.Blocks; b++)
        {
            float* block = x + b * QuantizedActivations.BlockColumns;
            long cell = (long)token * target.Blocks + b;
            sbyte* values = target.Values + cell * QuantizedActivations.BlockColumns;
            int largestBits = LargestMagnitude(block, 32);
            float largest = BitConverter.Int32BitsToSingle(largestBits);
            bool finite = largestBits < 0x7F800000, zero = largestBits < (127 - 100) << 23;
            float scale = finite ? zero ? 0 : largest / 127f : float.NaN;
            float inverse = finite && !zero ? 127f / largest : 0;
            int first = 0, second = 0;
            for (int j = 0; j < 32; j++)
            {
                values[j] = finite ? (sbyte)MathF.Round(block[j] * inverse) : (sbyte)0;
                if (j < 16) first += values[j];
                else second += values[j];
            }
            target.Scales[cell] = scale;
            target.Sums[2 * cell] = first;
            target.Sums[2 * cell + 1] = second;
            target.ScaledSums[cell] = scale * (first + second);
        }
    }

    /// <summary>
    /// Per row, block by block in order (a block is 16 or 32 columns, see <see cref="BlockUnpacker"/>): an exact int32 dot product d, then
    /// accumulator = fma(weightScale * activationScale, d, accumulator); where the type has an offset, also
    /// accumulator = fma(offset, activationScale * sum of the block's activations, accumulator).
    /// </summary>
    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        sbyte* q = stackalloc sbyte[32];
        float* scales = stackalloc float[2];
        float* offsets = stackalloc float[2];
        bool halves = BlockUnpacker.HasScalePer16(weights.Type), hasOffset = BlockUnpacker.HasOffset(weights.Type);
        for (int r = firstRow; r < endRow; r++)
        {
            for (int t = 0; t < tokens; t++) y[t * yStride + r] = 0;
            for (int b = 0; b < x.Blocks; b++)
            {
                BlockUnpacker.Unpack(weights.Type, weights.Row(r), b, q, scales, offsets);
                for (int t = 0; t < tokens; t++)
                {
                    long cell = (long)t * x.Blocks + b;
                    sbyte* values = x.Values + cell * 32;
                    float activationScale = x.Scales[cell], accumulator = y[t * yStride + r];
                    int first = 0, second = 0;
                    for (int j = 0; j < 16; j++)
                    {
                        first += q[j] * values[j];
                        second += q[16 + j] * values[16 + j];
                    }
                    if (halves)
                    {
                        accumulator = MathF.FusedMultiplyAdd(scales[0] * activationScale, first, accumulator);
                        if (hasOffset) accumulator = MathF.FusedMultiplyAdd(offsets[0], activationScale * x.Sums[2 * cell], accumulator);
                        accumulator = MathF.FusedMultiplyAdd(scales[1] * activationScale, second, accumulator);
                        if (hasOffset)
                            accumulator = MathF.FusedMultiplyAdd(offsets[1], activationScale * x.Sums[2 * cell + 1], accumulator);
                    }
                    else
                    {
                        accumulator = MathF.FusedMultiplyAdd(scales[0] * activationScale, first + second, accumulator);
                        if (hasOffset) accumulator = MathF.FusedMultiplyAdd(offsets[0], x.ScaledSums[cell], accumulator);
                    }
                    y[t * yStride + r] = accumulator;
                }
            }
        }
    }

    /// <summary>The row as floats, then <see cref="Dot"/> with each token.</summary>
    public override void Multiply(in WeightMatrix weights, float* x, nint xStride, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        float* row = (float*)scratch;
        for (int r = firstRow; r < endRow; r++)
        {
            weights.RowToFloat(r, row);
            for (int t = 0; t < tokens; t++) y[t * yStride + r] = Dot(row, x + t * xStride, weights.Columns);
        }
    }

    public override long ScratchBytes(int columns) => (columns + 63L) / 64 * 64 * sizeof(float);
}
