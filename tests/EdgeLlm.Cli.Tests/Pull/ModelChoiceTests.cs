using EdgeLlm.Cli.Pull;

namespace EdgeLlm.Cli.Tests.Pull;

public sealed class ModelChoiceTests
{
    private const long MB = 1_000_000;

    private static readonly IReadOnlyList<RemoteModel> Models = RemoteModel.Of("owner/name",
    [
        File("m-F16.gguf", 2000), File("m-Q8_0.gguf", 1100), File("m-Q6_K_L.gguf", 900), File("m-Q4_K_M.gguf", 700),
        File("m-Q4_0.gguf", 650),
        File("m-Q3_K_S.gguf", 500), File("m-IQ2_M.gguf", 400), File("mmproj-m-F16.gguf", 50), File("m.imatrix.gguf", 1),
    ]);

    [Theory]
    [InlineData(24000, "m-Q4_K_M")]
    [InlineData(1425, "m-Q4_K_M")]
    [InlineData(1400, "m-Q4_0")]
    [InlineData(1200, "m-Q3_K_S")]
    [InlineData(900, "m-IQ2_M")]
    public void Four_bits_are_taken_where_they_fit_and_else_the_largest_that_does(long megabytes, string name)
    {
        var choice = ModelChoice.BestFor(megabytes * MB, Models, "owner/name");
        Assert.Equal(name, choice.Model.Name);
        Assert.Contains("fits in 60 % of this machine's", choice.Reason);
    }

    [Fact]
    public void Without_four_bits_the_largest_quantized_one_is_taken()
    {
        IReadOnlyList<RemoteModel> models =
            RemoteModel.Of("owner/name", [File("m.f16.gguf", 300), File("m.Q5_K_M.gguf", 100), File("m.Q8_0.gguf", 150)]);
        Assert.Equal("m.Q8_0", ModelChoice.BestFor(8000 * MB, models, "owner/name").Model.Name);
        Assert.Equal("m.Q5_K_M", ModelChoice.BestFor(300 * MB, models, "owner/name").Model.Name);
    }

    [Fact]
    public void Of_those_that_are_not_quantized_the_smallest_is_taken()
    {
        IReadOnlyList<RemoteModel> models = RemoteModel.Of("owner/name", [File("m-F32.gguf", 400), File("m-BF16.gguf", 200)]);
        Assert.Equal("BF16", ModelChoice.BestFor(8000 * MB, models, "owner/name").Model.Quantization);
    }

    [Fact]
    public void Where_none_fits_the_smallest_is_named()
    {
        PullException exception = Assert.Throws<PullException>(() => ModelChoice.BestFor(430 * MB, Models, "owner/name"));
        Assert.Contains("m-IQ2_M, has 400 MB", exception.Message);
    }

    [Theory]
    [InlineData("m-Q4_0.gguf")]
    [InlineData("m-Q4_0")]
    [InlineData("Q4_0")]
    [InlineData("q4_0")]
    public void A_file_can_be_named_in_several_ways(string text) =>
        Assert.Equal("m-Q4_0", ModelChoice.Named(Models, "owner/name", text).Model.Name);

    [Fact]
    public void An_unknown_file_is_answered_with_those_that_there_are()
    {
        string message = Assert.Throws<PullException>(() => ModelChoice.Named(Models, "owner/name", "Q5_0")).Message;
        Assert.Contains("m-Q4_K_M", message);
        Assert.DoesNotContain("mmproj", message);
    }

    [Fact]
    public void A_quantization_that_two_models_have_is_not_guessed()
    {
        IReadOnlyList<RemoteModel> models = RemoteModel.Of("owner/name", [File("a-Q4_0.gguf", 1), File("b-Q4_0.gguf", 1)]);
        Assert.Contains("several", Assert.Throws<PullException>(() => ModelChoice.Named(models, "owner/name", "Q4_0")).Message);
    }

    [Theory]
    [InlineData("SmolLM2-135M-Instruct-Q4_K_M", "Q4_K_M")]
    [InlineData("smollm2-135m-instruct.iq4_nl", "IQ4_NL")]
    [InlineData("Qwen2.5-0.5B-Instruct-f16", "F16")]
    [InlineData("gpt-oss-MXFP4", "MXFP4")]
    [InlineData("model", null)]
    public void The_quantization_is_read_out_of_the_name(string name, string? quantization) =>
        Assert.Equal(quantization, Assert.Single(RemoteModel.Of("owner/name", [File(name + ".gguf", 1)])).Quantization);

    [Theory]
    [InlineData("owner/name", "owner/name", "main", null)]
    [InlineData("owner/name:a/b.gguf", "owner/name", "main", "a/b.gguf")]
    [InlineData("owner/name@v1.0", "owner/name", "v1.0", null)]
    [InlineData("owner/name@refs/pr/3:Q4_0", "owner/name", "refs/pr/3", "Q4_0")]
    [InlineData("owner/name:a@b.gguf", "owner/name", "main", "a@b.gguf")]
    [InlineData("https://huggingface.co/owner/na.me-1/", "owner/na.me-1", "main", null)]
    [InlineData("https://huggingface.co/owner/name/tree/v2", "owner/name", "v2", null)]
    [InlineData("https://huggingface.co/owner/name/blob/main/a/b%20c.gguf", "owner/name", "main", "a/b c.gguf")]
    [InlineData("https://huggingface.co/owner/name/resolve/refs%2Fpr%2F3/m.gguf?download=true", "owner/name", "refs/pr/3", "m.gguf")]
    [InlineData("hf.co/owner/name:Q4_K_M", "owner/name", "main", "Q4_K_M")]
    public void A_reference_is_a_repository_and_perhaps_a_revision_and_a_file(string text, string repository,
        string revision, string? file) =>
        Assert.Equal(new RepositoryReference(repository, revision, file), RepositoryReference.Parse(text));

    private static RepositoryFile File(string path, long megabytes) => new(path, megabytes * MB, null);
}
