using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

/// <summary>The keys `edgellm.*`: what they say comes back, and each way to be wrong has an error that names the key.</summary>
public sealed class PackedTensorsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-packed").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Shapes_kinds_and_codebooks_come_back()
    {
        using GgufFile file = Open(_ => { });
        PackedTensor first = file.FindTensor("a.weight")!.Packed!, second = file.FindTensor("b.weight")!.Packed!;
        Assert.Equal((Packing.E4Group16, 9, 64), (first.Packing, first.Rows, first.Columns));
        Assert.Equal([-63, -50, -40, -32, -24, -17, -11, -5, 0, 6, 12, 19, 26, 34, 44, 63],
            Enumerable.Range(0, 16).Select(code => (int)first.Codebook[code]));
        Assert.Equal((Packing.E8Group32, 8, 32), (second.Packing, second.Rows, second.Columns));
        Assert.Null(file.FindTensor("plain.weight")!.Packed);
        Assert.Equal((9, 64, "e4g16"),
            (file.FindTensor("a.weight")!.Rows, file.FindTensor("a.weight")!.Columns, file.FindTensor("a.weight")!.TypeName));
        Assert.All(file.Tensors.Where(tensor => tensor.Packed is not null), tensor => Assert.Equal(0, tensor.Offset % 64));
    }

    [Fact]
    public void Five_and_three_bits_and_rotations_come_back_as_version_2()
    {
        sbyte[] five = [.. Enumerable.Range(0, 32).Select(code => (sbyte)(4 * code - 62))],
            three = [.. Enumerable.Range(0, 16).Select(code => (sbyte)(8 * code - 60))];
        PackedTensor[] tensors =
        [
            new("five", Packing.E5Group32, 9, 64, PackedTensor.CodebookOf(five)),
            new("eight", Packing.E8Group32, 8, 32, default) { IsRotated = true },
            new("three", Packing.E3Group32, 17, 96, PackedTensor.CodebookOf(three)) { IsRotated = true },
        ];
        var writer = new GgufWriter();
        foreach (PackedTensor tensor in tensors)
            writer.SetTensor(tensor.Name, [tensor.ByteCount], ElementType.I8,
                output => output.Write(GgufSample.Bytes((int)tensor.ByteCount, 1)));
        PackedTensors.Write(writer, tensors);
        string path = Path.Combine(_folder, "second.gguf");
        writer.Save(path);
        using GgufFile file = GgufFile.Open(path);
        Assert.Equal(2u, file.Metadata.GetUInt32(PackedTensors.VersionKey));
        Assert.Equal(tensors, tensors.Select(tensor => file.FindTensor(tensor.Name)!.Packed!));
        Assert.All(tensors, tensor => Assert.Equal(0, tensor.Layout.GroupBytes % 64));
        Assert.Equal("e3g32-rotated", file.FindTensor("three")!.TypeName);
    }

    [Fact]
    public void What_older_programs_know_is_written_as_version_1()
    {
        using GgufFile file = Open(_ => { });
        Assert.Equal(1u, file.Metadata.GetUInt32(PackedTensors.VersionKey));
        Assert.False(file.Metadata.Contains(PackedTensors.RotationsKey));
    }

    [Fact]
    public void A_file_without_the_keys_has_none()
    {
        string path = Path.Combine(_folder, "plain.gguf");
        GgufSample.Writer().Save(path);
        using GgufFile file = GgufFile.Open(path);
        Assert.All(file.Tensors, tensor => Assert.Null(tensor.Packed));
    }

    public static TheoryData<string, string> Mistakes() => new()
    {
        { "version", "newer program" },
        { "no version", "edgellm.version" },
        { "no names", "edgellm.packed.names" },
        { "names twice", "'a.weight' again" },
        { "name of nothing", "no such tensor" },
        { "name of a plain tensor", "F32 of 2 dimensions" },
        { "kind", "'e6g32', not one of" },
        { "rotation of an old file", "is 1, and item 0 ('a.weight') is of a form that version 2 brought" },
        { "strange rotation", "is 16, not 0 or 32" },
        { "few rotations", "has 1 items instead of 2" },
        { "few kinds", "has 1 items instead of 2" },
        { "no rows", "is 0" },
        { "too many rows", "is 4294967295" },
        { "wrong rows", "bytes; 17 x 64" },
        { "odd columns", "no multiple of 32" },
        { "few codebooks", "has 16 items instead of 32" },
        { "wide codebook", "-64 in the codebook of item 0" },
        { "codebook of bytes", "allows only 0" },
        { "rows of strings", "edgellm.packed.rows" },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_is_one_clear_error(string mistake, string words)
    {
        var exception = Assert.Throws<GgufException>(() => Open(writer => Make(writer, mistake)).Dispose());
        Assert.Contains(words, exception.Message);
        Assert.DoesNotContain('\n', exception.Message);
    }

    private static void Make(GgufWriter writer, string mistake)
    {
        sbyte[] codebooks = new sbyte[32];
        switch (mistake)
        {
            case "version": writer.Set(PackedTensors.VersionKey, GgufValue.Of(3u)); break;
            case "rotation of an old file": writer.Set(PackedTensors.RotationsKey, GgufValue.OfArray<byte>([32, 0])); break;
            case "strange rotation": writer.Set(PackedTensors.RotationsKey, GgufValue.OfArray<byte>([0, 16])); break;
            case "few rotations": writer.Set(PackedTensors.RotationsKey, GgufValue.OfArray<byte>([0])); break;
            case "no version": writer.Remove(PackedTensors.VersionKey); break;
            case "no names": writer.Remove(PackedTensors.NamesKey); break;
            case "names twice":
                writer.Set(PackedTensors.NamesKey, GgufValue.OfArray(["a.weight", "a.weight"]));
                writer.Set(PackedTensors.KindsKey, GgufValue.OfArray(["e4g16", "e4g16"]));
                writer.Set(PackedTensors.RowsKey, GgufValue.OfArray<uint>([9, 9]));
                writer.Set(PackedTensors.ColumnsKey, GgufValue.OfArray<uint>([64, 64]));
                break;
            case "name of nothing": writer.Set(PackedTensors.NamesKey, GgufValue.OfArray(["a.weight", "c.weight"])); break;
            case "name of a plain tensor": writer.Set(PackedTensors.NamesKey, GgufValue.OfArray(["a.weight", "plain.weight"])); break;
            case "kind": writer.Set(PackedTensors.KindsKey, GgufValue.OfArray(["e4g16", "e6g32"])); break;
            case "few kinds": writer.Set(PackedTensors.KindsKey, GgufValue.OfArray(["e4g16"])); break;
            case "no rows": writer.Set(PackedTensors.RowsKey, GgufValue.OfArray<uint>([0, 8])); break;
            case "too many rows": writer.Set(PackedTensors.RowsKey, GgufValue.OfArray<uint>([uint.MaxValue, 8])); break;
            case "wrong rows": writer.Set(PackedTensors.RowsKey, GgufValue.OfArray<uint>([17, 8])); break;
            case "odd columns": writer.Set(PackedTensors.ColumnsKey, GgufValue.OfArray<uint>([48, 32])); break;
            case "few codebooks": writer.Set(PackedTensors.CodebooksKey, GgufValue.OfArray<sbyte>(codebooks.AsSpan(16))); break;
            case "wide codebook":
                codebooks[3] = -64;
                writer.Set(PackedTensors.CodebooksKey, GgufValue.OfArray<sbyte>(codebooks));
                break;
            case "codebook of bytes":
                codebooks[16] = 1;
                writer.Set(PackedTensors.CodebooksKey, GgufValue.OfArray<sbyte>(codebooks));
                break;
            case "rows of strings": writer.Set(PackedTensors.RowsKey, GgufValue.OfArray(["9", "8"])); break;
        }
    }

    private GgufFile Open(Action<GgufWriter> change)
    {
        PackedTensor[] packed =
        [
            new("a.weight", Packing.E4Group16, 9, 64,
                PackedTensor.CodebookOf([-63, -50, -40, -32, -24, -17, -11, -5, 0, 6, 12, 19, 26, 34, 44, 63])),
            new("b.weight", Packing.E8Group32, 8, 32, default),
        ];
        var writer = new GgufWriter();
        writer.SetTensor("plain.weight", [2, 2], ElementType.F32, static output => output.Write(new byte[16]));
        foreach (PackedTensor tensor in packed)
            writer.SetTensor(tensor.Name, [tensor.ByteCount], ElementType.I8,
                output => output.Write(GgufSample.Bytes((int)tensor.ByteCount, 1)));
        PackedTensors.Write(writer, packed);
        change(writer);
        string path = Path.Combine(_folder, "packed.gguf");
        writer.Save(path);
        return GgufFile.Open(path);
    }
}
