using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// Stored values to floats, equal to the bit with ggml's own dequantizers: float32 products from left to right and no fused
/// multiply-add. <see cref="BlockUnpacker"/> knows the quantized formats.
/// </summary>
internal static unsafe class Dequantizer
{
    /// <summary>Converts `count` values, whole blocks of the type, from `source` on.</summary>
    /// <exception cref="NotSupportedException">The type holds no weights (integers, doubles, ggml's activation types).</exception>
    /// <exception cref="ArgumentOutOfRangeException">The type is unknown, or the count is negative or not whole blocks.</exception>
    public static void ToFloat(ElementType type, byte* source, float* destination, int count)
    {
        ElementFormat format = ElementFormat.Get(type);
        if (count < 0 || count % format.ValuesPerBlock != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(count), count, $"not whole blocks of {format.ValuesPerBlock} values ({format.Name})");
        }

        switch (type)
        {
            case ElementType.F32: Buffer.MemoryCopy(source, destination, 4L * count, 4L * count); break;
            case ElementType.F16: HalfConversion.ToFloat((ushort*)source, destination, count); break;
            case ElementType.BF16: BrainFloatConversion.ToFloat((ushort*)source, destination, count); break;
            default:
                if (!BlockUnpacker.CanUnpack(type))
                    throw new NotSupportedException($"{format.Name} is not a type that weights are stored in");
                Unpacked(type, source, destination, count);
                break;
        }
    }

    /// <summary>Dequantizes the first values of a row, to the length of <paramref name="destination"/>.</summary>
    /// <exception cref="ArgumentException">The source has fewer bytes than they take.</exception>
    public static void ToFloat(ElementType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        if (source.Length < ElementFormat.ByteCount(type, destination.Length))
            throw new ArgumentException($"{source.Length} bytes are too few", nameof(source));
        fixed (byte* from = source)
        {
            fixed (float* to = destination) ToFloat(type, from, to, destination.Length);
        }
    }

    private static void Unpacked(ElementType type, byte* source, float* destination, int count)
    {
        sbyte* q = stackalloc sbyte[32];
        float* scales = stackalloc float[2];
        float* offsets = stackalloc float[2];
        bool hasOffset = BlockUnpacker.HasOffset(type);
        for (int group = 0; group < count / 32; group++)
        {
            BlockUnpacker.Unpack(type, source, group, q, scales, offsets);
            for (int j = 0; j < 32; j += 4, destination += 4)
            {
                Vector128<float> value = FourFloats(q + j) * scales[j / 16];
                if (hasOffset) value += Vector128.Create(offsets[j / 16]); // adding 0 elsewhere would lose the sign of -0
                value.Store(destination);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> FourFloats(sbyte* q) =>
        Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(int*)q).AsSByte())));
}
