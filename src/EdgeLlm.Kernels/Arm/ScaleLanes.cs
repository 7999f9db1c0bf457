using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace EdgeLlm.Kernels.Arm;

/// <summary>The integer scales of eight rows' blocks of 256, brought from a row each to a lane a row.</summary>
internal static unsafe class ScaleLanes
{
    /// <summary>columns[k], lane r = the two bytes at blocks[r] + offset + 2k.</summary>
    public static void Transpose(byte** blocks, nint offset, Vector128<ushort>* columns)
    {
        // A zip turns the six bits of an element's place (row, column) by one: three bring the column to the front.
        Vector128<ushort> a = Load(blocks[0] + offset), b = Load(blocks[1] + offset), c = Load(blocks[2] + offset),
            d = Load(blocks[3] + offset);
        Vector128<ushort> e = Load(blocks[4] + offset), f = Load(blocks[5] + offset), g = Load(blocks[6] + offset),
            h = Load(blocks[7] + offset);
        for (int turn = 0; turn < 3; turn++)
        {
            (Vector128<ushort> a1, Vector128<ushort> b1) = (AdvSimd.Arm64.ZipLow(a, e), AdvSimd.Arm64.ZipHigh(a, e));
            (Vector128<ushort> c1, Vector128<ushort> d1) = (AdvSimd.Arm64.ZipLow(b, f), AdvSimd.Arm64.ZipHigh(b, f));
            (Vector128<ushort> e1, Vector128<ushort> f1) = (AdvSimd.Arm64.ZipLow(c, g), AdvSimd.Arm64.ZipHigh(c, g));
            (g, h) = (AdvSimd.Arm64.ZipLow(d, h), AdvSimd.Arm64.ZipHigh(d, h));
            (a, b, c, d, e, f) = (a1, b1, c1, d1, e1, f1);
        }
        (columns[0], columns[1], columns[2], columns[3]) = (a, b, c, d);
        (columns[4], columns[5], columns[6], columns[7]) = (e, f, g, h);
    }

    /// <summary>factor times the low bytes, then factor times the high bytes: [2][8 rows].</summary>
    public static void StorePair(Vector128<ushort> bytes, RowLanes factor, float* target)
    {
        Store((bytes & Vector128.Create((ushort)0xFF)).AsInt16(), factor, target);
        Store((bytes >> 8).AsInt16(), factor, target + 8);
    }

    /// <summary>Stores signed bytes as scaled floats.</summary>
    public static void StorePair(Vector128<short> bytes, RowLanes factor, float* target)
    {
        Store(bytes << 8 >> 8, factor, target);
        Store(bytes >> 8, factor, target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<short> integers, RowLanes factor, float* target)
    {
        (AdvSimd.ConvertToSingle(Vector128.WidenLower(integers)) * factor.Low).Store(target);
        (AdvSimd.ConvertToSingle(Vector128.WidenUpper(integers)) * factor.High).Store(target + 4);
    }

    private static Vector128<ushort> Load(byte* source) => Vector128.Load((ushort*)source);
}
