using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.HuggingFace;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="Kind">The file's name for the type of the values, such as `BF16`.</param>
/// <param name="Shape">Outer dimension first, as the file has it; rows are the last.</param>
/// <param name="Offset">Bytes from the start of the file.</param>
internal sealed record SafetensorsTensor(SafetensorsFile File, string Name, string Kind, long[] Shape, long Offset, long ByteCount)
{
    /// <summary>The type, or null where it is none that weights are read in.</summary>
    public ElementType? Type => Kind switch
    {
        "F32" => ElementType.F32,
        "F16" => ElementType.F16,
        "BF16" => ElementType.BF16,
        _ => null,
    };

    /// <summary>Bytes of a value of that kind, or 0 where there is no such kind.</summary>
    public static int SizeOf(string kind) => kind switch
    {
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" => 1,
        "I16" or "U16" or "F16" or "BF16" => 2,
        "I32" or "U32" or "F32" => 4,
        "I64" or "U64" or "F64" or "C64" => 8,
        _ => 0,
    };

    public ReadOnlySpan<byte> Bytes(long start, int count)
    {
        if (start < 0 || count < 0 || start > ByteCount - count) throw new ArgumentOutOfRangeException(nameof(start));
        return File.Bytes(Offset + start, count);
    }
}
