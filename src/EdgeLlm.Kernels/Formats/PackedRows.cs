using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>Reads packed rows, value by value.</summary>
internal static unsafe class PackedRows
{
    /// <summary>The integers of 32 columns: codebook values or int8 values, without scales.</summary>
    /// <param name="group">The row's group of eight.</param>
    /// <param name="row">The row in its group.</param>
    public static void Unpack(in PackedLayout layout, byte* group, Vector128<sbyte> codebook, int row, int block, sbyte* q)
    {
        byte* codes = group + layout.CodeOffset + (nint)block * layout.BlockBytes + 4 * row;
        for (int j = 0; j < 32; j++)
        {
            q[j] = layout.HasCodebook
                ? codebook.GetElement(codes[j % 16 / 4 * 32 + j % 4] >> (j < 16 ? 0 : 4) & 15)
                : (sbyte)codes[j / 4 * 32 + j % 4];
        }
    }

    public static float RowScale(byte* group, int row) => ((float*)group)[row];

    /// <param name="run">Counts the columns that share a sub-scale.</param>
    public static int SubScale(byte* group, int row, int run) => ((sbyte*)group)[PackedLayout.SubScaleOffset + (nint)run * PackedLayout.GroupRows + row];

    /// <summary>Weights as floats: rowScale * (float)(subScale * value).</summary>
    public static void ToFloat(in PackedLayout layout, byte* data, Vector128<sbyte> codebook, int row, float* destination)
    {
        byte* group = data + row / PackedLayout.GroupRows * layout.GroupBytes;
        row %= PackedLayout.GroupRows;
        sbyte* q = stackalloc sbyte[32];
        float rowScale = RowScale(group, row);
        for (int block = 0; block < layout.Columns / 32; block++, destination += 32)
        {
            Unpack(layout, group, codebook, row, block, q);
            for (int j = 0; j < 32; j++) destination[j] = rowScale * (SubScale(group, row, (32 * block + j) / layout.ScaleColumns) * q[j]);
        }
    }
}
