using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>
/// low[128], high[64], scales[16] int8, d: of the four groups in a half block, group g has nibble g / 2 of low bytes 32 (g % 2) on and bits
/// 2g and 2g + 1 of the high bytes.
/// </summary>
internal readonly unsafe struct Q6_KGroup : ISuperBlockFormat<Q6_KGroup>
{
    private readonly nint low;
    private readonly nint high;
    private readonly Vector128<sbyte> lowShift;
    private readonly Vector128<sbyte> highShift;

    private Q6_KGroup(int group)
    {
        int half = group / 4, g = group % 4;
        low = half * 64 + g % 2 * 32;
        high = 128 + half * 32;
        lowShift = Vector128.Create((sbyte)(g / 2 * -4));
        highShift = Vector128.Create((sbyte)(4 - 2 * g));
    }

    public static int BlockBytes => 210;

    public static bool HasGroupsOf16 => true;

    public static bool HasOffset => false;

    public static int Bias => 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Q6_KGroup At(int group) => new(group);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block) => (Join(block + low, block + high), Join(block + low + 16, block + high + 16));

    public static void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets)
    {
        RowLanes d = converter.Load(blocks[0] + 208, blocks[1] + 208, blocks[2] + 208, blocks[3] + 208, blocks[4] + 208, blocks[5] + 208, blocks[6] + 208, blocks[7] + 208);
        Vector128<ushort>* columns = stackalloc Vector128<ushort>[8];
        ScaleLanes.Transpose(blocks, 192, columns);
        for (int pair = 0; pair < 8; pair++) ScaleLanes.StorePair(columns[pair].AsInt16(), d, scales + 16 * pair);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector128<sbyte> Join(byte* lowBits, byte* highBits)
    {
        Vector128<byte> nibbles = AdvSimd.ShiftLogical(Vector128.Load(lowBits), lowShift) & Vector128.Create((byte)15);
        Vector128<byte> top = AdvSimd.ShiftLogical(Vector128.Load(highBits), highShift) & Vector128.Create((byte)0x30);
        return (nibbles | top).AsSByte();
    }
}
