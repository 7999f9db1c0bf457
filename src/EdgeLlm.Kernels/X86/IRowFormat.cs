using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>A type of weights as vectors unpack it: blocks of one or eight groups of 32 columns.</summary>
internal unsafe interface IRowFormat : ICodes
{
    static abstract int BlockBytes { get; }

    /// <summary>Groups of 32 columns in a block.</summary>
    static virtual int Groups => 1;

    /// <summary>
    /// The codes of a group's first 16 columns and of its second 16, in the order of the columns: of the block <paramref name="lower"/> in
    /// the lower halves of the vectors, of <paramref name="upper"/> in the upper halves.
    /// </summary>
    static abstract void Codes(byte* lower, byte* upper, int group, out Vector256<byte> first, out Vector256<byte> second);

    /// <summary>
    /// Writes the scales of the same block of eight rows, one row every <paramref name="stride"/> bytes: [8] for group g at scales + g *
    /// groupStride, with the second half's <see cref="Panel.Rows"/> further and the offsets <see cref="Panel.OffsetsAfterScales"/> further.
    /// </summary>
    static abstract void Scales(byte* block, nint stride, float* scales, nint groupStride);

    /// <summary>True where codes of a whole block come together faster than one group at a time.</summary>
    static virtual bool Expands => false;

    /// <summary>The codes of two blocks as <see cref="Codes"/> gives them, group after group: [groups][2 halves of columns][32].</summary>
    static virtual void Expand(byte* lower, byte* upper, byte* codes) => throw new NotSupportedException();

    /// <summary>True where a byte has a column of two groups side by side, in four bits each, and there is no bias.</summary>
    static virtual bool PairsGroups => false;

    /// <summary>
    /// 16 columns from <paramref name="column"/> (0 or 16) on, of groups 2 * pair and 2 * pair + 1, of two rows as in <see cref="Codes"/>.
    /// </summary>
    static virtual void Pair(byte* lower, byte* upper, int pair, int column, out Vector256<byte> first, out Vector256<byte> second) =>
        throw new NotSupportedException();
}
