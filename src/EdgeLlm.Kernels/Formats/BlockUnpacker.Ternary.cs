using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>Blocks of one or two bits, or a trit, a value: codes that stand for -1, 0, 1 (and 2) times `d`.</summary>
internal static unsafe partial class BlockUnpacker
{
    private static ReadOnlySpan<byte> PowersOf3 => [1, 3, 9, 27, 81];

    private static Vector128<byte> PowersOf3InFours => Vector128.Create((byte)1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27);

    // d, bits[16] (value j is bit j mod 8 of byte j / 8) for 128 values: d where set, else -d
    private static void UnpackQ1_0(byte* block, int group, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        ushort* bits = (ushort*)(block + 2 + 4 * group);
        for (int half = 0; half < 2; half++) Store(MaskOf(bits[half]) & Vector128.Create((byte)2), 1, q + 16 * half);
    }

    // d, q[16] (value j is two bits of byte j / 4 from bit 2 * (j mod 4)) for 64 values: d * (c - 1)
    private static void UnpackQ2_0(byte* block, int group, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block));
        byte* packed = block + 2 + 8 * group;
        for (int half = 0; half < 2; half++)
        {
            // A lane of 32 bits a byte, whose four codes go to the four bytes of the lane.
            Vector128<byte> bytes = Vector128.CreateScalar(((uint*)packed)[half]).AsByte();
            Vector128<uint> codes = Vector128.WidenLower(Vector128.WidenLower(bytes));
            codes = (codes | codes << 12) & Vector128.Create(0x000F_000Fu);
            codes = (codes | codes << 6) & Vector128.Create(0x0303_0303u);
            Store(codes.AsByte(), 1, q + 16 * half);
        }
    }

    // q[48], t[4], d: d * (trit - 1). Runs of 16 in order: trits 0-4 of q[0..31] (two runs each), trits 0-4 of q[32..47],
    // and one run of trits 0-3 of t[0..3].
    private static void UnpackTQ1_0(byte* block, int group, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block + 52));
        for (int half = 0; half < 2; half++)
        {
            int run = 2 * group + half;
            Vector128<byte> trits =
                run < 10 ? Trits(Vector128.Load(block + 16 * half), Vector128.Create(PowersOf3[group])) :
                run < 15 ? Trits(Vector128.Load(block + 32), Vector128.Create(PowersOf3[run - 10])) :
                Trits(Vector128.Create(*(uint*)(block + 48)).AsByte(), PowersOf3InFours);
            Store(trits, 1, q + 16 * half);
        }
    }

    // q[64] (two-bit codes as in Q2_K), d: d * (c - 1)
    private static void UnpackTQ2_0(byte* block, int group, sbyte* q, float* scales)
    {
        SetBoth(scales, Half(block + 64));
        for (int half = 0; half < 2; half++) Store(TwoBits(block, group, half), 1, q + 16 * half);
    }

    // A byte holds trits as a fixed-point fraction of base 3: trit n is the whole part of 3 * fraction(byte * 3^n / 256).
    private static Vector128<byte> Trits(Vector128<byte> bytes, Vector128<byte> powers)
    {
        Vector128<byte> fractions = bytes * powers;
        return Vector128.Narrow(Vector128.WidenLower(fractions) * 3 >> 8, Vector128.WidenUpper(fractions) * 3 >> 8);
    }
}
