namespace EdgeLlm.Kernels.X86;

/// <summary>How many tokens a tile computes, as a constant.</summary>
internal interface ITokenCount
{
    static abstract int Count { get; }
}

