using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

public sealed class GgufSplitTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public GgufSplitTests()
    {
        for (int number = 0; number < 3; number++) WriteSplit(number);
    }

    public void Dispose() => _folder.Dispose();

    private static string NameOf(int number, int count = 3) => $"model-{number + 1:D5}-of-{count:D5}.gguf";

    // What llama.cpp's gguf-split writes: the metadata in the first (here without tensors), the split's own keys in all.
    private string WriteSplit(int number, Action<GgufWriter>? change = null, string? name = null)
    {
        var writer = new GgufWriter();
        if (number == 0) writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("split.no", GgufValue.Of((ushort)number));
        writer.Set("split.count", GgufValue.Of((ushort)3));
        writer.Set("split.tensors.count", GgufValue.Of(4));
        if (number == 0) writer.Set("general.name", GgufValue.Of("in three"));
        for (int tensor = 0; tensor < (number == 0 ? 0 : 2); tensor++)
        {
            int seed = 10 * number + tensor;
            writer.SetTensor($"t{number}.{tensor}", [8], ElementType.F32, output => output.Write(GgufSample.Bytes(32, seed)));
        }
        change?.Invoke(writer);
        return _folder.Write(name ?? NameOf(number), writer.ToArray());
    }

    private GgufException Refused(int opened = 0) => Assert.Throws<GgufException>(() => GgufFile.Open(_folder.PathOf(NameOf(opened))));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_split_opens_all(int opened)
    {
        using GgufFile file = GgufFile.Open(_folder.PathOf(NameOf(opened)));
        Assert.Equal("in three", file.Metadata.GetString("general.name"));
        Assert.Equal([("t1.0", 1), ("t1.1", 1), ("t2.0", 2), ("t2.1", 2)], file.Tensors.Select(tensor => (tensor.Name, tensor.FileIndex)));
        Assert.Equal(GgufSample.Bytes(32, 21), file.Bytes(file.FindTensor("t2.1")!, 0, 32));
        Assert.Equal(Enumerable.Range(0, 3).Sum(number => new FileInfo(_folder.PathOf(NameOf(number))).Length), file.FileSize);
    }

    [Fact]
    public void A_copy_is_one_file_without_the_keys_of_splits()
    {
        string path = _folder.PathOf("merged.gguf");
        using (GgufFile split = GgufFile.Open(_folder.PathOf(NameOf(0)))) GgufWriter.CopyOf(split).Save(path);
        using GgufFile merged = GgufFile.Open(path);
        Assert.Equal(["general.architecture", "general.name"], merged.Metadata.Keys);
        Assert.Equal(["t1.0", "t1.1", "t2.0", "t2.1"], merged.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(GgufSample.Bytes(32, 20), merged.Bytes(merged.FindTensor("t2.0")!, 0, 32));
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(2, 0)]
    public void A_missing_split_is_named(int opened, int missing)
    {
        string path = _folder.PathOf(NameOf(missing));
        File.Delete(path);
        GgufException error = Refused(opened);
        Assert.Equal($"{path}: is missing: the model has 3 files (key 'split.count' of {_folder.PathOf(NameOf(opened))})", error.Message);
    }

    [Fact]
    public void A_split_under_another_name_is_refused()
    {
        string path = WriteSplit(1, name: "renamed.gguf");
        GgufException error = Assert.Throws<GgufException>(() => GgufFile.Open(path));
        Assert.Contains("says split 2 of 3, so the file must be called NAME-00002-of-00003.gguf", error.Message);
        Assert.StartsWith(path, error.Message);
    }

    [Fact]
    public void A_number_that_the_name_contradicts_is_refused()
    {
        string path = WriteSplit(1, writer => writer.Set("split.no", GgufValue.Of((ushort)2)));
        GgufException error = Refused();
        Assert.Equal((path, "key 'split.no'"), (error.File, error.Field));
        Assert.Contains("says split 3 of 3", error.Message);
        Assert.True(error.Offset > 24);
    }

    [Fact]
    public void A_count_that_the_name_contradicts_is_refused()
    {
        string path = WriteSplit(1, writer => writer.Set("split.count", GgufValue.Of((ushort)4)));
        GgufException error = Refused();
        Assert.Equal((path, "key 'split.count'"), (error.File, error.Field));
        Assert.Contains("says split 2 of 4", error.Message);
    }

    [Fact]
    public void A_number_beyond_the_count_is_refused()
    {
        WriteSplit(0, writer => writer.Set("split.no", GgufValue.Of((ushort)3)));
        GgufException error = Refused();
        Assert.Equal("key 'split.no'", error.Field);
        Assert.Contains("is 3, but the splits are 0 to 2", error.Message);
    }

    [Fact]
    public void A_count_that_no_name_can_have_is_refused()
    {
        WriteSplit(0, writer => writer.Set("split.count", GgufValue.Of(uint.MaxValue)));
        Assert.Contains("is 4294967295, more than file names can number", Refused().Message);
    }

    [Fact]
    public void A_file_in_the_place_of_a_split_is_refused()
    {
        string path = WriteSplit(2, writer => writer.Remove("split.count"));
        GgufException error = Refused();
        Assert.Equal((path, "key 'split.count'"), (error.File, error.Field));
        Assert.Contains("is no split", error.Message);
    }

    [Fact]
    public void A_wrong_number_of_tensors_is_refused()
    {
        for (int number = 0; number < 3; number++) WriteSplit(number, writer => writer.Set("split.tensors.count", GgufValue.Of(5)));
        GgufException error = Refused();
        Assert.Equal("key 'split.tensors.count'", error.Field);
        Assert.Contains("is 5, but the 3 files have 4 tensors", error.Message);
    }

    [Fact]
    public void Splits_that_disagree_on_the_tensors_are_refused()
    {
        string path = WriteSplit(1, writer => writer.Set("split.tensors.count", GgufValue.Of(9)));
        GgufException error = Refused();
        Assert.Equal((path, "key 'split.tensors.count'"), (error.File, error.Field));
    }

    [Fact]
    public void A_tensor_in_two_splits_is_refused()
    {
        string path = WriteSplit(2, writer =>
        {
            writer.RemoveTensor("t2.1");
            writer.SetTensor("t1.1", [8], ElementType.F32, output => output.Write(new byte[32]));
        });
        GgufException error = Refused();
        Assert.Equal((path, "tensor 't1.1' data"), (error.File, error.Field));
        Assert.Contains($"is also in {_folder.PathOf(NameOf(1))}", error.Message);
    }

    [Fact]
    public void A_damaged_split_is_the_file_that_the_error_names()
    {
        string path = _folder.Write(NameOf(2), [1, 2, 3]);
        Assert.Equal(path, Refused().File);
    }

    [Fact]
    public void A_split_count_of_one_is_a_file_by_itself()
    {
        string path = WriteSplit(1, writer => writer.Set("split.count", GgufValue.Of((ushort)1)), name: "alone.gguf");
        using GgufFile file = GgufFile.Open(path);
        Assert.Equal(2, file.Tensors.Count);
    }
}
