using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

internal readonly unsafe partial struct VnniArithmetic<TDot>
{
    public static void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        int* sums = stackalloc int[4 * 16];
        byte* a = panel.FirstCodes, b = panel.SecondCodes, aScales = panel.FirstScales, bScales = panel.SecondScales;
        for (; blocks > 0; blocks -= PackedActivations.ScaleBlocks)
        {
            new Span<int>(sums, TTokens.Count * 16).Clear();
            float* scales = (float*)(tile + PackedTile.Scales);
            for (int block = Math.Min(blocks, PackedActivations.ScaleBlocks); block > 0; block--, tile += PackedTile.BlockBytes)
            {
                for (int half = 0; half < (TCodes.HasScalePer16 ? 2 : 1); half++, aScales += PackedPanel.ScaleBytes,
                    bScales += PackedPanel.ScaleBytes)
                {
                    int quads = TCodes.HasScalePer16 ? 4 : 8;
                    AddColumns<TTokens>(a, b, aScales, bScales, tile, half, quads, sums);
                    a += 32 * quads;
                    b += 32 * quads;
                }
            }
            for (int t = 0; t < TTokens.Count; t++)
            {
                Vector256<float> scale = Vector256.Create(scales[t]);
                float* target = accumulators + 16 * t;
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums + 16 * t)), Vector256.Load(target)).Store(target);
                Fma.MultiplyAdd(scale, Vector256.ConvertToSingle(Vector256.Load(sums + 16 * t + 8)), Vector256.Load(target + 8))
                    .Store(target + 8);
            }
        }
    }

    /// <summary>Adds the columns of one sub-scale.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddColumns<TTokens>(byte* a, byte* b, byte* aScales, byte* bScales, byte* tile, int half, int quads, int* sums)
        where TTokens : struct, ITokenCount
    {
        // a: rows 0 to 7, b: rows 8 to 15, of tokens 0 to 3
        int* starts = (int*)(tile + PackedTile.Starts) + 4 * half;
        Vector256<int> a0 = Vector256.Create(*starts), a1 = Vector256.Create(starts[8]), a2 = Vector256.Create(starts[16]),
            a3 = Vector256.Create(starts[24]);
        Vector256<int> b0 = a0, b1 = a1, b2 = a2, b3 = a3;
        for (sbyte* values = (sbyte*)tile + 16 * half; quads > 0; quads--, a += 32, b += 32, values += 4)
        {
            Vector256<byte> aCodes = Vector256.Load(a), bCodes = Vector256.Load(b);
            Vector256<sbyte> x = Broadcast(values);
            a0 = TDot.AccumulateWide(a0, aCodes, x);
            b0 = TDot.AccumulateWide(b0, bCodes, x);
            if (TTokens.Count > 1)
            {
                x = Broadcast(values + 32);
                a1 = TDot.AccumulateWide(a1, aCodes, x);
                b1 = TDot.AccumulateWide(b1, bCodes, x);
            }
            if (TTokens.Count > 2)
            {
                x = Broadcast(values + 64);
                a2 = TDot.AccumulateWide(a2, aCodes, x);
                b2 = TDot.AccumulateWide(b2, bCodes, x);
                x = Broadcast(values + 96);
                a3 = TDot.AccumulateWide(a3, aCodes, x);
                b3 = TDot.AccumulateWide(b3, bCodes, x);
            }
        }
        int* offsets = (int*)(tile + PackedTile.Offsets);
        Scale(a0, b0, aScales + offsets[0], bScales + offsets[0], sums);
        if (TTokens.Count > 1) Scale(a1, b1, aScales + offsets[1], bScales + offsets[1], sums + 16);
        if (TTokens.Count <= 2) return;
        Scale(a2, b2, aScales + offsets[2], bScales + offsets[2], sums + 32);
        Scale(a3, b3, aScales + offsets[3], bScales + offsets[3], sums + 48);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Scale(Vector256<int> a, Vector256<int> b, byte* aScale, byte* bScale, int* sums)
    {
        (Vector256.Load(sums) + a * Vector256.Load((int*)aScale)).Store(sums);
        (Vector256.Load(sums + 8) + b * Vector256.Load((int*)bScale)).Store(sums + 8);
    }
}
