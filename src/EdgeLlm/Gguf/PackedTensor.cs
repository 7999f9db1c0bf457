using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>Keys of a packed matrix, whose bytes are a tensor of type I8 and one dimension (docs/quantization.md).</summary>
/// <param name="Codebook">Values of the codes: 16 values and zeros, 32 of E5; zeros of E8.</param>
internal sealed record PackedTensor(string Name, Packing Packing, int Rows, int Columns, Vector256<sbyte> Codebook)
{
    /// <summary>Matrices of a stack, one after the other, each of a multiple of 8 rows; 1: it is none.</summary>
    public int Experts { get; init; } = 1;

    /// <summary>Whether weights are stored as <see cref="Rotation"/> has them.</summary>
    public bool IsRotated { get; init; }

    public PackedLayout Layout => new(Packing, Columns) { IsRotated = IsRotated };

    public long ByteCount => Layout.ByteCount(Rows);

    public string Kind => NameOf(Packing);

    /// <summary>16 or 32 values, with zeros up to 32.</summary>
    public static Vector256<sbyte> CodebookOf(ReadOnlySpan<sbyte> values)
    {
        sbyte[] padded = new sbyte[PackedLayout.FiveBitCodes];
        values.CopyTo(padded);
        return Vector256.Create(padded);
    }

    public static string NameOf(Packing packing) => packing switch
    {
        Packing.E4Group32 => "e4g32",
        Packing.E4Group16 => "e4g16",
        Packing.E5Group32 => "e5g32",
        Packing.E3Group32 => "e3g32",
        _ => "e8g32",
    };

    /// <summary>The packing of a name, or None.</summary>
    public static Packing PackingOf(string kind) => kind switch
    {
        "e4g32" => Packing.E4Group32,
        "e4g16" => Packing.E4Group16,
        "e8g32" => Packing.E8Group32,
        "e5g32" => Packing.E5Group32,
        "e3g32" => Packing.E3Group32,
        _ => Packing.None,
    };
}
