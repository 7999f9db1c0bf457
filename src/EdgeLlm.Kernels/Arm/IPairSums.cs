using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// A panel's integer sums without dot products: SMULL and SMLAL take 4 columns of 2 rows with one token, and a row's sum is spread over
/// several lanes until the group of columns ends. The upper halves of vectors always go first: what is left of a register is its lower half,
/// which then needs no move.
/// </summary>
internal unsafe interface IPairSums<TSelf> where TSelf : struct, IPairSums<TSelf>
{
    /// <summary>Adds 8 columns: the panel's 64 bytes at <paramref name="w"/> and two quads of activations, each repeated in a vector.</summary>
    static abstract void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, ref TSelf sums);

    /// <summary>The same for two tokens, x and z.</summary>
    static abstract void Add(sbyte* w, Vector128<sbyte> x0, Vector128<sbyte> x1, Vector128<sbyte> z0, Vector128<sbyte> z1, ref TSelf sums, ref TSelf others);

    RowLanes ToRowLanes();
}
