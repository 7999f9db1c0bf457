using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>A type with blocks of 32 columns that begin with a half scale, then a half offset where there is one.</summary>
internal unsafe interface IBlockFormat
{
    static abstract int BlockBytes { get; }

    static abstract bool HasOffset { get; }

    /// <summary>True where eight products of codes and activations fit an int16 (no code is beyond 32).</summary>
    static abstract bool IsNarrow { get; }

    /// <summary>What a code is larger than the weight it stands for.</summary>
    static abstract int Bias { get; }

    /// <summary>True where a block begins with the exponent of a power of two in a byte, instead of a half.</summary>
    static virtual bool HasExponent => false;

    /// <summary>The codes of columns 0 to 15 and 16 to 31.</summary>
    static abstract (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block);
}
