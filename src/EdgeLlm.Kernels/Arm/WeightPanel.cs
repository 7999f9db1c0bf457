using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>Layout of a panel's scales, as a struct type parameter: a branch in the loop would cost moves of all the sums.</summary>
internal interface IPanelLayout
{
    /// <summary>True where a scale is for 16 columns, else for 32.</summary>
    static abstract bool HasScalePer16 { get; }

    static abstract bool HasOffset { get; }
}

/// <summary>As Q6_K.</summary>
internal readonly struct ScalePer16 : IPanelLayout
{
    public static bool HasScalePer16 => true;

    public static bool HasOffset => false;
}

/// <summary>As Q2_K.</summary>
internal readonly struct ScalePer16WithOffset : IPanelLayout
{
    public static bool HasScalePer16 => true;

    public static bool HasOffset => true;
}

/// <summary>As Q4_0.</summary>
internal readonly struct ScalePer32 : IPanelLayout
{
    public static bool HasScalePer16 => false;

    public static bool HasOffset => false;
}

/// <summary>As Q4_1.</summary>
internal readonly struct ScalePer32WithOffset : IPanelLayout
{
    public static bool HasScalePer16 => false;

    public static bool HasOffset => true;
}

/// <summary>
/// Eight rows unpacked to int8 for many tokens: a 16-byte vector holds 4 consecutive columns of 4 rows, so that a row's sum stays in a
/// lane. 16 or 32 columns share a scale. Is in a thread's scratch.
/// </summary>
internal readonly unsafe struct WeightPanel
{
    public const int Rows = 8;

    public WeightPanel(byte* scratch, ElementType type, int columns)
    {
        HasScalePer16 = BlockUnpacker.HasScalePer16(type);
        ScaleCount = columns / (HasScalePer16 ? 16 : 32);
        IsNarrow = type is ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1
            or ElementType.Q2_K or ElementType.Q3_K or ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K
            or ElementType.Q1_0 or ElementType.Q2_0 or ElementType.TQ1_0 or ElementType.TQ2_0 or ElementType.MXFP4 or ElementType.NVFP4
            or ElementType.IQ1_S or ElementType.IQ1_M;
        Values = (sbyte*)scratch;
        Scales = (float*)(scratch + columns * Rows);
        Offsets = BlockUnpacker.HasOffset(type) ? Scales + ScaleCount * Rows : null;
    }

    /// <summary>Scales that a row has.</summary>
    public int ScaleCount { get; }

    /// <summary>True where each 16 columns have a scale, else each 32.</summary>
    public bool HasScalePer16 { get; }

    /// <summary>True where every value is in [-32, 32], so that eight products with activations fit an int16.</summary>
    public bool IsNarrow { get; }

    /// <summary>[columns / 4][8 rows][4 columns].</summary>
    public sbyte* Values { get; }

    /// <summary>[ScaleCount][8 rows].</summary>
    public float* Scales { get; }

    /// <summary>[ScaleCount][8 rows]; null for types without offsets.</summary>
    public float* Offsets { get; }

    public static long ByteCount(int columns)
    {
        long scales = (columns + 15L) / 16;
        return scales * Rows * (16 + 2 * sizeof(float));
    }

    /// <summary>Fills the panel; a row from <paramref name="rows"/> on repeats the last.</summary>
    public void Unpack(in WeightMatrix weights, int firstRow, int rows)
    {
        bool done = weights.Type switch
        {
            ElementType.Q4_0 => UnpackBlocks<Q4_0Block>(weights, firstRow, rows),
            ElementType.Q4_1 => UnpackBlocks<Q4_1Block>(weights, firstRow, rows),
            ElementType.Q5_0 => UnpackBlocks<Q5_0Block>(weights, firstRow, rows),
            ElementType.Q8_0 => UnpackBlocks<Q8_0Block>(weights, firstRow, rows),
            ElementType.IQ4_NL => UnpackBlocks<IQ4_NLBlock>(weights, firstRow, rows),
            ElementType.MXFP4 => UnpackBlocks<MXFP4Block>(weights, firstRow, rows),
            ElementType.Q4_K => UnpackSuperBlocks<Q4_KBlock>(weights, firstRow, rows),
            ElementType.Q6_K => UnpackSuperBlocks<Q6_KBlock>(weights, firstRow, rows),
            _ => false,
        };
        if (!done) UnpackAny(weights, firstRow, rows);
    }

    /// <summary>Through <see cref="BlockUnpacker"/>: every type, every scale.</summary>
    [SkipLocalsInit]
    private void UnpackAny(in WeightMatrix weights, int firstRow, int rows)
    {
        sbyte* q = stackalloc sbyte[32];
        float* scales = stackalloc float[2];
        float* offsets = stackalloc float[2];
        int scalesPerBlock = HasScalePer16 ? 2 : 1, blocks = ScaleCount / scalesPerBlock;
        for (int r = 0; r < Rows; r++)
        {
            byte* row = weights.Row(firstRow + Math.Min(r, rows - 1));
            int* target = (int*)Values + r;
            nint cell = r;
            for (int b = 0; b < blocks; b++)
            {
                BlockUnpacker.Unpack(weights.Type, row, b, q, scales, offsets);
                for (int k = 0; k < 8; k++, target += Rows) *target = ((int*)q)[k];
                for (int g = 0; g < scalesPerBlock; g++, cell += Rows)
                {
                    Scales[cell] = scales[g];
                    if (Offsets != null) Offsets[cell] = offsets[g];
                }
            }
        }
    }

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
        for (nint left = ScaleCount; left > 0; left--)
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
        int scalesPerBlock = HasScalePer16 ? 16 : 8;
        Vector128<sbyte> bias = Vector128.Create((sbyte)TFormat.Bias);
        sbyte* values = Values;
        float* scales = Scales, offsets = Offsets;
        var converter = new HalfLanes();
        for (int left = ScaleCount / scalesPerBlock; left > 0; left--)
        {
            TFormat.LoadScales(blocks, ref converter, scales, offsets);
            scales += scalesPerBlock * Rows;
            if (TFormat.HasOffset) offsets += scalesPerBlock * Rows;
            for (int g = 0; g < 8; g++, values += 32 * Rows)
            {
                TFormat part = TFormat.At(g);
                StoreFour(part.Load(blocks[0]), part.Load(blocks[1]), part.Load(blocks[2]), part.Load(blocks[3]), bias, values);
                StoreFour(part.Load(blocks[4]), part.Load(blocks[5]), part.Load(blocks[6]), part.Load(blocks[7]), bias, values + 16);
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
