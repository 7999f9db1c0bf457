using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>How a product handles unpacked weights: a weight is scale * (code - Bias) + offset.</summary>
internal interface ICodes
{
    static abstract CodeRange Range { get; }

    /// <summary>
    /// Offset of the stored codes, which makes them not negative; subtracted through the sums of activations. 0 where they are signed.
    /// </summary>
    static virtual int Bias => 0;

    /// <summary>True where each 16 columns have a scale, not each 32.</summary>
    static virtual bool HasScalePer16 => false;

    static virtual bool HasOffset => false;
}

/// <summary>Ranges of codes, which decide how many products with activations in [-127, 127] an int16 can add up.</summary>
internal enum CodeRange
{
    /// <summary>0 to 15: 16 products, so half of 32 columns (15 * 127 * 16 = 30480).</summary>
    FourBits,

    /// <summary>0 to 63: 4 products (63 * 127 * 4 = 32004).</summary>
    SixBits,

    /// <summary>
    /// -128 to 127: 2 products, of the code's magnitude and an activation that takes the code's sign (128 * 127 * 2 = 32512).
    /// </summary>
    Signed,
}

/// <summary>A constant condition.</summary>
internal interface IFlag
{
    static abstract bool IsSet { get; }
}

internal readonly struct Set : IFlag
{
    public static bool IsSet => true;
}

internal readonly struct Unset : IFlag
{
    public static bool IsSet => false;
}

/// <summary>The int8 values of <see cref="Formats.BlockUnpacker"/>, for types without a <see cref="IBlockFormat"/>.</summary>
internal readonly struct SignedCodes<TScalePer16, TOffset> : ICodes
    where TScalePer16 : struct, IFlag
    where TOffset : struct, IFlag
{
    public static CodeRange Range => CodeRange.Signed;

    public static bool HasScalePer16 => TScalePer16.IsSet;

    public static bool HasOffset => TOffset.IsSet;
}

/// <summary>A type of weights as vectors unpack it: blocks of one or eight sub-blocks of 32 columns.</summary>
internal unsafe interface IBlockFormat : ICodes
{
    static abstract int BlockBytes { get; }

    /// <summary>Sub-blocks of 32 columns in a block.</summary>
    static virtual int SubBlocks => 1;

    /// <summary>
    /// The codes of a sub-block's first 16 columns and of its second 16, in the order of the columns: of the block
    /// <paramref name="lower"/> in the lower halves of the vectors, of <paramref name="upper"/> in the upper halves.
    /// </summary>
    static abstract void Codes(byte* lower, byte* upper, int subBlock, out Vector256<byte> first, out Vector256<byte> second);

    /// <summary>
    /// Writes the scales of the same block of eight rows, one row every <paramref name="stride"/> bytes: [8] for sub-block g at scales +
    /// g * subBlockStride, with the second half's <see cref="WeightPanel.Rows"/> further and the offsets
    /// <see cref="WeightPanel.OffsetsAfterScales"/> further.
    /// </summary>
    static abstract void Scales(byte* block, nint stride, float* scales, nint subBlockStride);

    /// <summary>True where codes of a whole block come together faster than one sub-block at a time.</summary>
    static virtual bool Expands => false;

    /// <summary>
    /// The codes of two blocks as <see cref="Codes"/> gives them, sub-block after sub-block: [sub-blocks][2 halves of columns][32].
    /// </summary>
    static virtual void Expand(byte* lower, byte* upper, byte* codes) => throw new NotSupportedException();

    /// <summary>True where a byte has a column of two sub-blocks side by side, in four bits each, and there is no bias.</summary>
    static virtual bool PairsSubBlocks => false;

    /// <summary>
    /// 16 columns from <paramref name="column"/> (0 or 16) on, of sub-blocks 2 * pair and 2 * pair + 1, of two rows as in
    /// <see cref="Codes"/>.
    /// </summary>
    static virtual void Pair(byte* lower, byte* upper, int pair, int column, out Vector256<byte> first, out Vector256<byte> second) =>
        throw new NotSupportedException();
}
