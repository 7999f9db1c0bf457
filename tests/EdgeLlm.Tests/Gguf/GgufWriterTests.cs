using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

public sealed class GgufWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private GgufFile Open(byte[] bytes, string name = "sample.gguf") => GgufFile.Open(_folder.Write(name, bytes));

    [Fact]
    public void A_copy_is_the_same_bytes()
    {
        byte[] bytes = GgufSample.Writer().ToArray();
        using GgufFile file = Open(bytes);
        Assert.Equal(bytes, GgufWriter.CopyOf(file).ToArray());
    }

    [Fact]
    public void A_copy_keeps_what_fills_up_the_header()
    {
        GgufBytes bytes = new GgufBytes(1, 0).Tensor("t", [1]);
        using GgufFile file = Open(bytes.Raw("filling"u8).Raw([1, 2, 3, 4]).ToArray());
        Assert.Equal(bytes.ToArray(), GgufWriter.CopyOf(file).ToArray());
    }

    [Theory]
    [InlineData("k")]
    [InlineData("llama.attention.sliding_window")]
    [InlineData("a.key.of.another.length")]
    public void An_added_key_leaves_everything_else(string key)
    {
        byte[] bytes = GgufSample.Writer().ToArray();
        using GgufFile file = Open(bytes);
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set(key, GgufValue.Of(8u));
        using GgufFile changed = Open(writer.ToArray(), "changed.gguf");
        Assert.Equal([.. file.Metadata.Keys, key], changed.Metadata.Keys);
        Assert.Equal(8u, changed.Metadata.GetUInt32(key));
        AssertSameTensors(file, changed);

        GgufWriter back = GgufWriter.CopyOf(changed);
        Assert.True(back.Remove(key));
        Assert.False(back.Remove(key));
        Assert.Equal(bytes, back.ToArray());
    }

    [Fact]
    public void A_replaced_key_keeps_its_place()
    {
        using GgufFile file = Open(GgufSample.Writer().ToArray());
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set("general.architecture", GgufValue.Of("gemma"));
        using GgufFile changed = Open(writer.ToArray(), "changed.gguf");
        Assert.Equal(file.Metadata.Keys, changed.Metadata.Keys);
        Assert.Equal("gemma", changed.Metadata.GetString("general.architecture"));
        AssertSameTensors(file, changed);
    }

    [Theory]
    [InlineData(8u)]
    [InlineData(32u)]
    [InlineData(4096u)]
    public void Another_alignment_lays_the_tensors_out_anew(uint alignment)
    {
        using GgufFile file = Open(GgufSample.Writer().ToArray());
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set("general.alignment", GgufValue.Of(alignment));
        Assert.Equal(alignment, writer.Alignment);
        using GgufFile changed = Open(writer.ToArray(), "changed.gguf");
        Assert.All(changed.Tensors, tensor => Assert.Equal(0, tensor.Offset % alignment));
        AssertSameTensors(file, changed);
    }

    [Fact]
    public void Without_the_key_the_alignment_is_32()
    {
        using GgufFile file = Open(GgufSample.Writer().ToArray());
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Remove("general.alignment");
        Assert.Equal(32u, writer.Alignment);
        using GgufFile changed = Open(writer.ToArray(), "changed.gguf");
        AssertSameTensors(file, changed);
    }

    [Fact]
    public void Tensors_are_replaced_in_place_removed_and_added()
    {
        using GgufFile file = Open(GgufSample.Writer().ToArray());
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.SetTensor("token_embd.weight", [4, 2], ElementType.F16, output => output.Write(GgufSample.Bytes(16, 7)));
        Assert.True(writer.RemoveTensor("blk.0.attn_norm.weight"));
        Assert.False(writer.RemoveTensor("blk.0.attn_norm.weight"));
        writer.SetTensor("new.weight", [1], ElementType.I8, output => output.WriteByte(5));
        using GgufFile changed = Open(writer.ToArray(), "changed.gguf");
        Assert.Equal(["token_embd.weight", "blk.0.experts.weight", "new.weight"], changed.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(GgufSample.Bytes(16, 7), changed.Bytes(changed.Tensors[0], 0, 16));
        Assert.Equal(GgufSample.Bytes(48, 3), changed.Bytes(changed.Tensors[1], 0, 48));
        Assert.Equal(5, changed.Bytes(changed.Tensors[2], 0, 1)[0]);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void A_tensor_that_writes_too_much_or_little_is_an_error_and_leaves_no_file(int count)
    {
        var writer = new GgufWriter();
        writer.SetTensor("t", [4], ElementType.I8, output => output.Write(new byte[count]));
        string path = _folder.PathOf("none.gguf");
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(() => writer.Save(path));
        Assert.Contains($"tensor 't' takes 4 bytes, but {count} were written", error.Message);
        Assert.False(File.Exists(path));
        Assert.False(File.Exists(path + ".tmp"));
    }

    [Fact]
    public void Names_shapes_and_alignments_that_the_reader_refuses_are_refused()
    {
        var writer = new GgufWriter();
        foreach (string name in new[] { "", "a\nb", "\uD800", new string('x', 65536) })
        {
            Assert.Throws<ArgumentException>(() => writer.Set(name, GgufValue.Of(1)));
            Assert.Throws<ArgumentException>(() => writer.SetTensor(name, [1], ElementType.F32, _ => { }));
        }
        Assert.Throws<ArgumentException>(() => writer.Set("general.alignment", GgufValue.Of(33u)));
        Assert.Throws<ArgumentException>(() => writer.Set("general.alignment", GgufValue.Of(32)));
        Assert.Throws<ArgumentException>(() => writer.SetTensor("t", [], ElementType.F32, _ => { }));
        Assert.Throws<ArgumentException>(() => writer.SetTensor("t", [1, 0], ElementType.F32, _ => { }));
        Assert.Throws<ArgumentException>(() => writer.SetTensor("t", [31], ElementType.Q8_0, _ => { }));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.SetTensor("t", [1], (ElementType)99, _ => { }));
        Assert.Throws<ArgumentException>(() => GgufValue.Of('c'));
        Assert.Throws<ArgumentException>(() => GgufValue.OfArray<decimal>([1]));
    }

    [Fact]
    public void Saving_over_the_file_copied_from_leaves_its_map_as_it_was()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows replaces no file that is mapped");
        using GgufFile file = Open(GgufSample.Writer().ToArray());
        GgufWriter writer = GgufWriter.CopyOf(file);
        writer.Set("general.name", GgufValue.Of("renamed"));
        writer.Save(file.Path);
        Assert.False(file.Metadata.Contains("general.name"));
        Assert.Equal(GgufSample.Bytes(90, 1), file.Bytes(file.Tensors[0], 0, 90));
        using GgufFile saved = GgufFile.Open(file.Path);
        Assert.Equal("renamed", saved.Metadata.GetString("general.name"));
    }

    private static void AssertSameTensors(GgufFile expected, GgufFile actual)
    {
        Assert.Equal(expected.Tensors.Select(tensor => tensor.ToString()), actual.Tensors.Select(tensor => tensor.ToString()));
        foreach ((GgufTensor left, GgufTensor right) in expected.Tensors.Zip(actual.Tensors))
            Assert.Equal(expected.Bytes(left, 0, (int)left.ByteCount), actual.Bytes(right, 0, (int)right.ByteCount));
    }
}
