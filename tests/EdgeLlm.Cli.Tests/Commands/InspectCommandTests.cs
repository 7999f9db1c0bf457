using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class InspectCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public async Task Json_has_every_value_in_full()
    {
        using JsonDocument document = JsonDocument.Parse((await InspectSample("--json")).OutputBytes);
        JsonElement metadata = document.RootElement.GetProperty("metadata");
        Assert.Equal(ulong.MaxValue, metadata.GetProperty("a.u64").GetUInt64());
        Assert.Equal(long.MinValue, metadata.GetProperty("a.i64").GetInt64());
        Assert.Equal(1e-5f, metadata.GetProperty("a.f32").GetSingle());
        Assert.Equal("NaN", metadata.GetProperty("a.nan").GetString());
        Assert.True(metadata.GetProperty("a.bool").GetBoolean());
        Assert.Equal([3, 6, 1, 7, 9, 11], metadata.GetProperty("a.numbers").EnumerateArray().Select(item => item.GetInt32()));
        Assert.Equal([0.1f, -2f], metadata.GetProperty("a.floats").EnumerateArray().Select(item => item.GetSingle()));
        Assert.Equal([true, false], metadata.GetProperty("a.flags").EnumerateArray().Select(item => item.GetBoolean()));
        Assert.Equal(["<s>", "a\tb", "c", "d", "e"],
            metadata.GetProperty("tokenizer.ggml.tokens").EnumerateArray().Select(item => item.GetString()!));
        JsonElement tensor = document.RootElement.GetProperty("tensors")[0];
        Assert.Equal("token_embd.weight", tensor.GetProperty("name").GetString());
        Assert.Equal("F16", tensor.GetProperty("type").GetString());
        Assert.Equal([64, 1024], tensor.GetProperty("shape").EnumerateArray().Select(item => item.GetInt32()));
        Assert.Equal(2 * SampleGguf.TensorValues, tensor.GetProperty("size").GetInt32());
        Assert.Equal("mit", document.RootElement.GetProperty("licence").GetProperty("general.license").GetString());
        Assert.Equal(JsonValueKind.Null, document.RootElement.GetProperty("memory_plan").ValueKind);
        Assert.Contains("sample", document.RootElement.GetProperty("memory_plan_problem").GetString());
    }

    [Theory]
    [InlineData("qwen3-5", "4 layers, 1 of them with attention, 64 wide, 4 heads on 1 for keys and values, feed-forward 160")]
    [InlineData("mixtral", "2 layers, 64 wide, 4 heads on 2 for keys and values, 2 of 4 experts, each with feed-forward 96")]
    [InlineData("gpt-oss", "4 layers, 64 wide, 4 heads on 2 for keys and values, 2 of 4 experts, each with feed-forward 96")]
    public async Task Layers_without_attention_and_experts_are_counted(string name, string line)
    {
        CliResult result = await TestCli.RunAsync("inspect", SharedFolder.Require("golden", "logits", name, "model.gguf"));
        Assert.Contains(line, result.Output);
    }

    [Fact]
    public async Task Verify_reads_every_weight_and_names_the_tensor_and_row_of_one_that_is_wrong()
    {
        string packed = Path.Combine(_folder.Root, "packed.gguf");
        await TestCli.RunAsync("quantize", SharedFolder.Require("models", "stories260K.f32.gguf"), packed, "--fast");
        CliResult good = await TestCli.RunAsync("inspect", packed, "--verify");
        Assert.Equal("", good.Error);
        Assert.Equal(0, good.ExitCode);
        Assert.Contains("are within their bounds", good.Output);

        byte[] bytes = await File.ReadAllBytesAsync(packed);
        // E8's sub-scales end at 63
        using (GgufFile file = GgufFile.Open(packed)) bytes[file.FindTensor("token_embd.weight")!.Offset + 32 + 3] = 100;
        await File.WriteAllBytesAsync(packed, bytes);
        CliResult bad = await TestCli.RunAsync("inspect", packed, "--verify");
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains("tensor token_embd.weight: row 3 has the sub-scale 100 for columns from 0; it may be 63 at most", bad.Error);
    }

    [Fact]
    public async Task Verify_finds_sizes_that_overflow_and_shapes_that_contradict_them()
    {
        string path = Path.Combine(_folder.Root, "sizes.gguf");
        using GgufFile source = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        GgufWriter writer = GgufWriter.CopyOf(source);
        writer.Set("llama.feed_forward_length", GgufValue.Of(171u));
        writer.Save(path);
        CliResult shapes = await TestCli.RunAsync("inspect", path, "--verify");
        Assert.Equal(1, shapes.ExitCode);
        Assert.Contains("blk.0.ffn_gate.weight has the shape [64, 172], expected [64, 171]", shapes.Error);
        writer.Set("llama.attention.head_count", GgufValue.Of(134_218_752u));
        writer.Save(path);
        CliResult overflow = await TestCli.RunAsync("inspect", path, "--verify");
        Assert.Equal(1, overflow.ExitCode);
        Assert.Contains("llama.attention.head_count is 134218752", overflow.Error);
    }

    [Fact]
    public async Task An_architecture_that_does_not_run_is_shown_without_a_plan()
    {
        CliResult result = await InspectSample();
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Memory: no plan", result.Output);
        Assert.Contains("its architecture 'sample' is not one that runs here", result.Output);
        Assert.Matches("licence +mit\n", result.Output);
        Assert.Contains("source.url: https://example.org/sample", result.Output);
        Assert.Contains("Int32[6] 3, 6, 1, 7, ...", result.Output);
        Assert.DoesNotContain("output_norm.weight", result.Output);
    }

    [Theory]
    [InlineData("whisper", "edgellm transcribe")]
    [InlineData("edgellm-voice", "edgellm say")]
    public async Task A_model_that_hears_or_speaks_is_shown_with_its_command_and_not_run(string architecture, string command)
    {
        string path = Path.Combine(_folder.Root, "other.gguf");
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(architecture));
        writer.Save(path);
        Assert.Contains(command, (await TestCli.RunAsync("inspect", path)).Output);
        CliResult run = await TestCli.RunAsync("run", "--model", path, "hi");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains($"is not a language model (its architecture is '{architecture}'): `{command}` takes it", run.Error);
    }

    [Fact]
    public async Task Control_characters_of_a_file_never_reach_the_terminal()
    {
        CliResult result = await InspectSample();
        Assert.DoesNotContain('\u001b', result.Output);
        Assert.Contains("Sample \\u001b[31mred\\nmodel", result.Output);
    }

    [Fact]
    public async Task Tensors_are_listed_when_asked_for() =>
        Assert.Contains("64 x 1024  131,072", (await InspectSample("--tensors")).Output);

    [Fact]
    public async Task A_real_model_has_a_plan_for_the_context_that_was_asked_for()
    {
        string path = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        using JsonDocument document =
            JsonDocument.Parse((await TestCli.RunAsync("inspect", path, "--context", "2048", "--json")).OutputBytes);
        JsonElement plan = document.RootElement.GetProperty("memory_plan");
        Assert.Equal(2048, plan.GetProperty("context").GetInt32());
        // 30 layers, keys and values of 3 heads with 64 numbers of 2 bytes
        Assert.Equal(2048L * 30 * 2 * 3 * 64 * 2, plan.GetProperty("cache").GetInt64());
        Assert.Equal(98362432, plan.GetProperty("weights").GetInt64());
        Assert.Equal("Q4_1", document.RootElement.GetProperty("quantization").GetString());
        Assert.Equal(134515008, document.RootElement.GetProperty("parameters").GetInt64());
        Assert.Contains("Memory for a context of 4,096 tokens", (await TestCli.RunAsync("inspect", path)).Output);
    }

    [Fact]
    public async Task A_vocabulary_without_tensors_can_be_inspected()
    {
        CliResult result =
            await TestCli.RunAsync("inspect", SharedFolder.Require("golden", "tokenizers", "ggml-vocab-llama-spm.gguf"), "--tensors");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("32,000 tokens", result.Output);
        Assert.Contains("Memory: no plan", result.Output);
    }

    [Fact]
    public async Task A_missing_or_truncated_file_is_one_line_and_1()
    {
        string path = Path.Combine(_folder.Root, "cut.gguf");
        await File.WriteAllBytesAsync(path, SampleGguf.Bytes()[..400]);
        foreach (string model in (string[])[path, Path.Combine(_folder.Root, "none.gguf"), "no-such-name"])
        {
            CliResult result = await TestCli.RunAsync(["inspect", model], null, _folder.Environment);
            Assert.Equal(1, result.ExitCode);
            Assert.Empty(result.Output);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
            Assert.Contains(model, result.Error);
        }
    }

    public void Dispose() => _folder.Dispose();

    private async Task<CliResult> InspectSample(params string[] options)
    {
        string path = Path.Combine(_folder.Root, "sample.gguf");
        SampleGguf.Writer().Save(path);
        return await TestCli.RunAsync(["inspect", path, .. options]);
    }
}
