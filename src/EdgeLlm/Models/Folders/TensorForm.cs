using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>Order of a tensor's rows in a folder and in a file.</summary>
/// <param name="rotatesNeighbours">Heads of the folder are rotated in neighbours: they don't have to be put in pairs.</param>
internal sealed class TensorForm(TensorUse use, LayerSpec layer, FolderForm form, bool rotatesNeighbours)
{
    private bool IsMatrix => use.Entry.IsMatrix;

    private bool IsPart => form is FolderForm.FirstHalf or FolderForm.SecondHalf or FolderForm.EvenRows or FolderForm.OddRows;

    /// <summary>Rows of a matrix, or numbers of a vector; of a stack, of one of it.</summary>
    private long Each => IsMatrix ? use.Rows / use.Experts : use.Columns;

    /// <summary>Outer dimension first, as a folder has it.</summary>
    public long[] SourceShape
    {
        get
        {
            long each = IsPart ? 2 * Each : Each;
            long[] one = !IsMatrix ? [each] : form == FolderForm.Transposed ? [use.Columns, each] : [each, use.Columns];
            return use.Experts > 1 ? [use.Experts, .. one] : one;
        }
    }

    /// <summary>ggml's order of dimensions.</summary>
    public long[] TargetShape
    {
        get
        {
            if (layer.Recurrence is SelectiveScanSpec scan)
            {
                // As llama.cpp's converter writes them.
                if (use.Role is TensorRole.RecurrenceRate or TensorRole.ScanSkip) return [1, use.Columns];
                if (use.Role == TensorRole.RecurrenceNorm) return [use.Columns / scan.Groups, scan.Groups];
            }
            long[] one = IsMatrix ? [use.Columns, Each] : [Each];
            return use.Experts > 1 ? [.. one, use.Experts] : one;
        }
    }

    /// <summary>From a row, or a number of what becomes F32, to its place in the source; null: none moves.</summary>
    public Func<long, long>? SourceRow
    {
        get
        {
            int heads = rotatesNeighbours ? 0 : use.Entry.RotatedHeads?.Invoke(layer.Attention) ?? 0;
            if (heads > 0) return row => RowOfPairs(row, Each / heads);
            if (IsPart) return row => row / Each * 2 * Each + RowOfPart(row % Each);
            if (form == FolderForm.HeadGroups && layer.Attention.KeyValueHeads > 1) return row => RowOfGroups(row, layer.Attention);
            if (form != FolderForm.ValueHeads || layer.Recurrence is not GatedDeltaSpec delta || delta.KeyHeads == 1
                || delta.ValueHeads == delta.KeyHeads)
                return null;
            // queries and keys are before the values
            long first = use.Role is TensorRole.QueryKeyValue or TensorRole.RecurrenceConvolution ? 2 * delta.KeyWidth : 0;
            long ofHead = (Each - first) / delta.ValueHeads, columns = use.Entry.IsFloat ? use.Columns : 1;
            return number => number / columns < first ? number
                : (first + RowOfValues(number / columns - first, ofHead, delta)) * columns + number % columns;
        }
    }

    /// <summary>From a column to its place in the source; null: none moves.</summary>
    public Func<long, long>? SourceColumn =>
        form == FolderForm.ValueHeadColumns && layer.Recurrence is GatedDeltaSpec { KeyHeads: > 1 } delta
            && delta.ValueHeads != delta.KeyHeads
            ? column => RowOfValues(column, delta.ValueDimension, delta) : null;

    private long RowOfPart(long row) => form switch
    {
        FolderForm.FirstHalf => row,
        FolderForm.SecondHalf => Each + row,
        FolderForm.EvenRows => 2 * row,
        _ => 2 * row + 1,
    };

    /// <summary>Value heads that share a key head are side by side in a folder; here they are KeyHeads apart.</summary>
    private static long RowOfValues(long row, long ofHead, GatedDeltaSpec delta)
    {
        long head = row / ofHead, shared = delta.ValueHeads / delta.KeyHeads;
        return (head % delta.KeyHeads * shared + head / delta.KeyHeads) * ofHead + row % ofHead;
    }

    /// <summary>2 i + j of a head is j d/2 + i in a folder.</summary>
    private static long RowOfPairs(long row, long dimension)
    {
        long inHead = row % dimension;
        return row - inHead + inHead % 2 * (dimension / 2) + inHead / 2;
    }

    /// <summary>Queries, keys, values one after the other here; in a folder of each key/value head its queries, key and value.</summary>
    private static long RowOfGroups(long row, AttentionSpec attention)
    {
        long head = row / attention.Dimension, group = attention.GroupSize, heads = attention.Heads,
            keyValueHeads = attention.KeyValueHeads;
        long from = head < heads ? head / group * (group + 2) + head % group
            : head < heads + keyValueHeads ? (head - heads) * (group + 2) + group
            : (head - heads - keyValueHeads) * (group + 2) + group + 1;
        return from * attention.Dimension + row % attention.Dimension;
    }
}
