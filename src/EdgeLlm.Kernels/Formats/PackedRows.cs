using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>Reads packed rows, value by value.</summary>
internal static unsafe class PackedRows
{
    /// <summary>The integers of 32 columns: codebook values or int8 values, without scales.</summary>
    /// <param name="group">The row's group of eight.</param>
    /// <param name="row">The row in its group.</param>
    public static void Unpack(in PackedLayout layout, byte* group, Vector256<sbyte> codebook, int row, int block, sbyte* q)
    {
        var codes = new ReadOnlySpan<byte>(group + layout.CodeOffset + (nint)block * layout.BlockBytes, layout.BlockBytes);
        for (int j = 0; j < 32; j++)
            q[j] = layout.HasCodebook ? codebook.GetElement(layout.Code(codes, row, j)) : (sbyte)codes[j / 4 * 32 + 4 * row + j % 4];
    }

    public static float RowScale(byte* group, int row) => ((float*)group)[row];

    /// <param name="run">Counts the columns that share a sub-scale.</param>
    public static int SubScale(byte* group, int row, int run) =>
        ((sbyte*)group)[PackedLayout.SubScaleOffset + (nint)run * PackedLayout.GroupRows + row];

    /// <summary>A row's weights as floats: rowScale * (float)(subScale * value), turned back where they are rotated.</summary>
    /// <param name="data">The matrix.</param>
    public static void ToFloat(in PackedLayout layout, byte* data, Vector256<sbyte> codebook, int row, float* destination)
    {
        byte* group = data + row / PackedLayout.GroupRows * layout.GroupBytes;
        ToFloat(layout, new ReadOnlySpan<byte>(group, checked((int)layout.GroupBytes)), codebook, row % PackedLayout.GroupRows,
            new Span<float>(destination, layout.Columns));
    }

    /// <summary>Dequantizes one row of a group of eight.</summary>
    public static void ToFloat(in PackedLayout layout, ReadOnlySpan<byte> group, Vector256<sbyte> codebook,
        int row, Span<float> destination)
    {
        float rowScale = MemoryMarshal.Cast<byte, float>(group)[row];
        ReadOnlySpan<sbyte> subScales = MemoryMarshal.Cast<byte, sbyte>(group[(PackedLayout.SubScaleOffset + row)..]);
        int runs = PackedLayout.BlockColumns / layout.ScaleColumns;
        bool areNibbles = layout.Packing is Packing.E4Group32 or Packing.E4Group16;
        Span<float> values = stackalloc float[PackedLayout.FourBitCodes];
        for (int code = 0; code < values.Length; code++) values[code] = codebook.GetElement(code);
        // what the codes of a block's halves stand for
        Span<float> low = stackalloc float[PackedLayout.FourBitCodes], high = stackalloc float[PackedLayout.FourBitCodes];
        for (int block = 0; block < layout.Columns / PackedLayout.BlockColumns; block++)
        {
            ReadOnlySpan<byte> blockCodes = group.Slice((int)layout.CodeOffset + block * layout.BlockBytes, layout.BlockBytes),
                codes = blockCodes[(4 * row)..];
            Span<float> weights = destination.Slice(block * PackedLayout.BlockColumns, PackedLayout.BlockColumns);
            int subScale = subScales[block * runs * PackedLayout.GroupRows],
                nextSubScale = subScales[((block + 1) * runs - 1) * PackedLayout.GroupRows];
            if (areNibbles)
            {
                for (int code = 0; code < values.Length; code += 4)
                {
                    Vector128<float> four = Vector128.Create<float>(values[code..]);
                    (four * subScale * rowScale).CopyTo(low[code..]); // the first product is exact
                    (four * nextSubScale * rowScale).CopyTo(high[code..]);
                }
                for (int j = 0; j < 16; j++)
                {
                    int code = codes[j / 4 * 32 + j % 4];
                    weights[j] = low[code & 15];
                    weights[16 + j] = high[code >> 4];
                }
            }
            else if (layout.HasCodebook)
            {
                for (int j = 0; j < 32; j++) weights[j] = rowScale * (subScale * codebook.GetElement(layout.Code(blockCodes, row, j)));
            }
            else
            {
                for (int j = 0; j < 32; j++) weights[j] = rowScale * (subScale * (sbyte)codes[j / 4 * 32 + j % 4]);
            }
        }
        if (layout.IsRotated) Rotation.Apply(destination);
    }
}
