using System.Numerics;
using System.Text.Unicode;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>The rules of the format (ggml's docs/gguf.md) that the reader checks and the writer keeps.</summary>
internal static class GgufRules
{
    public const uint Magic = 0x46554747; // "GGUF"
    public const int FixedHeaderBytes = 24; // magic and version (uint32), numbers of tensors and keys (uint64)
    public const string AlignmentKey = "general.alignment";
    public const uint DefaultAlignment = 32;
    public const int MaximumDimensions = 4;
    public const int MaximumNameBytes = 65535;

    // Not the format's limits but ours, so that no file, however large, makes opening allocate more than some 20 MB. Real
    // files have dozens of keys, thousands of tensors and well under a megabyte of names.
    public const int MaximumKeys = 16384;
    public const int MaximumTensors = 65536;
    public const int MaximumNameBytesInAll = 4 << 20;

    /// <summary>The bytes of a number or bool; 0 of a string or array, which say their own length.</summary>
    public static int SizeOf(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    /// <summary>Problem of a key or a tensor's name, or null. No control characters, so that names can be printed.</summary>
    public static string? NameProblem(ReadOnlySpan<byte> utf8)
    {
        if (utf8.IsEmpty) return "is empty";
        if (utf8.Length > MaximumNameBytes) return $"has {utf8.Length} bytes, more than {MaximumNameBytes}";
        if (!Utf8.IsValid(utf8)) return "is not valid UTF-8";
        return utf8.IndexOfAnyInRange((byte)0, (byte)0x1F) >= 0 || utf8.Contains((byte)0x7F) ? "has a control character" : null;
    }

    /// <summary>The alignment that a key sets, or false where it is none.</summary>
    public static bool TryGetAlignment(GgufValue value, out uint alignment) =>
        value.TryGetInteger(out alignment) && value.Type == GgufValueType.UInt32 && alignment >= 8 && BitOperations.IsPow2(alignment);

    public static long AlignUp(long position, uint alignment) => (position + alignment - 1) & -(long)alignment;

    /// <summary>Problem of a tensor's shape, or null and the number of bytes of its values.</summary>
    public static string? ShapeProblem(ReadOnlySpan<long> shape, ElementFormat format, out long byteCount)
    {
        byteCount = 0;
        if (shape.Length is 0 or > MaximumDimensions) return $"has {shape.Length} dimensions instead of 1 to {MaximumDimensions}";
        long values = 1;
        foreach (long dimension in shape)
        {
            if (dimension <= 0) return $"has a dimension of {(dimension == 0 ? "0" : "2^63 or more")}";
            if (dimension > long.MaxValue / values) return "has more than 2^63 values";
            values *= dimension;
        }
        if (shape[0] % format.ValuesPerBlock != 0)
            return $"has rows of {shape[0]} values, not whole blocks of {format.ValuesPerBlock} ({format.Name})";
        long blocks = values / format.ValuesPerBlock;
        if (blocks > long.MaxValue / format.BytesPerBlock) return "has more than 2^63 bytes";
        byteCount = blocks * format.BytesPerBlock;
        return null;
    }
}
