using System.Numerics;
using System.Runtime.CompilerServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Vectors;

internal abstract unsafe partial class VectorKernel
{
    [SkipLocalsInit]
    public override void QuantizePacked(float* x, in PackedActivations target, int token)
    {
        sbyte* values = target.Values + (long)token * target.Columns;
        float* scales = target.Scales + (long)token * target.ScaleCount;
        int* shifts = target.Shifts + (long)token * target.Blocks, sums = target.Sums + 2 * (long)token * target.Blocks;
        int* largestBits = stackalloc int[PackedActivations.ScaleBlocks];
        float* rotated = stackalloc float[PackedActivations.ScaleColumns];
        for (int block = 0; block < target.Blocks; block += PackedActivations.ScaleBlocks, scales++)
        {
            int blocks = Math.Min(PackedActivations.ScaleBlocks, target.Blocks - block), largest = 0;
            float* section = x;
            x += 32 * blocks;
            if (target.IsRotated)
            {
                Rotation.Apply(section, rotated, 32 * blocks);
                section = rotated;
            }
            for (int b = 0; b < blocks; b++)
            {
                largestBits[b] = LargestOf32(section + 32 * b);
                largest = Math.Max(largest, largestBits[b]);
            }
            bool finite = largest < 0x7F800000;
            float scale = finite ? BitConverter.Int32BitsToSingle(largest) / 1016f : float.NaN;
            if (!finite || largest < (127 - 100) << 23)
            {
                *scales = finite ? 0 : scale;
                new Span<sbyte>(values, 32 * blocks).Clear();
                new Span<int>(shifts, blocks).Clear();
                new Span<int>(sums, 2 * blocks).Clear();
                values += 32 * blocks;
                shifts += blocks;
                sums += 2 * blocks;
                continue;
            }
            *scales = scale;
            float inverse = 1f / scale, limit = 127f * scale;
            for (int b = 0; b < blocks; b++, section += 32, values += 32, shifts++, sums += 2)
            {
                float magnitude = BitConverter.Int32BitsToSingle(largestBits[b]);
                int shift = 0;
                while (shift < 3 && magnitude > limit * (1 << shift)) shift++;
                *shifts = shift;
                Round32(section, inverse / (1 << shift), values, sums);
            }
        }
    }

    private static int LargestOf32(float* x)
    {
        var magnitude = new Vector<int>(0x7FFFFFFF);
        Vector<int> largest = Vector<int>.Zero;
        for (int j = 0; j < 32; j += Width) largest = Vector.Max(largest, Vector.Load((int*)x + j) & magnitude);
        return MaximumAcross(largest);
    }

    /// <summary>32 values x * factor, rounded half to even, and the sums of each 16.</summary>
    private static void Round32(float* x, float factor, sbyte* values, int* sums)
    {
        var factors = new Vector<float>(factor);
        var rounder = new Vector<float>(12582912f); // 1.5 * 2^23: adding it rounds to an integer, half to even, in the low bits
        sums[0] = 0;
        sums[1] = 0;
        for (int j = 0; j < 32; j += 4 * Width)
        {
            Vector<int> a = Round(x + j, factors, rounder), c = Round(x + j + Width, factors, rounder);
            Vector<int> d = Round(x + j + 2 * Width, factors, rounder), e = Round(x + j + 3 * Width, factors, rounder);
            Vector.Narrow(Vector.Narrow(a, c), Vector.Narrow(d, e)).Store(values + j);
            sums[j / 16] += Vector.Sum(a + c);
            sums[(j + 2 * Width) / 16] += Vector.Sum(d + e);
        }
    }
}
