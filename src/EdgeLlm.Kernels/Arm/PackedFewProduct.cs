using System.Diagnostics.CodeAnalysis;
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

    /// <summary>True of codes that become int8 values in memory first.</summary>
    private static bool IsUnpacked
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => !TDots.AreNibbles && TDots.BlockBytes != PackedPanel.BlockBytes;
    }

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
                Values = tokenValues,
                SubScales = (sbyte*)group + PackedLayout.SubScaleOffset,
                Shifts = tokenShifts,
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
                    Add<TTokens>(block, codebook, x, at, ref sum0, ref sum1, ref sum2, ref sum3);
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
        sbyte* codes, Vector128<sbyte> codebook, in PackedActivations x, in Place at,
        ref RowSums sum0, ref RowSums sum1, ref RowSums sum2, ref RowSums sum3)
        where TTokens : struct, ITokenCount
    {
        Vector128<short> scales = AdvSimd.SignExtendWideningLower(Vector64.Load(at.SubScales));
        TokenSums low = default, high = default; // of the first four rows and of the others
        AddHalf<TTokens>(codes, codebook, 0, at.Values, x.Columns, ref low, ref high);
        if (TDots.HasScalePer16)
        {
            AddShifted<TTokens>(low, high, scales, at.Shifts, x.Blocks, ref sum0, ref sum1, ref sum2, ref sum3);
            scales = AdvSimd.SignExtendWideningLower(Vector64.Load(at.SubScales + 8));
            low = high = default;
        }
        AddHalf<TTokens>(codes, codebook, 1, at.Values, x.Columns, ref low, ref high);
        AddShifted<TTokens>(low, high, scales, at.Shifts, x.Blocks, ref sum0, ref sum1, ref sum2, ref sum3);
    }

    /// <summary>16 columns.</summary>
    /// <param name="half">A constant: 0 or 1.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddHalf<TTokens>(
        sbyte* codes, Vector128<sbyte> codebook, int half, sbyte* values, nint columns, ref TokenSums low, ref TokenSums high)
        where TTokens : struct, ITokenCount
    {
        Vector128<sbyte> x0 = AdvSimd.LoadVector128(values + 16 * half), x1 = AdvSimd.LoadVector128(values + columns + 16 * half);
        Vector128<sbyte> x2 = x0, x3 = x0;
        if (TTokens.Count > 2) x2 = AdvSimd.LoadVector128(values + 2 * columns + 16 * half);
        if (TTokens.Count > 3) x3 = AdvSimd.LoadVector128(values + 3 * columns + 16 * half);
        Vector128<sbyte> p = Weights(codes, codebook, half, 0), q = Weights(codes, codebook, half, 16);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 0);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 0);
        p = Weights(codes, codebook, half, 32);
        q = Weights(codes, codebook, half, 48);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 1);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 1);
        p = Weights(codes, codebook, half, 64);
        q = Weights(codes, codebook, half, 80);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 2);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 2);
        p = Weights(codes, codebook, half, 96);
        q = Weights(codes, codebook, half, 112);
        low.AddQuad<TTokens>(p, x0, x1, x2, x3, 3);
        high.AddQuad<TTokens>(q, x0, x1, x2, x3, 3);
    }

    /// <summary>Four columns of four rows, of the block's first half or its second.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<sbyte> Weights(sbyte* codes, Vector128<sbyte> codebook, int half, int offset)
    {
        if (!TDots.AreNibbles) return AdvSimd.LoadVector128(codes + (128 * half + offset));
        return half == 0 ? AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(codes + offset) & Vector128.Create((sbyte)15))
            : AdvSimd.Arm64.VectorTableLookup(codebook, AdvSimd.LoadVector128(codes + offset) >>> 4);
    }

    /// <summary>Adds dot products times each token's sub-scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddShifted<TTokens>(in TokenSums low, in TokenSums high, Vector128<short> scales, int* shifts, nint blocks,
        ref RowSums sum0, ref RowSums sum1, ref RowSums sum2, ref RowSums sum3)
        where TTokens : struct, ITokenCount
    {
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
    }
}

/// <summary>
/// Four rows' integer sums, a lane each, of up to four tokens. (Of more than four fields the compiler makes memory, not registers.)
/// </summary>
internal struct TokenSums
{
    public Vector128<int> T0, T1, T2, T3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TokenSums All(Vector128<int> value) => new() { T0 = value, T1 = value, T2 = value, T3 = value };

    /// <summary>Adds four columns of the rows times a lane of each token's activations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AddQuad<TTokens>(Vector128<sbyte> weights, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> x2,
        Vector128<sbyte> x3, [ConstantExpected(Max = (byte)3)] byte lane)
        where TTokens : struct, ITokenCount
    {
        T0 = Dp.DotProductBySelectedQuadruplet(T0, weights, x0, lane);
        T1 = Dp.DotProductBySelectedQuadruplet(T1, weights, x1, lane);
        if (TTokens.Count > 2) T2 = Dp.DotProductBySelectedQuadruplet(T2, weights, x2, lane);
        if (TTokens.Count > 3) T3 = Dp.DotProductBySelectedQuadruplet(T3, weights, x3, lane);
    }
}
