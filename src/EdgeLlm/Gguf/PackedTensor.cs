using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>What a file says of a packed matrix, whose bytes are a tensor of type I8 and one dimension (docs/e4.md).</summary>
/// <param name="Codebook">What the codes of E4 stand for; zeros of E8.</param>
internal sealed record PackedTensor(string Name, Packing Packing, int Rows, int Columns, Vector128<sbyte> Codebook)
{
    /// <summary>Matrices of a stack, one after the other, each of a multiple of 8 rows; 1: it is none.</summary>
    public int Experts { get; init; } = 1;

    public PackedLayout Layout => new(Packing, Columns);

    public long ByteCount => Layout.ByteCount(Rows);

    public string Kind => NameOf(Packing);

    public static string NameOf(Packing packing) => packing switch
    {
        Packing.E4Group32 => "e4g32",
        Packing.E4Group16 => "e4g16",
        _ => "e8g32",
    };

    /// <summary>The packing of a name, or None.</summary>
    public static Packing PackingOf(string kind) => kind switch
    {
        "e4g32" => Packing.E4Group32,
        "e4g16" => Packing.E4Group16,
        "e8g32" => Packing.E8Group32,
        _ => Packing.None,
    };
}
