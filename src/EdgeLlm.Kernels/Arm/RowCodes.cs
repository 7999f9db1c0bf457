using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>A row's int8 values, codes or activations, of columns 0 to 15 and 16 to 31.</summary>
internal readonly struct RowCodes(Vector128<sbyte> first, Vector128<sbyte> second)
{
    public readonly Vector128<sbyte> First = first;
    public readonly Vector128<sbyte> Second = second;
}
