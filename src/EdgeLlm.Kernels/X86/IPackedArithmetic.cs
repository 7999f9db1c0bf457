namespace EdgeLlm.Kernels.X86;

/// <summary>
/// How an instruction set multiplies packed weights. E4's codes become codebook values plus <see cref="PackedTile.Bias"/>, not negative; a
/// start takes the bias off again, eight ints for a token's block of 32 columns in the form that the instruction set wants. E8's are
/// multiplied by magnitude and sign straight from the file, in panels as the others.
/// </summary>
internal unsafe interface IPackedArithmetic
{
    /// <summary>Bytes that <see cref="Prepare"/> takes for a token's block of 32 columns.</summary>
    static abstract int TokenBlockBytes { get; }

    /// <summary>Brings tokens into the form that <see cref="MultiplyGroup"/> takes.</summary>
    static abstract void Prepare<TCodes, TTokens>(in PackedActivations x, int firstToken, byte* tokens)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;

    /// <summary>The starts [8] of 32 values.</summary>
    static abstract void Starts<TCodes>(sbyte* values, int* starts)
        where TCodes : struct, IPackedCodes;

    /// <summary>Eight sub-scales times 1, 2, 4 and 8 as its products take them: [4 shifts][8 lanes].</summary>
    static abstract void Scales(sbyte* subScales, byte* target);

    /// <summary>A group of eight rows, straight from the file, times one to four tokens: y [tokens][8], with the row scales.</summary>
    /// <param name="codebook">Not used by codes without one.</param>
    /// <param name="tokens">What <see cref="Prepare"/> made of them.</param>
    static abstract void MultiplyGroup<TCodes, TTokens>(byte* group, nint codeOffset, in BiasedCodebook codebook,
        in PackedActivations x, int firstToken, byte* tokens, float* y)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;

    /// <summary>Two unpacked groups times a tile, added to accumulators [tokens][16 rows], without the row scales.</summary>
    static abstract void MultiplyTile<TCodes, TTokens>(in PackedPanel panel, int blocks, byte* tile, float* accumulators)
        where TCodes : struct, IPackedCodes
        where TTokens : struct, ITokenCount;
}
