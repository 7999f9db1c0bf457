using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// A codebook's values plus <see cref="PackedTile.Bias"/>, sixteen at a time in both halves of a vector: what VPSHUFB looks up.
/// </summary>
internal readonly struct BiasedCodebook
{
    public BiasedCodebook(Vector256<sbyte> values)
    {
        Vector256<byte> biased = values.AsByte() + Vector256.Create((byte)PackedTile.Bias);
        Lower = Vector256.Create(biased.GetLower(), biased.GetLower());
        Upper = Vector256.Create(biased.GetUpper(), biased.GetUpper());
    }

    /// <summary>Values of the codes 0 to 15.</summary>
    public Vector256<byte> Lower { get; }

    /// <summary>Values of the codes 16 to 31.</summary>
    public Vector256<byte> Upper { get; }
}
