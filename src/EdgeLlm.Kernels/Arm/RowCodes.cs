using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>A row's codes of columns 0 to 15 and 16 to 31.</summary>
internal readonly unsafe struct RowCodes(Vector128<sbyte> first, Vector128<sbyte> second)
{
    public readonly Vector128<sbyte> First = first;
    public readonly Vector128<sbyte> Second = second;

    /// <summary>Nibbles [16]: the low ones first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static RowCodes OfNibbles(byte* source)
    {
        Vector128<byte> nibbles = Vector128.Load(source);
        return new RowCodes((nibbles & Vector128.Create((byte)15)).AsSByte(), (nibbles >> 4).AsSByte());
    }
}
