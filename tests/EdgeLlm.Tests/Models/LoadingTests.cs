using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

/// <summary>What is refused, with which words.</summary>
public sealed class LoadingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-loading").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_model_that_does_not_fit_is_refused_with_the_numbers()
    {
        string path = TestModels.Stories;
        var tooLarge = Assert.Throws<ModelException>(() => LanguageModel.Load(path, new ModelOptions { MemoryLimit = 1_000_000 }));
        Assert.Contains("1 MB", tooLarge.Message);
        var context = Assert.Throws<ModelException>(() =>
            LanguageModel.Load(path, new ModelOptions { ContextLength = 10_000_000, MemoryLimit = 2_000_000_000 }));
        Assert.Contains("cache for 10000000 tokens 6400", context.Message);
        Assert.Contains("this machine has 2000 MB", context.Message);
        Assert.DoesNotContain('\n', context.Message);
    }

    [Fact]
    public void A_missing_file_is_one_line() =>
        Assert.EndsWith("none.gguf: there is no such file",
            Assert.Throws<FileNotFoundException>(() => LanguageModel.Load(Path.Combine(_folder, "none.gguf"))).Message);

    [Fact]
    public void Paths_that_name_no_file_get_the_exceptions_of_dotnet()
    {
        Assert.Throws<ArgumentNullException>(() => LanguageModel.Load(null!));
        Assert.Throws<ArgumentException>(() => LanguageModel.Load(""));
        Assert.Contains("is a folder", Assert.Throws<ModelException>(() => LanguageModel.Load(_folder)).Message);
    }

    [Fact]
    public void Without_a_default_model_beside_the_program_the_reference_to_add_is_named() =>
        Assert.Contains("reference EdgeLlm.DefaultModel", Assert.Throws<FileNotFoundException>(() => LanguageModel.LoadDefault()).Message);

    [Fact]
    public void An_unknown_architecture_is_named()
    {
        string path = Write(writer => writer.Set("general.architecture", GgufValue.Of("mamba")));
        Assert.Contains("'mamba'", Assert.Throws<ModelException>(() => LanguageModel.Load(path)).Message);
    }

    [Theory]
    [InlineData("llama.attention.head_count", 0u)]
    [InlineData("llama.attention.head_count", 3u)]
    [InlineData("llama.attention.head_count_kv", 3u)]
    [InlineData("llama.block_count", 100_000u)]
    [InlineData("llama.embedding_length", 4_000_000_000u)]
    [InlineData("llama.rope.dimension_count", 7u)]
    [InlineData("llama.feed_forward_length", 171u)]
    public void A_number_that_can_not_be_is_an_error_and_no_crash(string key, uint value)
    {
        string source = TestModels.Stories, path = Path.Combine(_folder, "changed.gguf");
        using (GgufFile file = GgufFile.Open(source))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            writer.Set(key, GgufValue.Of(value));
            writer.Save(path);
        }
        Exception error = Assert.ThrowsAny<Exception>(() => LanguageModel.Load(path));
        Assert.True(error is ModelException or GgufException, error.ToString());
        Assert.Contains("changed.gguf", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        string source = TestModels.Stories, path = Path.Combine(_folder, "without.gguf");
        using (GgufFile file = GgufFile.Open(source))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            writer.RemoveTensor("blk.3.ffn_up.weight");
            writer.Save(path);
        }
        Assert.Contains("blk.3.ffn_up.weight", Assert.Throws<ModelException>(() => LanguageModel.Load(path)).Message);
    }

    [Theory]
    [InlineData("output_norm.weight", float.NaN)]
    [InlineData("output_norm.weight", float.PositiveInfinity)]
    [InlineData("token_embd.weight", float.NaN)]
    [InlineData("token_embd.weight", float.NegativeInfinity)]
    public void Damage_in_the_last_tensors_ends_the_run_too(string name, float value)
    {
        string source = TestModels.Stories, path = Path.Combine(_folder, "last.gguf");
        File.Copy(source, path);
        long offset;
        using (GgufFile file = GgufFile.Open(source)) offset = file.FindTensor(name)!.Offset;
        using (FileStream file = File.OpenWrite(path))
        {
            // Of the embedding (which is the head, too) a row that no token here looks up.
            file.Position = offset + (name == "token_embd.weight" ? 300 * 64 * 4 : 0);
            file.Write(BitConverter.GetBytes(value));
        }
        using LanguageModel model = LanguageModel.Load(path);
        using KvCache cache = model.CreateCache();
        Assert.Contains(name, Assert.Throws<NotFiniteException>(() => model.Forward([1, 2], cache)).Message);
    }

    [Fact]
    public void Weights_that_are_not_finite_end_the_run_with_the_layer()
    {
        string source = TestModels.Stories, path = Path.Combine(_folder, "nan.gguf");
        using (GgufFile file = GgufFile.Open(source))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            byte[] bytes = new byte[64 * 4];
            BitConverter.TryWriteBytes(bytes, float.NaN);
            writer.SetTensor("blk.2.attn_norm.weight", [64], ElementType.F32, stream => stream.Write(bytes));
            writer.Save(path);
        }
        using var model = LanguageModel.Load(path);
        using KvCache cache = model.CreateCache();
        Assert.Contains("layer 2", Assert.Throws<NotFiniteException>(() => model.Forward([1, 2, 3], cache)).Message);
    }

    private string Write(Action<GgufWriter> change)
    {
        string path = Path.Combine(_folder, "small.gguf");
        var writer = new GgufWriter();
        change(writer);
        writer.Save(path);
        return path;
    }
}
