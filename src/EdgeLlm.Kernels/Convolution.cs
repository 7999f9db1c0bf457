namespace EdgeLlm.Kernels;

/// <summary>A convolution of each channel with its own last inputs. Owns nothing.</summary>
internal unsafe struct Convolution
{
    /// <summary>[Taps][Channels]: the oldest input's first.</summary>
    public float* Weights;

    /// <summary>[Channels], or null.</summary>
    public float* Bias;

    /// <summary>Inputs that a result is made of, the token's own among them.</summary>
    public int Taps;

    public int Channels;

    /// <summary>Whether the result is silu of the sum.</summary>
    public bool HasSilu;
}
