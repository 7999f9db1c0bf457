using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>d, dmin, scales[12], nibbles[128]: group 2k has the low nibbles of bytes 32k to 32k + 31, group 2k + 1 the high ones.</summary>
internal readonly unsafe struct Q4_KGroup : ISuperBlockFormat<Q4_KGroup>
{
    private readonly nint nibbles;
    private readonly Vector128<sbyte> shift;

    private Q4_KGroup(int group)
    {
        nibbles = 16 + group / 2 * 32;
        shift = Vector128.Create((sbyte)(group % 2 * -4));
    }

    public static int BlockBytes => 144;

    public static bool HasGroupsOf16 => false;

    public static bool HasOffset => true;

    public static int Bias => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Q4_KGroup At(int group) => new(group);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block)
    {
        byte* source = block + nibbles;
        Vector128<byte> first = AdvSimd.ShiftLogical(Vector128.Load(source), shift) & Vector128.Create((byte)15);
        Vector128<byte> second = AdvSimd.ShiftLogical(Vector128.Load(source + 16), shift) & Vector128.Create((byte)15);
        return (first.AsSByte(), second.AsSByte());
    }

    public static void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets)
    {
        Vector128<ushort>* columns = stackalloc Vector128<ushort>[8];
        ScaleLanes.Transpose(blocks, 0, columns);
        RowLanes d = converter.ToFloat(columns[0]), minimum = converter.ToFloat(columns[1]).Negate();
        Vector128<byte> six = Vector128.Create((byte)63), four = Vector128.Create((byte)15), top = Vector128.Create((byte)0x30);
        for (int pair = 0; pair < 2; pair++)
        {
            // Groups 2 pair and 2 pair + 1, then those four further on, which have their upper two bits beside the first ones' six.
            Vector128<byte> s = columns[2 + pair].AsByte(), m = columns[4 + pair].AsByte(), both = columns[6 + pair].AsByte();
            ScaleLanes.StorePair((s & six).AsUInt16(), d, scales + 16 * pair);
            ScaleLanes.StorePair((m & six).AsUInt16(), minimum, offsets + 16 * pair);
            ScaleLanes.StorePair(((both & four) | (s >> 2 & top)).AsUInt16(), d, scales + 32 + 16 * pair);
            ScaleLanes.StorePair((both >> 4 | (m >> 2 & top)).AsUInt16(), minimum, offsets + 32 + 16 * pair);
        }
    }
}
