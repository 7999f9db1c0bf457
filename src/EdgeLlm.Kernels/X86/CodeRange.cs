namespace EdgeLlm.Kernels.X86;

/// <summary>What codes can be, which decides how many products with activations in [-127, 127] an int16 can add up.</summary>
internal enum CodeRange
{
    /// <summary>0 to 15: 16 products, so half of 32 columns (15 * 127 * 16 = 30480).</summary>
    FourBits,

    /// <summary>0 to 63: 4 products (63 * 127 * 4 = 32004).</summary>
    SixBits,

    /// <summary>-128 to 127: 2 products, of the code's magnitude and an activation that takes the code's sign (128 * 127 * 2 = 32512).</summary>
    Signed,
}
