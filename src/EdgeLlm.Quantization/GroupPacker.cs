using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>Eight rows of floats to a group of a packed matrix, rotated where it is, each value rounded to the nearest.</summary>
/// <param name="codebook">What E4 chooses from.</param>
/// <param name="importance">How much errors of each column count; null: all alike.</param>
/// <param name="rings">What E3 chooses from.</param>
internal sealed class GroupPacker(PackedLayout layout, Codebook codebook, ColumnImportance? importance = null, RingCodebook? rings = null)
{
    private const int GroupRows = PackedLayout.GroupRows;
    private const int Block = PackedLayout.BlockColumns;

    private readonly float[] _scales = new float[layout.Columns / layout.ScaleColumns];

    private readonly float[] _rotated = new float[layout.IsRotated ? layout.Columns : 0];

    /// <param name="rows">[up to 8 rows, columns]; the places of rows that are not there become zeros.</param>
    /// <param name="group">The group's bytes.</param>
    public void Pack(ReadOnlySpan<float> rows, Span<byte> group)
    {
        int count = rows.Length / layout.Columns;
        if (count < GroupRows || layout.Packing is Packing.E5Group32 or Packing.E3Group32) group.Clear(); // codes are put in bit by bit
        else group[..(int)layout.CodeOffset].Clear();
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<float> weights = rows.Slice(row * layout.Columns, layout.Columns);
            if (layout.IsRotated)
            {
                weights.CopyTo(_rotated);
                Rotation.Store(_rotated);
                weights = _rotated;
            }
            if (rings is not null) PackRings(weights, row, group);
            else if (layout.HasCodebook) PackCodes(weights, row, group);
            else PackBytes(weights, row, group);
        }
    }

    private void PackCodes(ReadOnlySpan<float> weights, int row, Span<byte> group)
    {
        int run = layout.ScaleColumns;
        float largest = 0;
        for (int s = 0; s < _scales.Length; s++)
        {
            _scales[s] = codebook.FindScale(weights.Slice(s * run, run), importance, s * run);
            largest = Math.Max(largest, MathF.Abs(_scales[s]));
        }
        float rowScale = SetRowScale(largest / layout.SubScaleLimit, row, group);
        float inverse = rowScale == 0 ? 0 : 1 / rowScale;
        Span<uint> codes = MemoryMarshal.Cast<byte, uint>(group[(int)layout.CodeOffset..]);
        int runs = Block / run;
        for (int block = 0; block < layout.Columns / Block; block++)
        {
            float low = SetSubScale(rowScale, inverse, block * runs, row, group),
                high = runs == 1 ? low : SetSubScale(rowScale, inverse, block * runs + 1, row, group);
            if (layout.CodebookLength > PackedLayout.FourBitCodes)
            {
                SetCodes(weights.Slice(block * Block, Block), low, row, block, group);
                continue;
            }
            Vector128<uint> packed = codebook.Codes(weights.Slice(block * Block, Block), low, high).AsUInt32();
            for (int l = 0; l < 4; l++) codes[(block * 4 + l) * GroupRows + row] = packed.GetElement(l);
        }
    }

    private void PackRings(ReadOnlySpan<float> weights, int row, Span<byte> group)
    {
        Span<float> ordered = stackalloc float[Block], alike = stackalloc float[Block];
        Span<byte> codes = stackalloc byte[Block];
        alike.Fill(1);
        float largest = 0;
        for (int s = 0; s < _scales.Length; s++)
        {
            weights.Slice(s * Block, Block).CopyTo(ordered);
            RingCodebook.Order(ordered);
            _scales[s] = rings!.FindScale(ordered, alike);
            largest = Math.Max(largest, MathF.Abs(_scales[s]));
        }
        float rowScale = SetRowScale(largest / layout.SubScaleLimit, row, group), inverse = rowScale == 0 ? 0 : 1 / rowScale;
        for (int s = 0; s < _scales.Length; s++)
        {
            weights.Slice(s * Block, Block).CopyTo(ordered);
            RingCodebook.Order(ordered);
            rings!.Choose(ordered, alike, SetSubScale(rowScale, inverse, s, row, group), codes);
            for (int i = 0; i < Block / RingCodebook.Length; i++)
                layout.SetRing(group[(int)layout.CodeOffset..], row, s, i,
                    RingCodebook.Pack(codes.Slice(i * RingCodebook.Length, RingCodebook.Length)));
        }
    }

    private void SetCodes(ReadOnlySpan<float> weights, float inverse, int row, int block, Span<byte> group)
    {
        for (int k = 0; k < Block; k++)
            layout.SetCode(group[(int)layout.CodeOffset..], row, block * Block + k, codebook.Code(weights[k] * inverse));
    }

    private void PackBytes(ReadOnlySpan<float> weights, int row, Span<byte> group)
    {
        float largest = 0;
        for (int s = 0; s < _scales.Length; s++)
        {
            Vector256<float> most = Vector256<float>.Zero;
            for (int k = s * Block; k < (s + 1) * Block; k += 8)
                most = Vector256.MaxNative(most, Vector256.Abs(Vector256.Create(weights[k..])));
            Vector128<float> four = Vector128.MaxNative(most.GetLower(), most.GetUpper());
            four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            _scales[s] = MathF.Max(four.ToScalar(), four.GetElement(1)) / 127;
            largest = Math.Max(largest, _scales[s]);
        }
        float rowScale = SetRowScale(largest / layout.SubScaleLimit, row, group);
        Span<uint> values = MemoryMarshal.Cast<byte, uint>(group[(int)layout.CodeOffset..]);
        for (int s = 0; s < _scales.Length; s++)
        {
            // Up, so that no value is cut; a hair less than that, so that rounding errors do not cost a step.
            int subScale = rowScale == 0 ? 0 : (int)Math.Clamp(MathF.Ceiling(_scales[s] / rowScale - 0.001f), 0, layout.SubScaleLimit);
            group[PackedLayout.SubScaleOffset + s * GroupRows + row] = (byte)subScale;
            float scale = rowScale * subScale, inverse = scale == 0 ? 0 : 1 / scale;
            for (int four = 0; four < Block / 4; four++)
            {
                Vector128<float> scaled = Vector128.Round(Vector128.Create(weights[(s * Block + 4 * four)..]) * inverse);
                Vector128<int> bytes = Vector128.ConvertToInt32Native(
                    Vector128.MinNative(Vector128.MaxNative(scaled, Vector128.Create(-127f)), Vector128.Create(127f)));
                Vector128<short> shorts = Vector128.Narrow(bytes, bytes);
                values[(s * Block / 4 + four) * GroupRows + row] = Vector128.Narrow(shorts, shorts).AsUInt32().ToScalar();
            }
        }
    }

    /// <summary>A scale whose inverse would not be finite makes the row zero.</summary>
    private static float SetRowScale(float scale, int row, Span<byte> group)
    {
        if (!float.IsNormal(scale)) scale = 0;
        MemoryMarshal.Cast<byte, float>(group)[row] = scale;
        return scale;
    }

    /// <summary>Rounds a run's scale to what its row's allows; gives one over it, or 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float SetSubScale(float rowScale, float inverse, int index, int row, Span<byte> group)
    {
        int subScale = (int)Math.Clamp(MathF.Round(_scales[index] * inverse), -layout.SubScaleLimit, layout.SubScaleLimit);
        group[PackedLayout.SubScaleOffset + index * GroupRows + row] = (byte)(sbyte)subScale;
        float scale = rowScale * subScale;
        return scale == 0 ? 0 : 1 / scale;
    }
}
