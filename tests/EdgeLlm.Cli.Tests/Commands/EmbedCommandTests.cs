using System.Text;
using System.Text.Json;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`embed` and `rerank`: vectors and scores of lines of text.</summary>
public sealed class EmbedCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_vector_of_each_line_is_a_JSON_array_a_line_and_a_row_of_the_npy_file()
    {
        string texts = _folder.Write("texts", "the cat\nhello there\n"), array = Path.Combine(_folder.Root, "vectors.npy");
        CliResult result = await TestCli.RunAsync("embed", "-m", Golden("bert"), texts);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        float[][] vectors = [.. result.Output.TrimEnd().Split('\n').Select(line => JsonSerializer.Deserialize<float[]>(line)!)];
        Assert.Equal([64, 64], vectors.Select(vector => vector.Length));
        Assert.All(vectors, vector => Assert.Equal(1, vector.Sum(number => (double)number * number), 1e-5));

        Assert.Equal(0, (await TestCli.RunAsync("embed", "-m", Golden("bert"), texts, "-o", array)).ExitCode);
        byte[] bytes = await File.ReadAllBytesAsync(array);
        Assert.Equal("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 64), }", Encoding.ASCII.GetString(bytes, 10, 118).TrimEnd());
        Assert.Equal(128 + 4 * 2 * 64, bytes.Length);
        Assert.Equal(vectors[1][63], BitConverter.ToSingle(bytes, bytes.Length - 4));
    }

    [Theory]
    [InlineData("bert", "cls", true)]
    [InlineData("bert", "last", true)]
    [InlineData("qwen3", "last", true)]
    [InlineData("qwen3", "cls", false)]
    public async Task Pooling_may_be_chosen_where_it_means_something(string name, string pooling, bool isTaken)
    {
        CliResult result = await TestCli.RunAsync("embed", "-m", Golden(name), _folder.Write("texts", "the cat\n"), "--pooling",
            pooling, "--no-normalize");
        Assert.Equal(isTaken ? 0 : 1, result.ExitCode);
        if (!isTaken) Assert.Contains("pooling can't be cls; take mean or last", result.Error);
    }

    [Fact]
    public async Task Texts_are_sorted_by_a_cross_encoders_score()
    {
        CliResult result = await TestCli.RunAsync("rerank", "-m", Golden("bert-classifier"), "the cat",
            _folder.Write("texts", "hello there\nthe \"cat\"\nmore\n"));
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        JsonElement[] lines = [.. result.Output.TrimEnd().Split('\n').Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.Equal([0, 1, 2], lines.Select(line => line.GetProperty("index").GetInt32()).Order());
        float[] scores = [.. lines.Select(line => line.GetProperty("score").GetSingle())];
        Assert.Equal(scores.OrderDescending(), scores);
        Assert.Contains("the \"cat\"", lines.Select(line => line.GetProperty("text").GetString()));
    }

    [Fact]
    public async Task A_prompt_goes_before_each_text_and_one_that_the_model_has_not_is_refused()
    {
        string model = Golden("embedding-gemma");
        CliResult named = await TestCli.RunAsync("embed", "-m", model, _folder.Write("plain", "the cat\n"), "--prompt", "document");
        CliResult written = await TestCli.RunAsync("embed", "-m", model, _folder.Write("whole", "title: none | text: the cat\n"));
        Assert.Equal((0, written.Output), (named.ExitCode, named.Output));
        CliResult other = await TestCli.RunAsync("embed", "-m", model, _folder.Write("plain", "the cat\n"), "--prompt", "doc");
        Assert.Contains("has no prompt 'doc': there are query, document", other.Error);
    }

    [Fact]
    public async Task Logits_of_encoders_are_hidden_states_vectors_and_a_classifier_s_numbers()
    {
        string output = Path.Combine(_folder.Root, "out.safetensors"), ids = _folder.Write("ids", "2 100 101 3 | 102 3\n5 6 7\n");
        CliResult result = await TestCli.RunAsync("logits", "-m", Golden("bert-classifier"), "--ids", ids, "--output", output);
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Dictionary<string, (int[] Shape, float[] Values)> tensors = Safetensors.Read(output);
        Assert.Equal(["hidden_0", "hidden_1", "logits_0", "logits_1", "sentence_0", "sentence_1"], tensors.Keys.Order());
        Assert.Equal([6, 64], tensors["hidden_0"].Shape);
        Assert.Equal([1, 1], tensors["logits_0"].Shape);
        Assert.StartsWith("hidden_0 6 ", result.Output);
        Assert.Equal(0,
            (await TestCli.RunAsync("logits", "-m", Golden("bert-classifier"), "--ids", _folder.Write("one", "2 100 101 3 102 3\n"),
                "--output", output)).ExitCode);
        Assert.NotEqual(tensors["logits_0"].Values, Safetensors.Read(output)["logits_0"].Values); // the types of the second text count
        CliResult refused = await TestCli.RunAsync("logits", "-m", Golden("llama"), "--ids", ids, "--output", output);
        Assert.Contains("line 1: is a pair of texts, which a cross-encoder takes", refused.Error);
    }

    [Theory]
    [InlineData("has no classifier: rerank takes a cross-encoder", "rerank", "query")]
    [InlineData("is an encoder (bert), which makes vectors of texts and no text: edgellm embed runs it", "run", "hi")]
    [InlineData("is an encoder (bert), which makes vectors of texts and no text: edgellm embed runs it", "serve", "--check")]
    [InlineData("is an encoder, which is not calibrated in this version: quantize it with --fast", "quantize", "OUTPUT")]
    public async Task What_an_encoder_is_not_made_for_is_refused_in_one_line(string message, string command, string argument)
    {
        string model = Golden("bert");
        string[] words = command == "quantize" ? [command, model, Path.Combine(_folder.Root, "out.gguf")]
            : [command, "-m", model, argument];
        CliResult result = await TestCli.RunAsync(words);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains(message, Assert.Single(result.Error.TrimEnd().Split('\n')));
    }

    private static string Golden(string name) => SharedFolder.Require("golden", "logits", name);
}
