using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Tests.Formats;

/// <summary>Valid packed matrices, the same for the same seed.</summary>
internal static class RandomPacked
{
    public static IReadOnlyList<Packing> Packings { get; } =
        [Packing.E4Group32, Packing.E4Group16, Packing.E8Group32, Packing.E5Group32, Packing.E3Group32];

    public static Vector256<sbyte> Codebook { get; } = Vector256.Create(
        (sbyte)-63, -52, -41, -32, -24, -17, -11, -5, 0, 6, 12, 19, 26, 34, 44, 63, -60, 59, -3, 8, -47, 37, -29, 22, -14, 55,
        -57, 3, -36, 48, -20, 61);

    /// <summary>Sub-scales and values over all of their range; padding rows too, whose results nobody may see.</summary>
    public static byte[] Make(Packing packing, int rows, int columns, int seed)
    {
        var random = new Random(seed);
        var layout = new PackedLayout(packing, columns);
        byte[] bytes = new byte[layout.ByteCount(rows)];
        random.NextBytes(bytes);
        for (int start = 0; start < bytes.Length; start += (int)layout.GroupBytes)
        {
            Span<byte> group = bytes.AsSpan(start, (int)layout.GroupBytes);
            foreach (ref float scale in MemoryMarshal.Cast<byte, float>(group[..32])) scale = (random.NextSingle() - 0.5f) / 1000;
            Span<sbyte> subScales = MemoryMarshal.Cast<byte, sbyte>(group)[PackedLayout.SubScaleOffset..(int)layout.CodeOffset];
            foreach (ref sbyte scale in subScales) scale = (sbyte)random.Next(-layout.SubScaleLimit, layout.SubScaleLimit + 1);
        }
        return bytes;
    }
}
