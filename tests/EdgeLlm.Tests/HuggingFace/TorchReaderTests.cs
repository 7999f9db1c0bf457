using System.Runtime.InteropServices;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.HuggingFace;

/// <summary>Weights in torch's zip form: read where they are, and nothing of their pickle is run.</summary>
public sealed class TorchReaderTests : IDisposable
{
    private static readonly float[] Six = [1, 2, 3, 4, 5, 6];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bloom", "h.1.mlp.dense_h_to_4h.weight", "blk.1.ffn_up.weight")]
    [InlineData("bloom", "word_embeddings.weight", "token_embd.weight")]
    [InlineData("phi2", "model.layers.0.mlp.fc1.weight", "blk.0.ffn_up.weight")]
    [InlineData("phi2", "model.layers.1.input_layernorm.bias", "blk.1.attn_norm.bias")]
    public void Tensors_of_torch_s_own_files_are_those_of_the_reference_s_gguf_file(string golden, string name, string ggufName)
    {
        string path = SharedFolder.Require("golden", "logits", golden);
        using HuggingFaceFolder folder = HuggingFaceFolder.Open(path);
        using GgufFile file = GgufFile.Open(Path.Combine(path, "model.gguf"));
        GgufTensor expected = file.FindTensor(ggufName)!;
        FolderTensor tensor = folder.Tensors[name];
        Assert.Equal(ElementType.F32, tensor.Type);
        Assert.Equal(expected.Shape.Reverse(), tensor.Shape);
        float[] values = new float[expected.Rows * expected.Columns];
        Dequantizer.ToFloat(expected.Type, file.Bytes(expected, 0, (int)expected.ByteCount), values);
        Assert.Equal(values, Floats(tensor));
    }

    [Fact]
    public void Storages_may_be_shared_and_begin_anywhere()
    {
        using WeightFile file = Open(TorchFile.Write(
            new TorchEntry("a", "FloatStorage", [2, 3], Bytes(Six)),
            new TorchEntry("b", "FloatStorage", [2, 2], []) { SharedWith = 0, Offset = 1 },
            new TorchEntry("empty", "HalfStorage", [0, 4], []),
            new TorchEntry("number", "LongStorage", [], BitConverter.GetBytes(7L))));
        Assert.Equal(Six, Floats(file.Tensors["a"]));
        Assert.Equal([2, 3, 4, 5], Floats(file.Tensors["b"]));
        Assert.Equal((0L, "I64"), (file.Tensors["empty"].ByteCount, file.Tensors["number"].Stored.Kind));
    }

    [Fact]
    public void A_large_archive_has_its_sizes_elsewhere()
    {
        ZipEntry[] entries =
            [.. TorchFile.Entries([new TorchEntry("a", "FloatStorage", [6], Bytes(Six))]).Select(entry => entry with { IsLarge = true })];
        using WeightFile file = Open(TorchFile.Zip(entries));
        Assert.Equal(Six, Floats(file.Tensors["a"]));
    }

    [Fact]
    public void A_tensor_whose_rows_do_not_follow_each_other_has_no_type_that_weights_are_read_in()
    {
        using WeightFile file = Open(TorchFile.Write(
            new TorchEntry("turned", "FloatStorage", [3, 2], Bytes(Six)) { Strides = [1, 3] },
            new TorchEntry("column", "FloatStorage", [6, 1], Bytes(Six)) { Strides = [1, 77] }));
        Assert.Null(file.Tensors["turned"].Type);
        Assert.Equal("F32 with the strides [1, 3]", file.Tensors["turned"].Stored.Kind);
        Assert.Equal(Six, Floats(file.Tensors["column"]));
    }

    [Theory]
    [InlineData(7, 0, null, "of the shape [7] at number 0 is more than its storage of 6 has")]
    [InlineData(6, 1, null, "of the shape [6] at number 1 is more than its storage of 6 has")]
    [InlineData(1, 7, null, "starts at number 7 of a storage of 6")]
    [InlineData(1, -1, null, "starts at number -1 of a storage of 6")]
    [InlineData(6, 0, 1000, "is in a storage of 1000 numbers, and the file has 6 of them")]
    [InlineData(long.MaxValue, 0, null, "is more than its storage of 6 has")]
    public void A_tensor_that_is_not_in_its_storage_is_refused(long length, long offset, int? count, string message) =>
        Refuses(TorchFile.Write(new TorchEntry("a", "FloatStorage", [length], Bytes(Six)) { Offset = offset, Count = count }), message);

    [Theory]
    [InlineData("cos\nsystem\n(X\x2\0\0\0lstR.", "names os.system in its pickle")]
    [InlineData("c__builtin__\neval\n.", "has a pickle that is not a dictionary of tensors")]
    [InlineData("c__builtin__\neval\n)R.", "names __builtin__.eval in its pickle")]
    [InlineData("ccollections\nOrderedDict\n(K\x1tR.", "calls collections OrderedDict in its pickle in a way that is not known here")]
    [InlineData("(ios\nsystem\n.", "has the opcode INST (byte 3 of its pickle)")]
    [InlineData("}\x81.", "has the opcode NEWOBJ")]
    [InlineData("}\x93.", "has the opcode STACK_GLOBAL")]
    [InlineData("}\x95.", "has the opcode FRAME")]
    [InlineData("}\xFF.", "has the opcode 0xFF")]
    [InlineData("}X\xFF\xFF\xFF\xFFx.", "has a text that is too long in its pickle")]
    [InlineData("}K\x1K\x2s.", "is not a dictionary of tensors by their names")]
    [InlineData("}X\x1\0\0\0aK\x2s.", "has at 'a' something else than a tensor")]
    [InlineData("}}s.", "has a damaged pickle")]
    [InlineData("h\x5.", "has a damaged pickle")]
    [InlineData("t.", "has a damaged pickle")]
    [InlineData("K\x1Q.", "has a reference in its pickle that is not to a storage of numbers")]
    [InlineData("}", "has a pickle that is cut short")]
    [InlineData("ctorch\nFloat", "has a pickle that is cut short")]
    public void What_a_pickle_of_tensors_does_not_need_is_refused_by_name(string pickle, string message) =>
        Refuses(TorchFile.Zip(new ZipEntry("archive/data.pkl", [0x80, 2, .. Encoding.Latin1.GetBytes(pickle)])), message);

    [Fact]
    public void Other_archives_and_older_files_are_refused_with_advice()
    {
        byte[] pickle = TorchFile.Pickle([]);
        Refuses("not a zip archive, but long enough to be one"u8.ToArray(), "is no zip archive");
        Refuses([], "is no zip archive");
        Refuses([0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E, 0x80],
            "is in torch's form of before version 1.6");
        Refuses(TorchFile.Zip(new ZipEntry("readme", [])), "without one data.pkl");
        Refuses(TorchFile.Zip(new ZipEntry("a/data.pkl", pickle), new ZipEntry("b/data.pkl", pickle)), "without one data.pkl");
        Refuses(TorchFile.Zip(new ZipEntry("a/data.pkl", pickle), new ZipEntry("a/byteorder", "big"u8.ToArray())), "not little-endian");
        Refuses(TorchFile.Zip(new ZipEntry("a/data.pkl", [0x80, 4, .. "}."u8])), "is of pickle's protocol 4");
        Refuses(TorchFile.Zip(new ZipEntry("a/data.pkl", TorchFile.Pickle([new TorchEntry("w", "FloatStorage", [1], [0, 0, 0, 0])]))),
            "is in the storage 0, which the file does not have");
    }

    [Fact]
    public void Entries_that_are_compressed_encrypted_overlapping_or_not_where_they_should_be_are_refused()
    {
        var pickle = new ZipEntry("a/data.pkl", TorchFile.Pickle([]));
        var storage = new ZipEntry("a/data/0", new byte[100]);
        Refuses(TorchFile.Zip(pickle, storage with { Method = 8 }), "a/data/0, which is compressed");
        Refuses(TorchFile.Zip(pickle, storage with { Size = 1 << 30 }), "a/data/0, which is compressed");
        Refuses(TorchFile.Zip(pickle, storage with { Flags = 1 }), "a/data/0, which is encrypted");
        Refuses(TorchFile.Zip(pickle, storage with { Size = 1 << 30, PackedSize = 1 << 30 }),
            "a/data/0 of 1073741824 bytes, more than the file has");
        Refuses(TorchFile.Zip(pickle, storage with { Size = 150, PackedSize = 150 }), "has entries that overlap");
        Refuses(TorchFile.Zip(pickle, storage with { Start = 0 }), "has another entry where its directory has a/data/0");
        Refuses(TorchFile.Zip(pickle, storage with { Start = 7 }), "has no entry where its directory has a/data/0");
        Refuses(TorchFile.Zip(pickle, storage with { LocalName = "a/data/1" }), "has another entry where its directory has a/data/0");
        Refuses(TorchFile.Zip(pickle, storage, new ZipEntry("a/data/1", []) { Start = 64, LocalName = "a/data/1" }),
            "has no entry where|overlap");
        Refuses(TorchFile.Zip(pickle, storage, storage), "has the entry a/data/0 twice");
        byte[] whole = TorchFile.Zip(pickle, storage);
        for (int length = 0; length < whole.Length; length += 13) Refuses(whole[..length], "is no zip archive");
    }

    private WeightFile Open(byte[] bytes)
    {
        string path = _folder.PathOf("pytorch_model.bin");
        File.WriteAllBytes(path, bytes);
        return WeightFile.Open(path);
    }

    private void Refuses(byte[] bytes, string message)
    {
        ModelException exception = Assert.Throws<ModelException>(() => Open(bytes).Dispose());
        Assert.True(message.Split('|').Any(part => exception.Message.Contains(part, StringComparison.Ordinal)), exception.Message);
        Assert.DoesNotContain(exception.Message, letter => char.IsControl(letter));
    }

    private static byte[] Bytes(float[] numbers) => MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray();

    private static float[] Floats(FolderTensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.Bytes(0, (int)tensor.ByteCount)).ToArray();
}
