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
            var at = new Place
            {
                Values = tokenValues, SubScales = (sbyte*)group + PackedLayout.SubScaleOffset, Shifts = tokenShifts, Blocks = x.Blocks,
            };
            float* scale = tokenScales;
            for (nint left = x.Blocks; left > 0; left -= PackedActivations.ScaleBlocks, scale++)
            {
                RowSums sum0 = default, sum1 = default, sum2 = default, sum3 = default;
                for (nint run = nint.Min(left, PackedActivations.ScaleBlocks); run > 0; run--, codes += TDots.BlockBytes,
                    at.Values += 32, at.SubScales += subScaleBytes, at.Shifts++)
                {
                    sbyte* block = (sbyte*)codes;
                    if (IsUnpacked)
                    {
                        TDots.Unpack(codes, codebook, upper, unpacked);
                        block = unpacked;
                    }
                    Add<TTokens>(block, codebook, at, ref sum0, ref sum1, ref sum2, ref sum3);
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

    /// <summary>32 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TTokens>(
        sbyte* codes, Vector128<sbyte> codebook, in Place at, ref RowSums sum0, ref RowSums sum1, ref RowSums sum2, ref RowSums sum3)
        where TTokens : struct, ITokenCount
    {
        Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(at.SubScales));
        TokenSums low = default, high = default; // of the first four rows and of the others
        AddHalf<TTokens>(codes, codebook, 0, at, ref low, ref high);
        if (TDots.HasScalePer16)
        {
            AddShifted<TTokens>(low, high, scales, at, ref sum0, ref sum1, ref sum2, ref sum3);
            scales = AdvSimd.SignExtendWideningLower(Vector64.Load(at.SubScales + 8));
            low = high = default;
        }
        AddHalf<TTokens>(codes, codebook, 1, at, ref low, ref high);
        AddShifted<TTokens>(low, high, scales, at, ref sum0, ref sum1, ref sum2, ref sum3);
    }

    /// <summary>16 columns.</summary>
    /// <param name="half">A constant: 0 or 1.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalf<TTokens>(
        sbyte* codes, Vector128<sbyte> codebook, int half, in Place at, ref TokenSums low, ref TokenSums high)
        where TTokens : struct, ITokenCount
    {
        sbyte* values = at.Values + 16 * half;
        nint columns = PackedActivations.BlockColumns * at.Blocks;
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values), x1 = AdvSimd.LoadVector128(values + columns), x2 = x0, x3 = x0;
        if (TTokens.Count > 2) x2 = AdvSimd.LoadVector128(values + 2 * columns);
        if (TTokens.Count > 3) x3 = AdvSimd.LoadVector128(values + 3 * columns);
        Vector128<sbyte> p = Weights(codes, codebook, half), q = Weights(codes + 16, codebook, half);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 0);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 0);
        p = Weights(codes + 32, codebook, half);
        q = Weights(codes + 48, codebook, half);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 1);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 1);
        p = Weights(codes + 64, codebook, half);
        q = Weights(codes + 80, codebook, half);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 2);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 2);
        p = Weights(codes + 96, codebook, half);
        q = Weights(codes + 112, codebook, half);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 3);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 3);
    }

    /// <summary>Four columns of four rows, of the block's first half or its second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Weights(sbyte* codes, Vector128<sbyte> codebook, int half)
    {
        if (!TDots.AreNibbles) return AdvSimd.LoadVector128(codes + 128 * half);
        Vector128<sbyte> both = AdvSimd.LoadVector128(codes);
        return AdvSimd.Arm64.VectorTableLookup(codebook, half == 0 ? both & Vector128.Create((sbyte)15) : both >>> 4);
    }

    /// <summary>Adds dot products times each token's sub-scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddShifted<TTokens>(in TokenSums low, in TokenSums high, Vector128<short> scales, in Place at,
        ref RowSums sum0, ref RowSums sum1, ref RowSums sum2, ref RowSums sum3)
        where TTokens : struct, ITokenCount
    {
        int* shifts = at.Shifts;
        nint blocks = at.Blocks;
        sum0.AddShifted(new RowSums(low.T0, high.T0), scales, AdvSimd.LoadAndReplicateToVector128((short*)shifts));
        sum1.AddShifted(new RowSums(low.T1, high.T1), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + blocks)));
        if (TTokens.Count > 2)
            sum2.AddShifted(new RowSums(low.T2, high.T2), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 2 * blocks)));
        if (TTokens.Count > 3)
            sum3.AddShifted(new RowSums(low.T3, high.T3), scales, AdvSimd.LoadAndReplicateToVector128((short*)(shifts + 3 * blocks)));
    }

    /// <summary>32 columns of the first of the tokens; the others' are as far on as their blocks take.</summary>
    private struct Place
    {
        public sbyte* Values;
        public sbyte* SubScales;
        public int* Shifts;
        public nint Blocks;
    }
}
