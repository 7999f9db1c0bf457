using System.Buffers.Binary;

namespace EdgeLlm.Tokenization;

/// <summary>
/// A hash of bytes for tables of this process: each block is multiplied to 128 bits and folded. Its keys are random, so that no
/// vocabulary can be written whose tokens all collide; nothing that comes out of a tokenizer depends on them.
/// </summary>
internal static class ByteHash
{
    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64();
    private static readonly ulong Multiplier = (ulong)Random.Shared.NextInt64() << 1 | 1;

    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        ulong hash = Seed ^ (ulong)bytes.Length;
        for (; bytes.Length > 8; bytes = bytes[8..]) hash = Fold(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        return Fold(hash ^ UpToEight(bytes));
    }

    private static ulong UpToEight(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        0 => 0,
        < 4 => bytes[0] | (ulong)bytes[bytes.Length / 2] << 8 | (ulong)bytes[^1] << 16,
        _ => BinaryPrimitives.ReadUInt32LittleEndian(bytes) | (ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) << 32,
    };

    private static ulong Fold(ulong value)
    {
        ulong high = Math.BigMul(value, Multiplier, out ulong low);
        return high ^ low;
    }
}
