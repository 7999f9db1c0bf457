using System.Buffers.Binary;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Cli.Inspect;

/// <summary>
/// Reads every weight of a file (`inspect --verify`): weights are finite; of packed tensors (docs/quantization.md), row scales are finite,
/// sub-scales and int8 values within their bounds, and rows that a matrix does not have zero.
/// </summary>
internal static class WeightCheck
{
    private const int ChunkBytes = 4 << 20;

    /// <summary>Errors found, one line a tensor; none where all is well.</summary>
    public static IEnumerable<string> Run(GgufFile file)
    {
        foreach (GgufTensor tensor in file.Tensors)
        {
            string? fault = tensor.Packed is { } packed ? CheckPacked(file, tensor, packed) : CheckOrdinary(file, tensor);
            if (fault is not null) yield return $"tensor {tensor.Name}: {fault}";
        }
    }

    private static string? CheckPacked(GgufFile file, GgufTensor tensor, PackedTensor packed)
    {
        PackedLayout layout = packed.Layout;
        int groups = (packed.Rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows,
            subScales = layout.Columns / layout.ScaleColumns * PackedLayout.GroupRows;
        for (int g = 0; g < groups; g++)
        {
            ReadOnlySpan<byte> group = file.Bytes(tensor, g * layout.GroupBytes, checked((int)layout.GroupBytes));
            int rows = Math.Min(PackedLayout.GroupRows, packed.Rows - g * PackedLayout.GroupRows);
            for (int row = 0; row < PackedLayout.GroupRows; row++)
            {
                float scale = BinaryPrimitives.ReadSingleLittleEndian(group[(4 * row)..]);
                if (!float.IsFinite(scale)) return Text(g, row, $"has a scale that is not finite");
                if (row >= rows && scale != 0) return Text(g, row, $"is not in the matrix but has a scale");
            }
            for (int i = 0; i < subScales; i++)
            {
                int scale = (sbyte)group[PackedLayout.SubScaleOffset + i];
                if (Math.Abs(scale) > layout.SubScaleLimit)
                    return Text(g, i % PackedLayout.GroupRows,
                        $"has the sub-scale {scale} for columns from {i / PackedLayout.GroupRows * layout.ScaleColumns}; it may be {layout.SubScaleLimit} at most");
            }
            if (!layout.HasCodebook && group[(int)layout.CodeOffset..].IndexOf((byte)0x80) is >= 0 and var at)
                return Text(g, at % 32 / 4, $"has the value -128; it may be -127 at least");
        }
        return null;

        static string Text(int group, int row, FormattableString fault) =>
            FormattableString.Invariant(
                $"row {group * PackedLayout.GroupRows + row} {fault.ToString(System.Globalization.CultureInfo.InvariantCulture)}");
    }

    private static string? CheckOrdinary(GgufFile file, GgufTensor tensor)
    {
        bool isFloat = tensor.Type is ElementType.F32 or ElementType.F16 or ElementType.BF16;
        if (!isFloat && !BlockUnpacker.CanUnpack(tensor.Type)) return null; // integers and doubles: nothing that can be wrong
        long rowBytes = ElementFormat.ByteCount(tensor.Type, tensor.Columns), rowsAtATime = Math.Max(1, ChunkBytes / rowBytes);
        float[] weights = [];
        for (long row = 0; row < tensor.Rows; row += rowsAtATime)
        {
            long rows = Math.Min(rowsAtATime, tensor.Rows - row);
            if (rows * tensor.Columns > Array.MaxLength) return $"row {row} is too long to check";
            if (weights.Length != rows * tensor.Columns) weights = new float[rows * tensor.Columns];
            Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, row * rowBytes, checked((int)(rows * rowBytes))), weights);
            int at = weights.AsSpan().IndexOfAnyExceptInRange(float.MinValue, float.MaxValue);
            if (at >= 0)
                return FormattableString.Invariant($"row {row + at / tensor.Columns} has a weight that is infinite or not a number");
        }
        return null;
    }
}
