using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Operations that <see cref="Vectors.VectorKernel"/> leaves to scalar code, because they take instructions that move lanes.
/// </summary>
internal unsafe partial class NeonKernel
{
    private const float LargestHalf = 65504f;

    public override void Rotate(float* x, int heads, int dimension, float* cosines, float* sines, int pairs, bool split)
    {
        if (pairs % 4 != 0)
        {
            base.Rotate(x, heads, dimension, cosines, sines, pairs, split);
            return;
        }
        for (; heads > 0; heads--, x += dimension)
        {
            for (nint i = 0; i < pairs; i += 4)
            {
                float* a = x + (split ? i : 2 * i), b = a + (split ? pairs : 4);
                Vector128<float> first = Vector128.Load(a), second = Vector128.Load(b), cosine = Vector128.Load(cosines + i),
                    sine = Vector128.Load(sines + i);
                if (!split) (first, second) = (AdvSimd.Arm64.UnzipEven(first, second), AdvSimd.Arm64.UnzipOdd(first, second));
                Vector128<float> turned = AdvSimd.FusedMultiplyAdd(-(second * sine), first, cosine);
                second = AdvSimd.FusedMultiplyAdd(second * cosine, first, sine);
                first = turned;
                if (!split) (first, second) = (AdvSimd.Arm64.ZipLow(first, second), AdvSimd.Arm64.ZipHigh(first, second));
                first.Store(a);
                second.Store(b);
            }
        }
    }

    public override bool Store(in KeyValueHead cache, int position, float* key, float* value)
    {
        int dimension = cache.Dimension;
        if (cache.Type != KeyValueType.F16 || dimension % 8 != 0) return base.Store(cache, position, key, value);
        Vector128<float> largest = Vector128<float>.Zero;
        for (nint d = 0; d < dimension; d += 4)
            largest = AdvSimd.Max(largest, AdvSimd.Max(AdvSimd.Abs(Vector128.Load(key + d)), AdvSimd.Abs(Vector128.Load(value + d))));
        if (!float.IsFinite(AdvSimd.Arm64.MaxAcross(largest).ToScalar())) return false; // FMAX hands a NaN on
        nint row = Tile;
        int place = cache.PlaceOf(position / Tile), inTile = position % Tile;
        ushort* keys = (ushort*)cache.Keys + (nint)place * dimension * Tile + inTile,
            values = (ushort*)cache.Values + ((nint)place * Tile + inTile) * dimension;
        for (nint d = 0; d < dimension; d += 8, keys += 8 * row)
        {
            Halves(value + d).Store(values + d);
            Vector128<ushort> halves = Halves(key + d);
            AdvSimd.StoreSelectedScalar(keys, halves, 0);
            AdvSimd.StoreSelectedScalar(keys + row, halves, 1);
            AdvSimd.StoreSelectedScalar(keys + 2 * row, halves, 2);
            AdvSimd.StoreSelectedScalar(keys + 3 * row, halves, 3);
            AdvSimd.StoreSelectedScalar(keys + 4 * row, halves, 4);
            AdvSimd.StoreSelectedScalar(keys + 5 * row, halves, 5);
            AdvSimd.StoreSelectedScalar(keys + 6 * row, halves, 6);
            AdvSimd.StoreSelectedScalar(keys + 7 * row, halves, 7);
        }
        return true;
    }

    [SkipLocalsInit]
    public override void QuantizePacked(float* x, in PackedActivations target, int token)
    {
        sbyte* values = target.Values + (nint)token * target.Columns;
        float* scales = target.Scales + (nint)token * target.ScaleCount;
        int* shifts = target.Shifts + (nint)token * target.Blocks, sums = target.Sums + 2 * (nint)token * target.Blocks;
        float* magnitudes = stackalloc float[PackedActivations.ScaleBlocks], rotated = stackalloc float[PackedActivations.ScaleColumns];
        for (int left = target.Blocks; left > 0; left -= PackedActivations.ScaleBlocks, scales++)
        {
            int blocks = Math.Min(PackedActivations.ScaleBlocks, left);
            float* section = x;
            x += 32 * blocks;
            if (target.IsRotated)
            {
                Rotation.Apply(section, rotated, 32 * blocks);
                section = rotated;
            }
            Vector128<float> largest = Vector128<float>.Zero;
            for (nint b = 0; b < blocks; b++)
            {
                Vector128<float> blockLargest = LargestOf32(section + 32 * b);
                magnitudes[b] = AdvSimd.Arm64.MaxAcross(blockLargest).ToScalar();
                largest = AdvSimd.Max(largest, blockLargest);
            }
            float magnitude = AdvSimd.Arm64.MaxAcross(largest).ToScalar();
            if (!(magnitude >= 7.8886090522101180541e-31f && magnitude < float.PositiveInfinity)) // 2^-100
            {
                *scales = float.IsFinite(magnitude) ? 0 : float.NaN;
                new Span<sbyte>(values, 32 * blocks).Clear();
                new Span<int>(shifts, blocks).Clear();
                new Span<int>(sums, 2 * blocks).Clear();
                values += 32 * blocks;
                shifts += blocks;
                sums += 2 * blocks;
                continue;
            }
            float scale = magnitude / 1016f, inverse = 1f / scale, limit = 127f * scale;
            *scales = scale;
            for (nint b = 0; b < blocks; b++, section += 32, values += 32, shifts++, sums += 2)
            {
                int shift = (magnitudes[b] > limit ? 1 : 0) + (magnitudes[b] > limit * 2 ? 1 : 0) + (magnitudes[b] > limit * 4 ? 1 : 0);
                *shifts = shift;
                Round32(section, inverse * BitConverter.Int32BitsToSingle(127 - shift << 23), values, sums); // a division by a power of two
            }
        }
    }

    /// <summary>The largest magnitudes of 32 floats are in one of the lanes; a NaN where one is not a number.</summary>
    private static Vector128<float> LargestOf32(float* x) => AdvSimd.Max(
        AdvSimd.Max(
            AdvSimd.Max(AdvSimd.Abs(Vector128.Load(x)), AdvSimd.Abs(Vector128.Load(x + 4))),
            AdvSimd.Max(AdvSimd.Abs(Vector128.Load(x + 8)), AdvSimd.Abs(Vector128.Load(x + 12)))),
        AdvSimd.Max(
            AdvSimd.Max(AdvSimd.Abs(Vector128.Load(x + 16)), AdvSimd.Abs(Vector128.Load(x + 20))),
            AdvSimd.Max(AdvSimd.Abs(Vector128.Load(x + 24)), AdvSimd.Abs(Vector128.Load(x + 28)))));

    /// <summary>32 values x * factor, rounded half to even, and the sums of each 16.</summary>
    private static void Round32(float* x, float factor, sbyte* values, int* sums)
    {
        Vector128<float> factors = Vector128.Create(factor);
        Vector128<sbyte> first = Round16(x, factors), second = Round16(x + 16, factors);
        first.Store(values);
        second.Store(values + 16);
        Vector128<int> both =
            AdvSimd.AddPairwiseWidening(AdvSimd.Arm64.AddPairwise(AdvSimd.AddPairwiseWidening(first), AdvSimd.AddPairwiseWidening(second)));
        AdvSimd.Arm64.AddPairwise(both, both).GetLower().Store(sums);
    }

    private static Vector128<sbyte> Round16(float* x, Vector128<float> factor)
    {
        Vector128<short> a = AdvSimd.Arm64.UnzipEven(Round(x, factor), Round(x + 4, factor)),
            b = AdvSimd.Arm64.UnzipEven(Round(x + 8, factor), Round(x + 12, factor));
        return AdvSimd.Arm64.UnzipEven(a.AsSByte(), b.AsSByte());
    }

    private static Vector128<short> Round(float* x, Vector128<float> factor) =>
        AdvSimd.ConvertToInt32RoundToEven(Vector128.Load(x) * factor).AsInt16();

    private static Vector128<ushort> Halves(float* x)
    {
        Vector128<float> largest = Vector128.Create(LargestHalf);
        return HalfConversion.FromFloat(Vector256.Create(
            AdvSimd.Max(AdvSimd.Min(Vector128.Load(x), largest), -largest),
            AdvSimd.Max(AdvSimd.Min(Vector128.Load(x + 4), largest), -largest)));
    }
}
