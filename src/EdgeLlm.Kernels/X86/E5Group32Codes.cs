using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>
/// The lower four bits look up in both halves of the codebook; the fifth, moved to the top of its byte, says which half it is. (Bytes have
/// no shift of their own.)
/// </summary>
internal readonly unsafe struct E5Group32Codes : IPackedCodes
{
    public static int BlockBytes => 160;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Quad(byte* block, Vector256<byte> table, Vector256<byte> upper, int quad)
    {
        Vector256<byte> codes = Vector256.Load(block + 32 * (quad & 3));
        if (quad >= 4) codes = (codes.AsUInt16() >> 4).AsByte();
        codes &= Vector256.Create((byte)15);
        Vector256<ushort> bits = Vector256.Load(block + PackedLayout.HighBits).AsUInt16() << (7 - quad);
        return Avx2.BlendVariable(Avx2.Shuffle(table, codes), Avx2.Shuffle(upper, codes), bits.AsByte());
    }
}
