using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Scalar;

internal unsafe partial class ScalarKernel
{
    /// <summary>
    /// Per 256 columns (fewer at the end) scale = max |x| / 1016; per 32 of them a multiplier m, the smallest of 1, 2, 4 with
    /// max |x| of the 32 at most 127 * m * scale, else 8; q = round-half-even(x * (inverse / m)) with inverse = 1 / scale. 256 columns
    /// below
    /// 2^-100 are zero; ones that are not finite get the scale NaN, which the next norm reports. Where the weights are rotated, x is
    /// rotated first.
    /// </summary>
    public override void QuantizePacked(float* x, in PackedActivations target, int token)
    {
        float* rotated = stackalloc float[PackedActivations.ScaleColumns];
        for (int b = 0; b < target.Blocks; b++)
        {
            int start = b / PackedActivations.ScaleBlocks * PackedActivations.ScaleColumns,
                columns = Math.Min(PackedActivations.ScaleColumns, target.Columns - start);
            float* section = x + start;
            if (target.IsRotated)
            {
                section = rotated;
                new ReadOnlySpan<float>(x + start, columns).CopyTo(new Span<float>(rotated, columns));
                for (int column = 0; column < columns; column += Rotation.Columns) Rotate(rotated + column);
            }
            int largestBits = LargestMagnitude(section, columns);
            bool finite = largestBits < 0x7F800000, zero = largestBits < (127 - 100) << 23;
            float scale = finite ? zero ? 0 : BitConverter.Int32BitsToSingle(largestBits) / 1016f : float.NaN;
            float inverse = finite && !zero ? 1f / scale : 0;

            float* block = section + b % PackedActivations.ScaleBlocks * PackedActivations.BlockColumns;
            float largest = BitConverter.Int32BitsToSingle(LargestMagnitude(block, 32));
            int shift = 0;
            while (inverse != 0 && shift < 3 && largest > 127f * (1 << shift) * scale) shift++;

            sbyte* values = target.Values + (long)token * target.Columns + b * PackedActivations.BlockColumns;
            float factor = inverse / (1 << shift);
            int first = 0, second = 0;
            for (int j = 0; j < 32; j++)
            {
                values[j] = finite ? (sbyte)Math.Clamp(MathF.Round(block[j] * factor), -127f, 127f) : (sbyte)0;
                if (j < 16) first += values[j];
                else second += values[j];
            }
            target.Scales[(long)token * target.ScaleCount + b / PackedActivations.ScaleBlocks] = scale;
            long cell = (long)token * target.Blocks + b;
            target.Shifts[cell] = shift;
            target.Sums[2 * cell] = first;
            target.Sums[2 * cell + 1] = second;
        }
    }

    /// <summary><see cref="Rotation"/> of 32 numbers.</summary>
    private static void Rotate(float* x)
    {
        for (int stride = Rotation.Columns / 2; stride > 0; stride /= 2)
        {
            for (int j = 0; j < Rotation.Columns; j++)
            {
                if ((j & stride) == 0) (x[j], x[j + stride]) = (x[j] + x[j + stride], x[j] - x[j + stride]);
            }
        }
    }

    /// <summary>
    /// Per row, for each 256 columns in order: sum = the exact int32 sum over its 16 or 32 columns of (subScale * 2^shift) * dot product;
    /// then accumulator = fma(activation scale, sum, accumulator). In the end y = rowScale * accumulator.
    /// </summary>
    public override void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        PackedLayout layout = weights.Layout;
        sbyte* q = stackalloc sbyte[32];
        for (int r = firstRow; r < endRow; r++)
        {
            byte* group = weights.Group(r);
            int row = r % PackedLayout.GroupRows;
            for (int t = 0; t < tokens; t++)
            {
                float accumulator = 0;
                int sum = 0;
                for (int b = 0; b < x.Blocks; b++)
                {
                    PackedRows.Unpack(layout, group, weights.Codebook, row, b, q);
                    sbyte* values = x.Values + (long)t * x.Columns + b * 32;
                    int first = 0, second = 0;
                    for (int j = 0; j < 16; j++)
                    {
                        first += q[j] * values[j];
                        second += q[16 + j] * values[16 + j];
                    }
                    int shift = x.Shifts[(long)t * x.Blocks + b];
                    int run = 32 * b / layout.ScaleColumns, nextRun = (32 * b + 16) / layout.ScaleColumns;
                    sum += (PackedRows.SubScale(group, row, run) << shift) * first
                        + (PackedRows.SubScale(group, row, nextRun) << shift) * second;
                    if (b % PackedActivations.ScaleBlocks != PackedActivations.ScaleBlocks - 1 && b != x.Blocks - 1) continue;
                    float scale = x.Scales[(long)t * x.ScaleCount + b / PackedActivations.ScaleBlocks];
                    accumulator = MathF.FusedMultiplyAdd(scale, sum, accumulator);
                    sum = 0;
                }
                y[t * yStride + r] = PackedRows.RowScale(group, row) * accumulator;
            }
        }
    }
}
