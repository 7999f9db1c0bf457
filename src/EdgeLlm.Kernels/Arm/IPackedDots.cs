using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// 32 columns of a packed group of eight rows times one token; a struct type parameter, so that every use is compiled on its own.
/// </summary>
internal unsafe interface IPackedDots
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>True where each 16 columns have a sub-scale, else each 32.</summary>
    static virtual bool HasScalePer16 => false;

    /// <summary>
    /// True of E4, whose codes are nibbles; false of values as they are, and of codes that <see cref="Unpack"/> makes such.
    /// </summary>
    static virtual bool AreNibbles => false;

    /// <summary>True where <see cref="Sum"/> is short enough to be in a method eight times.</summary>
    static virtual bool IsShort => false;

    /// <summary>
    /// The dot products over the first 16 columns and the second; where they share a sub-scale over all 32, and no second ones.
    /// </summary>
    /// <param name="codebook">Values of the codes 0 to 15.</param>
    /// <param name="upper">Those of 16 to 31, of E5.</param>
    /// <param name="block">
    /// A constant: how many times 32 columns to skip first, in <paramref name="values"/> up to 7, in <paramref name="codes"/> modulo 4,
    /// since LDP's offsets reach that far.
    /// </param>
    static abstract void Sum(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values, int block,
        out RowSums first, out RowSums second);

    /// <summary>The int8 values [8 quads][8 rows][4] of 32 columns of codes that are neither nibbles nor values.</summary>
    static virtual void Unpack(byte* codes, Vector128<sbyte> codebook, Vector128<sbyte> upper, sbyte* values) =>
        throw new NotSupportedException();
}
