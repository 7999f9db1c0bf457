using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Packed groups of eight rows times tokens, one token after the other while the group is in the cache. Lanes are rows: nothing is summed across them.</summary>
internal static unsafe class PackedProducts
{
    public static void Multiply<TDots>(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow, int endRow)
        where TDots : struct, IPackedDots
    {
        nint codeOffset = (nint)weights.Layout.CodeOffset;
        byte* group = weights.Group(firstRow);
        for (int r = firstRow; r < endRow; r += PackedLayout.GroupRows, group += weights.GroupBytes)
        {
            for (int t = 0; t < tokens; t++) MultiplyGroup<TDots>(group, codeOffset, weights.Codebook, x, t, y + t * yStride + r, endRow - r);
        }
    }

    private static void MultiplyGroup<TDots>(byte* group, nint codeOffset, Vector128<sbyte> codebook, in PackedActivations x, int token, float* y, int rows)
        where TDots : struct, IPackedDots
    {
        Vector128<float> low = Vector128<float>.Zero, high = low;
        byte* codes = group + codeOffset;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values + (nint)token * x.Columns;
        int* shift = x.Shifts + (nint)token * x.Blocks;
        float* scale = x.Scales + (nint)token * x.ScaleCount;
        for (int blocks = x.Blocks; blocks > 0; blocks -= PackedActivations.ScaleBlocks, scale++)
        {
            Vector128<int> lowSum = Vector128<int>.Zero, highSum = lowSum;
            for (int b = Math.Min(blocks, PackedActivations.ScaleBlocks); b > 0; b--, codes += TDots.BlockBytes, subScales += TDots.SubScaleBytes, values += 32, shift++)
                TDots.Add(codes, subScales, codebook, values, *shift, ref lowSum, ref highSum);
            Vector128<float> scales = Vector128.Create(*scale);
            low = AdvSimd.FusedMultiplyAdd(low, scales, Vector128.ConvertToSingle(lowSum));
            high = AdvSimd.FusedMultiplyAdd(high, scales, Vector128.ConvertToSingle(highSum));
        }
        low *= Vector128.Load((float*)group);
        high *= Vector128.Load((float*)group + 4);
        if (rows >= PackedLayout.GroupRows)
        {
            low.Store(y);
            high.Store(y + 4);
            return;
        }
        for (int r = 0; r < rows; r++) y[r] = r < 4 ? low.GetElement(r) : high.GetElement(r - 4);
    }

    /// <summary>Adds dots of rows 0 to 3 and 4 to 7 times their sub-scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled(Vector128<int> lowDots, Vector128<int> highDots, sbyte* subScales, int shift, ref Vector128<int> low, ref Vector128<int> high)
    {
        Vector128<short> scales = AdvSimd.ShiftLogical(AdvSimd.SignExtendWideningLower(Vector64.Load(subScales)), Vector128.Create((short)shift));
        high = AdvSimd.MultiplyAdd(high, highDots, AdvSimd.SignExtendWideningUpper(scales));
        low = AdvSimd.MultiplyAdd(low, lowDots, AdvSimd.SignExtendWideningLower(scales.GetLower()));
    }
}
