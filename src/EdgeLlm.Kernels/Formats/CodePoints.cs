namespace EdgeLlm.Kernels.Formats;

/// <summary>The values that four-bit codes stand for where they are not evenly spaced.</summary>
internal static class CodePoints
{
    /// <summary>IQ4_NL and IQ4_XS.</summary>
    public static ReadOnlySpan<sbyte> IQ4 => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>MXFP4 and NVFP4: e2m1 floats (0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives), doubled to be whole.</summary>
    public static ReadOnlySpan<sbyte> DoubledE2M1 => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}
