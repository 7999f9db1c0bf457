namespace EdgeLlm.Kernels.X86;

/// <summary>How a product handles unpacked weights: a weight is scale * (code - Bias) + offset.</summary>
internal interface ICodes
{
    static abstract CodeRange Range { get; }

    /// <summary>What codes have on top so that they are not negative; taken off through the sums of activations. 0 where they are signed.</summary>
    static abstract int Bias { get; }

    /// <summary>True where each 16 columns have a scale, not each 32.</summary>
    static abstract bool HasScalePer16 { get; }

    static abstract bool HasOffset { get; }
}
