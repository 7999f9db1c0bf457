using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>The unpackers of the usual types. False where a scale or an offset is not finite: these are left to the scalar one.</summary>
internal readonly unsafe partial struct WeightPanel
{
    private bool UnpackBlocks<TFormat>(in WeightMatrix weights, int firstRow, int rows) where TFormat : struct, IBlockFormat
    {
        nint last = rows - 1, rowBytes = weights.RowBytes;
        byte* p0 = weights.Row(firstRow);
        byte* p1 = p0 + nint.Min(1, last) * rowBytes, p2 = p0 + nint.Min(2, last) * rowBytes, p3 = p0 + nint.Min(3, last) * rowBytes;
        byte* p4 = p0 + nint.Min(4, last) * rowBytes, p5 = p0 + nint.Min(5, last) * rowBytes, p6 = p0 + nint.Min(6, last) * rowBytes;
        byte* p7 = p0 + last * rowBytes;
        Vector128<sbyte> bias = Vector128.Create((sbyte)TFormat.Bias);
        sbyte* values = Values;
        float* scales = Scales, offsets = Offsets;
        var converter = new HalfLanes();
        for (nint left = Groups; left > 0; left--)
        {
            StoreFour(TFormat.Load(p0), TFormat.Load(p1), TFormat.Load(p2), TFormat.Load(p3), bias, values);
            StoreFour(TFormat.Load(p4), TFormat.Load(p5), TFormat.Load(p6), TFormat.Load(p7), bias, values + 16);
            if (TFormat.HasOffset)
            {
                (RowLanes scale, RowLanes offset) = converter.LoadPairs(p0, p1, p2, p3, p4, p5, p6, p7);
                scale.Store(scales);
                offset.Store(offsets);
                offsets += Rows;
            }
            else
            {
                RowLanes scale = TFormat.HasExponent ? MXFP4Block.Scales(p0, p1, p2, p3, p4, p5, p6, p7)
                    : converter.Load(p0, p1, p2, p3, p4, p5, p6, p7);
                scale.Store(scales);
            }
            scales += Rows;
            values += 32 * Rows;
            p0 += TFormat.BlockBytes;
            p1 += TFormat.BlockBytes;
            p2 += TFormat.BlockBytes;
            p3 += TFormat.BlockBytes;
            p4 += TFormat.BlockBytes;
            p5 += TFormat.BlockBytes;
            p6 += TFormat.BlockBytes;
            p7 += TFormat.BlockBytes;
        }
        return !converter.FoundSpecial;
    }

    [SkipLocalsInit]
    private bool UnpackSuperBlocks<TFormat>(in WeightMatrix weights, int firstRow, int rows)
        where TFormat : struct, ISuperBlockFormat<TFormat>
    {
        byte** blocks = stackalloc byte*[Rows];
        for (int r = 0; r < Rows; r++) blocks[r] = weights.Row(firstRow + Math.Min(r, rows - 1));
        int scalesPerBlock = HasGroupsOf16 ? 16 : 8;
        Vector128<sbyte> bias = Vector128.Create((sbyte)TFormat.Bias);
        sbyte* values = Values;
        float* scales = Scales, offsets = Offsets;
        var converter = new HalfLanes();
        for (int left = Groups / scalesPerBlock; left > 0; left--)
        {
            TFormat.LoadScales(blocks, ref converter, scales, offsets);
            scales += scalesPerBlock * Rows;
            if (TFormat.HasOffset) offsets += scalesPerBlock * Rows;
            for (int g = 0; g < 8; g++, values += 32 * Rows)
            {
                TFormat group = TFormat.At(g);
                StoreFour(group.Load(blocks[0]), group.Load(blocks[1]), group.Load(blocks[2]), group.Load(blocks[3]), bias, values);
                StoreFour(group.Load(blocks[4]), group.Load(blocks[5]), group.Load(blocks[6]), group.Load(blocks[7]), bias, values + 16);
            }
            for (int r = 0; r < Rows; r++) blocks[r] += TFormat.BlockBytes;
        }
        return !converter.FoundSpecial;
    }

    /// <summary>32 columns of four rows to every other 16 bytes from <paramref name="target"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(RowCodes a, RowCodes b, RowCodes c, RowCodes d, Vector128<sbyte> bias, sbyte* target)
    {
        StoreQuads(a.First - bias, b.First - bias, c.First - bias, d.First - bias, target);
        StoreQuads(a.Second - bias, b.Second - bias, c.Second - bias, d.Second - bias, target + 128);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuads(Vector128<sbyte> a, Vector128<sbyte> b, Vector128<sbyte> c, Vector128<sbyte> d, sbyte* target)
    {
        Vector128<long> ab = AdvSimd.Arm64.ZipLow(a.AsInt32(), b.AsInt32()).AsInt64(),
            cd = AdvSimd.Arm64.ZipLow(c.AsInt32(), d.AsInt32()).AsInt64();
        AdvSimd.Arm64.ZipLow(ab, cd).AsSByte().Store(target);
        AdvSimd.Arm64.ZipHigh(ab, cd).AsSByte().Store(target + 32);
        ab = AdvSimd.Arm64.ZipHigh(a.AsInt32(), b.AsInt32()).AsInt64();
        cd = AdvSimd.Arm64.ZipHigh(c.AsInt32(), d.AsInt32()).AsInt64();
        AdvSimd.Arm64.ZipLow(ab, cd).AsSByte().Store(target + 64);
        AdvSimd.Arm64.ZipHigh(ab, cd).AsSByte().Store(target + 96);
    }
}
