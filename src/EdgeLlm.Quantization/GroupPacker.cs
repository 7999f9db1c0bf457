using System.Runtime.InteropServices;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Eight rows of floats to a group of a packed matrix, each value rounded to the nearest.</summary>
/// <param name="codebook">What E4 chooses from.</param>
internal sealed class GroupPacker(PackedLayout layout, Codebook codebook)
{
    private const int GroupRows = PackedLayout.GroupRows;

    private readonly float[] _scales = new float[layout.Columns / layout.ScaleColumns];

    /// <param name="rows">[up to 8 rows, columns]; the places of rows that are not there become zeros.</param>
    /// <param name="group">The group's bytes.</param>
    public void Pack(ReadOnlySpan<float> rows, Span<byte> group)
    {
        group.Clear();
        for (int row = 0; row < rows.Length / layout.Columns; row++)
        {
            ReadOnlySpan<float> weights = rows.Slice(row * layout.Columns, layout.Columns);
            if (layout.HasCodebook) PackCodes(weights, row, group);
            else PackBytes(weights, row, group);
        }
    }

    private void PackCodes(ReadOnlySpan<float> weights, int row, Span<byte> group)
    {
        int run = layout.ScaleColumns;
        float largest = 0;
        for (int s = 0; s < _scales.Length; s++)
        {
            _scales[s] = codebook.FindScale(weights.Slice(s * run, run));
            largest = Math.Max(largest, MathF.Abs(_scales[s]));
        }
        float rowScale = SetRowScale(largest / layout.SubScaleLimit, row, group);
        Span<byte> codes = group[(int)layout.CodeOffset..];
        for (int s = 0; s < _scales.Length; s++)
        {
            int subScale = rowScale == 0 ? 0 : (int)Math.Clamp(MathF.Round(_scales[s] / rowScale), -layout.SubScaleLimit, layout.SubScaleLimit);
            SetSubScale(subScale, s, row, group);
            float scale = rowScale * subScale, inverse = scale == 0 ? 0 : 1 / scale;
            for (int k = s * run; k < (s + 1) * run; k++)
            {
                // Of 32 columns the first 16 are the lower halves.
                int place = k / 32 * layout.BlockBytes + k % 16 / 4 * 4 * GroupRows + row * 4 + k % 4;
                codes[place] |= (byte)(codebook.Code(weights[k] * inverse) << (k % 32 < 16 ? 0 : 4));
            }
        }
    }

    private void PackBytes(ReadOnlySpan<float> weights, int row, Span<byte> group)
    {
        const int Run = 32;
        float largest = 0;
        for (int s = 0; s < _scales.Length; s++)
        {
            _scales[s] = 0;
            foreach (float weight in weights.Slice(s * Run, Run)) _scales[s] = Math.Max(_scales[s], MathF.Abs(weight) / 127);
            largest = Math.Max(largest, _scales[s]);
        }
        float rowScale = SetRowScale(largest / layout.SubScaleLimit, row, group);
        Span<byte> values = group[(int)layout.CodeOffset..];
        for (int s = 0; s < _scales.Length; s++)
        {
            // Up, so that no value is cut; a hair less than that, so that rounding errors do not cost a step.
            int subScale = rowScale == 0 ? 0 : (int)Math.Clamp(MathF.Ceiling(_scales[s] / rowScale - 0.001f), 0, layout.SubScaleLimit);
            SetSubScale(subScale, s, row, group);
            float scale = rowScale * subScale, inverse = scale == 0 ? 0 : 1 / scale;
            for (int k = s * Run; k < (s + 1) * Run; k++)
                values[k / 4 * 4 * GroupRows + row * 4 + k % 4] = (byte)(sbyte)Math.Clamp(MathF.Round(weights[k] * inverse), -127, 127);
        }
    }

    /// <summary>A scale whose inverse would not be finite makes the row zero.</summary>
    private static float SetRowScale(float scale, int row, Span<byte> group)
    {
        if (!float.IsNormal(scale)) scale = 0;
        MemoryMarshal.Cast<byte, float>(group)[row] = scale;
        return scale;
    }

    private static void SetSubScale(int subScale, int index, int row, Span<byte> group) =>
        group[PackedLayout.SubScaleOffset + index * GroupRows + row] = (byte)(sbyte)subScale;
}
