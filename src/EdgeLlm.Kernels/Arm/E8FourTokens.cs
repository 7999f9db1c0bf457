using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>SMULL and SMLAL: groups of eight rows of E8 times four tokens at a time: 16 sums, four products, four weights and two activations are 26 of 32 registers.</summary>
internal static unsafe class E8FourTokens
{
    public const int Tokens = 4;

    /// <summary>Products of a group and the tokens from <paramref name="token"/> on.</summary>
    /// <param name="y">Where the sum of the group's first row and token 0 goes.</param>
    public static void Multiply(byte* group, sbyte* w, in PackedActivations x, nint token, float* y, nint yStride, int rows)
    {
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + token * x.Columns;
        int* shift = x.Shifts + token * x.Blocks;
        float* scale = x.Scales + token * x.ScaleCount;
        nint columns = x.Columns, shiftStride = x.Blocks, scaleStride = x.ScaleCount;
        RowLanes result0 = RowLanes.Zero, result1 = RowLanes.Zero, result2 = RowLanes.Zero, result3 = RowLanes.Zero;
        for (nint left = x.Blocks; left > 0; left -= PackedActivations.ScaleBlocks, scale++)
        {
            RowSums sum0 = default, sum1 = default, sum2 = default, sum3 = default;
            for (nint b = nint.Min(left, PackedActivations.ScaleBlocks); b > 0; b--, values += 32, shift++, subScales += PackedLayout.GroupRows)
            {
                WideSums dots0 = default, dots1 = default, dots2 = default, dots3 = default;
                for (nint quads = 0; quads < 32; quads += 8, w += 64)
                {
                    Vector128<sbyte> p = Vector128.Load(w), q = Vector128.Load(w + 16), r = Vector128.Load(w + 32), s = Vector128.Load(w + 48);
                    sbyte* place = values + quads;
                    Add(p, q, r, s, place, ref dots0);
                    Add(p, q, r, s, place + columns, ref dots1);
                    Add(p, q, r, s, place + 2 * columns, ref dots2);
                    Add(p, q, r, s, place + 3 * columns, ref dots3);
                }
                Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
                sum0.AddShifted(dots0.ToRowSums(), scales, AdvSimd.LoadAndReplicateToVector128((short*)shift));
                sum1.AddShifted(dots1.ToRowSums(), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shift + shiftStride)));
                sum2.AddShifted(dots2.ToRowSums(), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shift + 2 * shiftStride)));
                sum3.AddShifted(dots3.ToRowSums(), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shift + 3 * shiftStride)));
            }
            result0 = result0.AddScaled(*scale, sum0);
            result1 = result1.AddScaled(scale[scaleStride], sum1);
            result2 = result2.AddScaled(scale[2 * scaleStride], sum2);
            result3 = result3.AddScaled(scale[3 * scaleStride], sum3);
        }
        RowLanes rowScales = RowLanes.Load((float*)group);
        y += token * yStride;
        result0.Times(rowScales).Store(y, rows);
        result1.Times(rowScales).Store(y + yStride, rows);
        result2.Times(rowScales).Store(y + 2 * yStride, rows);
        result3.Times(rowScales).Store(y + 3 * yStride, rows);
    }

    /// <summary>Eight columns of a token: two products fit an int16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector128<sbyte> p, Vector128<sbyte> q, Vector128<sbyte> r, Vector128<sbyte> s, sbyte* values, ref WideSums dots)
    {
        Vector128<sbyte> x = AdvSimd.LoadAndReplicateToVector128((int*)values).AsSByte(), z = AdvSimd.LoadAndReplicateToVector128((int*)values + 1).AsSByte();
        Vector128<short> t23 = AdvSimd.MultiplyWideningUpper(p, x);
        Vector128<short> t67 = AdvSimd.MultiplyWideningUpper(q, x);
        Vector128<short> t01 = AdvSimd.MultiplyWideningLower(p.GetLower(), x.GetLower());
        Vector128<short> t45 = AdvSimd.MultiplyWideningLower(q.GetLower(), x.GetLower());
        t23 = AdvSimd.MultiplyWideningUpperAndAdd(t23, r, z);
        t67 = AdvSimd.MultiplyWideningUpperAndAdd(t67, s, z);
        t01 = AdvSimd.MultiplyWideningLowerAndAdd(t01, r.GetLower(), z.GetLower());
        t45 = AdvSimd.MultiplyWideningLowerAndAdd(t45, s.GetLower(), z.GetLower());
        dots.Widen(t01, t23, t45, t67);
    }
}
