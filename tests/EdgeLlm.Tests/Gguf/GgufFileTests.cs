using System.Runtime.InteropServices;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

public sealed class GgufFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly GgufFile _file;

    public GgufFileTests() => _file = GgufFile.Open(_folder.Write("sample.gguf", GgufSample.Writer().ToArray()));

    public void Dispose()
    {
        _file.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Tensors_have_their_names_shapes_types_and_bytes()
    {
        Assert.Equal(["token_embd.weight", "blk.0.attn_norm.weight", "blk.0.experts.weight"], _file.Tensors.Select(tensor => tensor.Name));
        GgufTensor embedding = _file.FindTensor("token_embd.weight")!;
        Assert.Equal([32, 5], embedding.Shape);
        Assert.Equal((ElementType.Q4_0, 90L, 32L, 5L), (embedding.Type, embedding.ByteCount, embedding.Columns, embedding.Rows));
        GgufTensor experts = _file.FindTensor("blk.0.experts.weight")!;
        Assert.Equal((3L, 8L), (experts.Columns, experts.Rows));
        Assert.Null(_file.FindTensor("output.weight"));
        Assert.All(_file.Tensors, tensor => Assert.Equal(0, tensor.Offset % 64));
        Assert.Equal(GgufSample.Bytes(90, 1), _file.Bytes(embedding, 0, 90));
        Assert.Equal(GgufSample.Bytes(48, 3), _file.Bytes(experts, 0, 48));
    }

    [Fact]
    public void A_tensors_pointer_is_in_the_map_itself()
    {
        GgufTensor norm = _file.FindTensor("blk.0.attn_norm.weight")!;
        byte[] bytes = new byte[norm.ByteCount];
        Marshal.Copy(_file.Pointer(norm), bytes, 0, bytes.Length);
        Assert.Equal(GgufSample.Bytes(28, 2), bytes);
        Assert.Equal(_file.Pointer(_file.Tensors[0]) + (nint)(norm.Offset - _file.Tensors[0].Offset), _file.Pointer(norm));
    }

    [Fact]
    public void Bytes_outside_of_a_tensor_are_refused()
    {
        GgufTensor norm = _file.FindTensor("blk.0.attn_norm.weight")!;
        Assert.Equal(4, _file.Bytes(norm, 24, 4).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => _file.Bytes(norm, 25, 4).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => _file.Bytes(norm, -1, 4).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => _file.Bytes(norm, 0, 29).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => _file.Bytes(norm, 0, -1).Length);
    }

    [Fact]
    public void Hints_change_nothing_that_is_read()
    {
        foreach (MapAdvice advice in Enum.GetValues<MapAdvice>())
        {
            _file.Advise(advice);
            foreach (GgufTensor tensor in _file.Tensors) _file.Advise(tensor, advice);
            Assert.Equal(GgufSample.Bytes(90, 1), _file.Bytes(_file.Tensors[0], 0, 90));
        }
    }

    [Fact]
    public void After_Dispose_nothing_is_handed_out()
    {
        Assert.True(_file.Metadata.TryGet("tokens", out GgufValue? tokens));
        GgufStringArray strings = _file.Metadata.GetStringArray("tokens");
        _file.Dispose();
        _file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _file.Pointer(_file.Tensors[0]));
        Assert.Throws<ObjectDisposedException>(() => _file.Bytes(_file.Tensors[0], 0, 1).Length);
        Assert.Throws<ObjectDisposedException>(() => _file.Advise(MapAdvice.WillNeed));
        Assert.Throws<ObjectDisposedException>(() => _file.Metadata.GetString("general.architecture"));
        Assert.Throws<ObjectDisposedException>(() => tokens.Bytes.Length);
        Assert.Throws<ObjectDisposedException>(() => strings[0]);
    }

    [Fact]
    public void A_vocabulary_without_tensors_is_a_file()
    {
        byte[] bytes = new GgufBytes(tensors: 0, keys: 1).Key("general.architecture", GgufValueType.String).Text("llama").ToArray();
        using GgufFile file = GgufFile.Open(_folder.Write("vocabulary.gguf", bytes));
        Assert.Empty(file.Tensors);
        Assert.Equal("llama", file.Metadata.GetString("general.architecture"));
        Assert.Equal(bytes.Length, file.FileSize);
    }

    [Fact]
    public void Version_2_is_read_as_version_3_is()
    {
        byte[] bytes = new GgufBytes(tensors: 1, keys: 1, version: 2).Key("k", GgufValueType.UInt32).UInt32(9)
            .Tensor("t", [3]).Data(12).ToArray();
        using GgufFile file = GgufFile.Open(_folder.Write("v2.gguf", bytes));
        Assert.Equal((2u, 9u, 12L), (file.Version, file.Metadata.GetUInt32("k"), file.Tensors[0].ByteCount));
        Assert.Equal(bytes, GgufWriter.CopyOf(file).ToArray());
    }

    [Fact]
    public void Tensors_may_lie_in_another_order_and_with_gaps()
    {
        byte[] bytes = new GgufBytes(tensors: 2, keys: 0).Tensor("last", [8], offset: 128).Tensor("first", [4], offset: 32).Data(160)
            .Raw("tail"u8).ToArray();
        using GgufFile file = GgufFile.Open(_folder.Write("gaps.gguf", bytes));
        Assert.Equal(96, file.FindTensor("last")!.Offset - file.FindTensor("first")!.Offset);
        Assert.Equal(bytes, GgufWriter.CopyOf(file).ToArray());
    }

    [Fact]
    public void Two_openings_share_a_file()
    {
        using GgufFile second = GgufFile.Open(_file.Path);
        Assert.Equal(_file.Metadata.Keys, second.Metadata.Keys);
    }

    [Fact]
    public void A_missing_file_and_a_folder_are_told_apart()
    {
        Assert.EndsWith("none.gguf: there is no such file",
            Assert.Throws<FileException>(() => GgufFile.Open(_folder.PathOf("none.gguf"))).Message);
        GgufException folder = Assert.Throws<GgufException>(() => GgufFile.Open(_folder.PathOf(".")));
        Assert.Contains("is a folder", folder.Message);
    }
}
