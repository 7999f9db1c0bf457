using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// SDOT: packed groups of eight rows times two to four tokens, straight from the file: codes become codebook values in registers, once for
/// all of the tokens. 16 sums, four activations, two weights, the codebook and its mask fit into 32 registers.
/// </summary>
internal static unsafe class PackedFewProduct<TDots> where TDots : struct, IPackedDots
{
    /// <summary>Most tokens at once.</summary>
    public const int MostTokens = 4;

    private static bool IsUnpacked => !TDots.AreNibbles && TDots.BlockBytes != PackedPanel.BlockBytes;

    [SkipLocalsInit]
    public static void Multiply<TTokens>(in WeightMatrix weights, in PackedActivations x, nint token, float* y, nint yStride,
        int firstRow, int endRow)
        where TTokens : struct, ITokenCount
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset, groupBytes = weights.GroupBytes, subScaleBytes = TDots.HasScalePer16 ? 16 : 8,
            scaleCount = x.ScaleCount;
        Vector128<sbyte> codebook = weights.Codebook.GetLower(), upper = weights.Codebook.GetUpper();
        sbyte* unpacked = stackalloc sbyte[PackedPanel.BlockBytes];
        sbyte* tokenValues = x.Values + token * x.Columns;
        int* tokenShifts = x.Shifts + token * x.Blocks;
        float* tokenScales = x.Scales + token * scaleCount;
        byte* group = weights.Group(firstRow);
        y += firstRow;
        for (int rows = endRow - firstRow; rows > 0; rows -= PackedLayout.GroupRows, group += groupBytes, y += PackedLayout.GroupRows)
        {
            RowLanes result0 = RowLanes.Zero, result1 = result0, result2 = result0, result3 = result0;
            byte* codes = group + codeOffset;
            sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = tokenValues;
            int* shifts = tokenShifts;
            float* scale = tokenScales;
            for (nint left = x.Blocks; left > 0; left -= PackedActivations.ScaleBlocks, scale++)
            {
                RowSums sum0 = default, sum1 = default, sum2 = default, sum3 = default;
                for (nint run = nint.Min(left, PackedActivations.ScaleBlocks); run > 0; run--, codes += TDots.BlockBytes, values += 32,
                    subScales += subScaleBytes, shifts++)
                {
                    sbyte* block = (sbyte*)codes;
                    if (IsUnpacked)
                    {
                        TDots.Unpack(codes, codebook, upper, unpacked);
                        block = unpacked;
                    }
                    Add<TTokens>(block, codebook, values, x.Columns, subScales, shifts, x.Blocks, ref sum0, ref sum1, ref sum2, ref sum3);
                }
                result0 = result0.AddScaled(scale[0], sum0);
                result1 = result1.AddScaled(scale[scaleCount], sum1);
                if (TTokens.Count > 2) result2 = result2.AddScaled(scale[2 * scaleCount], sum2);
                if (TTokens.Count > 3) result3 = result3.AddScaled(scale[3 * scaleCount], sum3);
            }
            RowLanes rowScales = RowLanes.Load((float*)group);
            int stored = Math.Min(rows, PackedLayout.GroupRows);
            result0.Times(rowScales).Store(y, stored);
            result1.Times(rowScales).Store(y + yStride, stored);
            if (TTokens.Count > 2) result2.Times(rowScales).Store(y + 2 * yStride, stored);
            if (TTokens.Count > 3) result3.Times(rowScales).Store(y + 3 * yStride, stored);
        }
    }

    /// <summary>32 columns. One flat method: many small ones would exhaust what the compiler is willing to inline.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TTokens>(
        sbyte* c, Vector128<sbyte> codebook, sbyte* values, nint columns, sbyte* subScales, int* shifts, nint blocks, ref RowSums sum0,
        ref RowSums sum1, ref RowSums sum2, ref RowSums sum3)
        where TTokens : struct, ITokenCount
    {
        Vector128<sbyte> half = Vector128.Create((sbyte)15), x0, x1, x2 = half, x3 = half, p, q;
        Vector128<int> a0 = Vector128<int>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales));
        x0 = AdvSimd.LoadVector128(values);
        x1 = AdvSimd.LoadVector128(values + columns);
        if (TTokens.Count > 2) x2 = AdvSimd.LoadVector128(values + 2 * columns);
        if (TTokens.Count > 3) x3 = AdvSimd.LoadVector128(values + 3 * columns);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 0)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 0) & half);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 16)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 16) & half);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 0);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 0);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 0);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 0);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 0);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 32)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 32) & half);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 48)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 48) & half);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 1);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 1);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 1);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 1);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 1);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 64)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 64) & half);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 80)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 80) & half);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 2);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 2);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 2);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 2);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 2);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 96)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 96) & half);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 112)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 112) & half);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 3);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 3);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 3);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 3);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 3);
        if (TDots.HasScalePer16)
        {
            sum0.AddShifted(new RowSums(a0, b0), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts)));
            sum1.AddShifted(new RowSums(a1, b1), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + blocks)));
            if (TTokens.Count > 2)
                sum2.AddShifted(new RowSums(a2, b2), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 2 * blocks)));
            if (TTokens.Count > 3)
                sum3.AddShifted(new RowSums(a3, b3), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 3 * blocks)));
            scales = AdvSimd.SignExtendWideningLower(Vector64.Load(subScales + 8));
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = Vector128<int>.Zero;
        }
        x0 = AdvSimd.LoadVector128(values + 16);
        x1 = AdvSimd.LoadVector128(values + columns + 16);
        if (TTokens.Count > 2) x2 = AdvSimd.LoadVector128(values + 2 * columns + 16);
        if (TTokens.Count > 3) x3 = AdvSimd.LoadVector128(values + 3 * columns + 16);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 128)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 0) >>> 4);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 144)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 16) >>> 4);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 0);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 0);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 0);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 0);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 0);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 0);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 0);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 0);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 160)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 32) >>> 4);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 176)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 48) >>> 4);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 1);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 1);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 1);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 1);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 1);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 1);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 1);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 1);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 192)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 64) >>> 4);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 208)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 80) >>> 4);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 2);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 2);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 2);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 2);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 2);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 2);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 2);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 2);
        p = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 224)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 96) >>> 4);
        q = !TDots.AreNibbles ? AdvSimd.LoadVector128(c + 240)
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(c + 112) >>> 4);
        a0 = Dp.DotProductBySelectedQuadruplet(a0, p, x0, 3);
        b0 = Dp.DotProductBySelectedQuadruplet(b0, q, x0, 3);
        a1 = Dp.DotProductBySelectedQuadruplet(a1, p, x1, 3);
        b1 = Dp.DotProductBySelectedQuadruplet(b1, q, x1, 3);
        if (TTokens.Count > 2) a2 = Dp.DotProductBySelectedQuadruplet(a2, p, x2, 3);
        if (TTokens.Count > 2) b2 = Dp.DotProductBySelectedQuadruplet(b2, q, x2, 3);
        if (TTokens.Count > 3) a3 = Dp.DotProductBySelectedQuadruplet(a3, p, x3, 3);
        if (TTokens.Count > 3) b3 = Dp.DotProductBySelectedQuadruplet(b3, q, x3, 3);
        sum0.AddShifted(new RowSums(a0, b0), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts)));
        sum1.AddShifted(new RowSums(a1, b1), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + blocks)));
        if (TTokens.Count > 2)
            sum2.AddShifted(new RowSums(a2, b2), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 2 * blocks)));
        if (TTokens.Count > 3)
            sum3.AddShifted(new RowSums(a3, b3), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 3 * blocks)));
    }
}
