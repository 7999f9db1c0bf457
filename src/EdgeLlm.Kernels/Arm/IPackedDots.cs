using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>32 columns of a packed group of eight rows times one token; a struct type parameter, so that every use is compiled on its own.</summary>
internal unsafe interface IPackedDots
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>True where each 16 columns have a sub-scale, else each 32.</summary>
    static abstract bool HasScalePer16 { get; }

    /// <summary>True where <see cref="Sum"/> is short enough to stand in a method eight times.</summary>
    static abstract bool IsShort { get; }

    /// <summary>The dot products over the first 16 columns and the second; where they share a sub-scale over all 32, and no second ones.</summary>
    /// <param name="block">
    /// A constant: how many times 32 columns to skip first, in <paramref name="values"/> up to 7, in <paramref name="codes"/> modulo 4, since LDP's offsets
    /// reach that far.
    /// </param>
    static abstract void Sum(byte* codes, Vector128<sbyte> codebook, sbyte* values, int block, out RowSums first, out RowSums second);
}
