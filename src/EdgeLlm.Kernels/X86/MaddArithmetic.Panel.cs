using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Kernels.X86;

internal readonly unsafe partial struct MaddArithmetic
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount
    {
        byte* a = panel.FirstCodes, b = panel.SecondCodes, aScales = panel.FirstScales, bScales = panel.SecondScales;
        byte* end = tile + blocks * PackedTile.BlockBytes;
        while (tile < end)
        {
            float* scales = (float*)(tile + PackedTile.Scales);
            byte* sectionEnd = (byte*)Math.Min((nint)end, (nint)(tile + PackedActivations.ScaleBlocks * PackedTile.BlockBytes));
            // a: rows 0 to 7, b: rows 8 to 15, of tokens 0 to 3
            Vector256<int> a0 = Vector256<int>.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
            for (; tile < sectionEnd; tile += PackedTile.BlockBytes)
            {
                int* offsets = (int*)(tile + PackedTile.Offsets);
                nint offset0 = offsets[0], offset1 = offsets[1], offset2 = offsets[2], offset3 = offsets[3];
                byte* values = tile;
                for (int pair = 0; pair < 4; pair++, values += 8, a += 64, b += 64)
                {
                    if (TCodes.HasScalePer16 && pair == 2)
                    {
                        aScales += PackedPanel.ScaleBytes;
                        bScales += PackedPanel.ScaleBytes;
                    }
                    Vector256<byte> aFirst = Vector256.Load(a), aSecond = Vector256.Load(a + 32), bFirst = Vector256.Load(b),
                        bSecond = Vector256.Load(b + 32);
                    AddQuads(ref a0, ref b0, aFirst, aSecond, bFirst, bSecond, values, aScales + offset0, bScales + offset0);
                    if (TTokens.Count > 1)
                        AddQuads(ref a1, ref b1, aFirst, aSecond, bFirst, bSecond, values + 32,
                            aScales + offset1, bScales + offset1);
                    if (TTokens.Count > 2)
                    {
                        AddQuads(ref a2, ref b2, aFirst, aSecond, bFirst, bSecond, values + 64,
                            aScales + offset2, bScales + offset2);
                        AddQuads(ref a3, ref b3, aFirst, aSecond, bFirst, bSecond, values + 96,
                            aScales + offset3, bScales + offset3);
                    }
                }
                aScales += PackedPanel.ScaleBytes;
                bScales += PackedPanel.ScaleBytes;
            }
            Finish(a0, b0, scales, accumulators);
            if (TTokens.Count > 1) Finish(a1, b1, scales + 1, accumulators + 16);
            if (TTokens.Count > 2)
            {
                Finish(a2, b2, scales + 2, accumulators + 32);
                Finish(a3, b3, scales + 3, accumulators + 48);
            }
        }
    }

    /// <summary>Two quads of both groups and one token. The order keeps all in 16 registers.</summary>
    /// <remarks>Values plus <see cref="PackedTile.Bias"/>: E8's would be too large (<see cref="BytePanelProduct"/> takes those).</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuads(
        ref Vector256<int> aSum, ref Vector256<int> bSum, Vector256<byte> aFirst, Vector256<byte> aSecond,
        Vector256<byte> bFirst, Vector256<byte> bSecond,
        byte* values, byte* aScale, byte* bScale)
    {
        Vector256<sbyte> x = Vector256.Create(*(int*)values).AsSByte();
        Vector256<short> start = Vector256.Create(*(int*)(values + PackedTile.Starts)).AsInt16();
        Vector256<short> a = Avx2.MultiplyAddAdjacent(aFirst, x) + start;
        Vector256<short> b = Avx2.MultiplyAddAdjacent(bFirst, x) + start;
        x = Vector256.Create(*(int*)(values + 4)).AsSByte();
        a += Avx2.MultiplyAddAdjacent(aSecond, x);
        b += Avx2.MultiplyAddAdjacent(bSecond, x);
        aSum += Avx2.MultiplyAddAdjacent(a, Vector256.Load((short*)aScale));
        bSum += Avx2.MultiplyAddAdjacent(b, Vector256.Load((short*)bScale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<int> a, Vector256<int> b, float* scale, float* accumulators)
    {
        Vector256<float> factor = Vector256.Create(*scale);
        Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(a), Vector256.Load(accumulators)).Store(accumulators);
        Fma.MultiplyAdd(factor, Vector256.ConvertToSingle(b), Vector256.Load(accumulators + 8)).Store(accumulators + 8);
    }
}
