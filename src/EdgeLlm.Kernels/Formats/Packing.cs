namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// How a packed matrix stores its values; docs/quantization.md has the layout. What a GGUF file calls ordinary is <see cref="None"/>.
/// </summary>
internal enum Packing
{
    /// <summary>Not packed: an <see cref="ElementType"/> says how.</summary>
    None,
    /// <summary>4 bits that index a codebook, a sub-scale per 32 columns.</summary>
    E4Group32,
    /// <summary>4 bits that index a codebook, a sub-scale per 16 columns.</summary>
    E4Group16,
    /// <summary>8 bits, a sub-scale per 32 columns.</summary>
    E8Group32,
    /// <summary>5 bits that index a codebook, a sub-scale per 32 columns.</summary>
    E5Group32,
    /// <summary>3 bits a weight: rings of 8 weights whose overlapping 4 bits index a codebook, a sub-scale per 32 columns.</summary>
    E3Group32,
}
