using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>32 columns of a packed group of eight rows times one token.</summary>
internal unsafe interface IPackedDots
{
    /// <summary>From one 32 columns to the next.</summary>
    static abstract int BlockBytes { get; }

    /// <summary>From the sub-scales of one 32 columns to those of the next.</summary>
    static abstract int SubScaleBytes { get; }

    /// <summary>Adds sub-scale * 2^shift * dot product of rows 0 to 3 to <paramref name="low"/>, of rows 4 to 7 to <paramref name="high"/>.</summary>
    static abstract void Add(byte* codes, sbyte* subScales, Vector128<sbyte> codebook, sbyte* values, int shift, ref Vector128<int> low, ref Vector128<int> high);
}
