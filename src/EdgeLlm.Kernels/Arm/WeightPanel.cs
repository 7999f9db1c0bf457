using System.Runtime.CompilerServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// Eight rows unpacked to int8 for many tokens: a 16-byte vector holds 4 consecutive columns of 4 rows, so that a row's sum stays in a
/// lane. A group is the 16 or 32 columns that share a scale. Is in a thread's scratch.
/// </summary>
internal readonly unsafe partial struct WeightPanel
{
    public const int Rows = 8;

    public WeightPanel(byte* scratch, ElementType type, int columns)
    {
        HasGroupsOf16 = BlockUnpacker.HasScalePer16(type);
        Groups = columns / (HasGroupsOf16 ? 16 : 32);
        IsNarrow = type is ElementType.Q4_0 or ElementType.Q4_1 or ElementType.Q5_0 or ElementType.Q5_1
            or ElementType.Q2_K or ElementType.Q3_K or ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K
            or ElementType.Q1_0 or ElementType.Q2_0 or ElementType.TQ1_0 or ElementType.TQ2_0 or ElementType.MXFP4 or ElementType.NVFP4
            or ElementType.IQ1_S or ElementType.IQ1_M;
        Values = (sbyte*)scratch;
        Scales = (float*)(scratch + columns * Rows);
        Offsets = BlockUnpacker.HasOffset(type) ? Scales + Groups * Rows : null;
    }

    /// <summary>Groups that a row has.</summary>
    public int Groups { get; }

    /// <summary>True where each 16 columns have a scale, else each 32.</summary>
    public bool HasGroupsOf16 { get; }

    /// <summary>True where every value is in [-32, 32], so that eight products with activations fit an int16.</summary>
    public bool IsNarrow { get; }

    /// <summary>[columns / 4][8 rows][4 columns].</summary>
    public sbyte* Values { get; }

    /// <summary>[Groups][8 rows].</summary>
    public float* Scales { get; }

    /// <summary>[Groups][8 rows]; null for types without offsets.</summary>
    public float* Offsets { get; }

    public static long ByteCount(int columns)
    {
        long groupsOf16 = (columns + 15L) / 16;
        return groupsOf16 * Rows * (16 + 2 * sizeof(float));
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
            ElementType.Q4_K => UnpackSuperBlocks<Q4_KGroup>(weights, firstRow, rows),
            ElementType.Q6_K => UnpackSuperBlocks<Q6_KGroup>(weights, firstRow, rows),
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
        int groupsPerBlock = HasGroupsOf16 ? 2 : 1, blocks = Groups / groupsPerBlock;
        for (int r = 0; r < Rows; r++)
        {
            byte* row = weights.Row(firstRow + Math.Min(r, rows - 1));
            int* target = (int*)Values + r;
            nint cell = r;
            for (int b = 0; b < blocks; b++)
            {
                BlockUnpacker.Unpack(weights.Type, row, b, q, scales, offsets);
                for (int k = 0; k < 8; k++, target += Rows) *target = ((int*)q)[k];
                for (int g = 0; g < groupsPerBlock; g++, cell += Rows)
                {
                    Scales[cell] = scales[g];
                    if (Offsets != null) Offsets[cell] = offsets[g];
                }
            }
        }
    }
}
