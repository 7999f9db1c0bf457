namespace EdgeLlm.Kernels.X86;

/// <summary>How a product handles the codes of a packed matrix.</summary>
internal interface IPackedCodes
{
    /// <summary>True of 4-bit codes, which become codebook values plus <see cref="PackedTile.Bias"/>; else values are int8.</summary>
    static abstract bool HasCodebook { get; }

    /// <summary>True where each 16 columns have a sub-scale, not each 32.</summary>
    static abstract bool HasScalePer16 { get; }
}
