using System.Buffers.Binary;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`edgellm quantize` with standard types, reports, and input that is not what it says.</summary>
public sealed class QuantizeStandardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("q4_0", ElementType.Q4_0, 2u)]
    [InlineData("q8_0", ElementType.Q8_0, 7u)]
    [InlineData("iq4_nl", ElementType.IQ4_NL, 25u)]
    [InlineData("q4_k", ElementType.Q5_0, 15u)] // rows of 64
    [InlineData("f16", ElementType.F16, 1u)]
    [InlineData("bf16", ElementType.BF16, 32u)]
    [InlineData("f32", ElementType.F32, 0u)]
    public async Task A_standard_file_has_its_types_the_sources_keys_and_what_was_done_and_runs(string type,
        ElementType expected, uint fileType)
    {
        string target = await QuantizeAsync("--type", type, "--fast", "--no-report");
        using (GgufFile file = GgufFile.Open(target))
        {
            Assert.Equal(expected, file.FindTensor("blk.0.attn_q.weight")!.Type);
            Assert.Equal(ElementType.F32, file.FindTensor("blk.0.attn_norm.weight")!.Type);
            Assert.Equal(fileType, file.Metadata.GetUInt32("general.file_type"));
            Assert.Equal(512, file.Metadata.GetStringArray("tokenizer.ggml.tokens").Count);
            Assert.Contains("scales searched", file.Metadata.GetString("edgellm.quantization.method"));
        }
        CliResult answer = await TestCli.RunAsync("run", "--model", target, "--raw", "--max-tokens", "5", "Once upon a time");
        Assert.Equal(0, answer.ExitCode);
        Assert.NotEmpty(answer.Output);
        Assert.Equal([target], Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public async Task A_second_run_writes_the_same_bytes()
    {
        byte[] first = await File.ReadAllBytesAsync(await QuantizeAsync("--type", "iq4_nl", "--fast", "--no-report"),
            TestContext.Current.CancellationToken);
        Assert.Equal(first, await File.ReadAllBytesAsync(await QuantizeAsync("--type", "iq4_nl", "--fast", "--no-report", "--force"),
            TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task What_a_text_says_of_the_inputs_is_written_read_again_and_recorded()
    {
        string imatrix = _folder.PathOf("imatrix.gguf"),
            text = _folder.Write("story.txt",
                string.Concat(Enumerable.Repeat("Once upon a time there was a little girl who lived in a house with a cat. ", 400)));
        string calibrated = await QuantizeAsync("--type", "iq4_nl", "--calibrate", text, "--write-imatrix", imatrix, "--no-report");
        byte[] expected = TensorBytes(calibrated, "blk.2.attn_q.weight");
        using (GgufFile file = GgufFile.Open(calibrated)) Assert.Equal("story.txt", file.Metadata.GetString("quantize.imatrix.dataset"));
        Assert.Equal(expected,
            TensorBytes(await QuantizeAsync("--type", "iq4_nl", "--imatrix", imatrix, "--no-report", "--force"), "blk.2.attn_q.weight"));
        Assert.NotEqual(expected,
            TensorBytes(await QuantizeAsync("--type", "iq4_nl", "--fast", "--no-report", "--force"), "blk.2.attn_q.weight"));

        // The packed form takes it too.
        byte[] weighed = TensorBytes(await QuantizeAsync("--imatrix", imatrix, "--no-report", "--force"), "blk.2.attn_q.weight");
        Assert.NotEqual(weighed, TensorBytes(await QuantizeAsync("--fast", "--no-report", "--force"), "blk.2.attn_q.weight"));
    }

    [Fact]
    public async Task Quantizing_a_quantized_file_works_and_warns()
    {
        string first = await QuantizeAsync("--type", "q8_0", "--fast", "--no-report"), second = _folder.PathOf("second.gguf");
        CliResult result = await TestCli.RunAsync("quantize", first, second, "--type", "q4_0", "--fast", "--no-report");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("is quantized already (Q8_0)", result.Error);
        using GgufFile file = GgufFile.Open(second);
        Assert.Equal("Q8_0", file.Metadata.GetString("edgellm.quantization.requantized_from"));
    }

    [Theory]
    [InlineData("--fast")]
    [InlineData("--type", "q8_0")]
    [InlineData("--type", "q4_0")] // with importance, for which the model runs
    [InlineData("--type", "f16")]
    public async Task A_packed_file_can_be_quantized_too_and_a_damaged_one_is_one_line(params string[] options)
    {
        string packed = await QuantizeAsync("--fast", "--no-report"), second = _folder.PathOf("second.gguf");
        CliResult result = await TestCli.RunAsync(["quantize", packed, second, "--no-report", .. options]);
        Assert.Equal((0, $"edgellm: {packed} is quantized already (e4g32): what that lost stays lost; better begin from F16 or BF16\n"),
            (result.ExitCode, result.Error));
        CliResult answer = await TestCli.RunAsync("run", "--model", second, "--raw", "--max-tokens", "5", "Once upon a time");
        Assert.Equal(0, answer.ExitCode);
        Assert.NotEmpty(answer.Output);
        File.Delete(second);

        byte[] bytes = await File.ReadAllBytesAsync(packed, TestContext.Current.CancellationToken);
        // row 3's scale
        using (GgufFile file = GgufFile.Open(packed))
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan((int)file.FindTensor("blk.2.ffn_up.weight")!.Offset + 12), float.NaN);
        await File.WriteAllBytesAsync(packed, bytes, TestContext.Current.CancellationToken);
        CliResult refused = await TestCli.RunAsync(["quantize", packed, second, "--no-report", .. options]);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains($"edgellm: {packed}: tensor blk.2.ffn_up.weight has a weight that is not finite", refused.Error);
        Assert.Equal(2, refused.Error.Trim().Split('\n').Length); // the warning before it
        Assert.Equal([packed], Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public async Task A_dry_run_shows_the_types_and_writes_nothing()
    {
        CliResult result = await TestCli.RunAsync("quantize", Source, _folder.PathOf("out.gguf"), "--type", "q4_k", "--dry-run");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Q5_0", result.Output);
        Assert.Contains("bits a weight", result.Output);
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }

    [Theory]
    [InlineData("--fast", "--calibrate", "x")]
    [InlineData("--imatrix", "x", "--calibrate", "y")]
    [InlineData("--fast", "--write-imatrix", "x")]
    [InlineData("--type", "q4_0", "--group", "16")]
    [InlineData("--type", "q3_k")]
    public async Task Options_that_contradict_each_other_are_refused(params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["quantize", Source, _folder.PathOf("out.gguf"), .. options]);
        Assert.Equal(2, result.ExitCode);
        Assert.Empty(Directory.GetFiles(_folder.Root));
    }

    [Fact]
    public async Task The_report_says_what_became_of_each_tensor_and_asks_for_nothing_from_elsewhere()
    {
        string target = await QuantizeAsync("--fast");
        using JsonDocument json =
            JsonDocument.Parse(await File.ReadAllBytesAsync(target + ".report.json", TestContext.Current.CancellationToken));
        Assert.Equal(new FileInfo(target).Length, json.RootElement.GetProperty("output_bytes").GetInt64());
        JsonElement query = json.RootElement.GetProperty("tensors").EnumerateArray()
            .Single(tensor => tensor.GetProperty("name").GetString() == "blk.0.attn_q.weight");
        Assert.Equal("e4g32", query.GetProperty("to").GetString());
        Assert.InRange(query.GetProperty("relative_squared_error").GetDouble(), 0.001, 0.01);
        Dictionary<string, JsonElement> alternatives =
            json.RootElement.GetProperty("alternatives").EnumerateArray().ToDictionary(item => item.GetProperty("name").GetString()!);
        Assert.Equal(new FileInfo(target).Length, alternatives["E4 g32"].GetProperty("bytes").GetInt64(), 100.0);
        Assert.False(alternatives["Q8_0"].TryGetProperty("kl_estimate", out _)); // nothing was measured
        Assert.InRange(alternatives["Q8_0"].GetProperty("relative_squared_error").GetDouble(), 0,
            alternatives["Q4_0"].GetProperty("relative_squared_error").GetDouble() / 50);

        string html = await File.ReadAllTextAsync(target + ".report.html", TestContext.Current.CancellationToken);
        Assert.Contains("<svg", html);
        Assert.DoesNotContain("http", html);
        Assert.DoesNotContain("<script", html);
        Assert.DoesNotContain("NaN", html);
    }

    [Fact]
    public async Task With_a_text_the_report_compares_predictions_and_answers()
    {
        string text = _folder.Write("story.txt",
            string.Concat(Enumerable.Repeat("Once upon a time there was a little girl who lived in a house with a cat. ", 200)));
        string target = await QuantizeAsync("--fast", "--evaluate", text);
        using JsonDocument json =
            JsonDocument.Parse(await File.ReadAllBytesAsync(target + ".report.json", TestContext.Current.CancellationToken));
        JsonElement measured = json.RootElement.GetProperty("measurement");
        Assert.InRange(measured.GetProperty("kl_mean").GetDouble(), 1e-5, 0.5);
        Assert.InRange(measured.GetProperty("perplexity").GetDouble() / measured.GetProperty("source_perplexity").GetDouble(), 0.5, 2);
        Assert.True(json.RootElement.GetProperty("answers").GetArrayLength() > 1);
        Dictionary<string, double> estimates = json.RootElement.GetProperty("alternatives").EnumerateArray()
            .ToDictionary(item => item.GetProperty("name").GetString()!, item => item.GetProperty("kl_estimate").GetDouble());
        Assert.InRange(estimates["E4 g32"], measured.GetProperty("kl_mean").GetDouble() / 2,
            measured.GetProperty("kl_mean").GetDouble() * 2);
        Assert.True(estimates["F16"] < estimates["Q8_0"] / 10 && estimates["Q8_0"] < estimates["E4 g16"] / 10
            && estimates["E4 g16"] < estimates["E4 g32"]);
        Assert.Contains("KL, about", await File.ReadAllTextAsync(target + ".report.html", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("blk.3.ffn_up.weight", float.NaN)]
    [InlineData("blk.3.ffn_up.weight", float.PositiveInfinity)]
    [InlineData("blk.1.ffn_norm.weight", float.NaN)] // which is only copied
    public async Task A_weight_that_is_not_finite_is_one_line_and_leaves_nothing(string tensor, float value)
    {
        string damaged = _folder.PathOf("damaged.gguf");
        byte[] bytes = await File.ReadAllBytesAsync(Source, TestContext.Current.CancellationToken);
        using (GgufFile file = GgufFile.Open(Source))
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan((int)file.FindTensor(tensor)!.Offset + 100), value);
        await File.WriteAllBytesAsync(damaged, bytes, TestContext.Current.CancellationToken);
        foreach (string[] options in new string[][] { ["--fast"], ["--type", "q8_0"], ["--type", "q4_k", "--fast"] })
        {
            CliResult result = await TestCli.RunAsync(["quantize", damaged, _folder.PathOf("out.gguf"), .. options]);
            Assert.Equal(1, result.ExitCode);
            Assert.Single(result.Error.Trim().Split('\n'));
            Assert.Contains(damaged, result.Error);
            Assert.Contains(tensor, result.Error);
            Assert.Equal([damaged], Directory.GetFiles(_folder.Root));
        }
    }

    [Fact]
    public async Task Truncated_input_is_one_line_wherever_it_ends_and_leaves_nothing()
    {
        byte[] bytes = await File.ReadAllBytesAsync(Source, TestContext.Current.CancellationToken);
        var random = new Random(1);
        for (int trial = 0; trial < 24; trial++)
        {
            string path = _folder.PathOf("short.gguf");
            await File.WriteAllBytesAsync(path, bytes[..random.Next(bytes.Length)], TestContext.Current.CancellationToken);
            CliResult result = await TestCli.RunAsync("quantize", path, _folder.PathOf("out.gguf"), "--type", "q4_0", "--fast");
            Assert.Equal(1, result.ExitCode);
            Assert.Single(result.Error.Trim().Split('\n'));
            Assert.Contains("short.gguf", result.Error);
            Assert.Equal([path], Directory.GetFiles(_folder.Root));
        }
    }

    [Fact]
    public async Task A_split_model_becomes_one_file_and_a_missing_split_is_named()
    {
        string[] parts = WriteSplit();
        string whole = await QuantizeAsync("--type", "q8_0", "--fast", "--no-report"), joined = _folder.PathOf("joined.gguf");
        Assert.Equal(0, (await TestCli.RunAsync("quantize", parts[1], joined, "--type", "q8_0", "--fast", "--no-report")).ExitCode);
        Assert.Equal(TensorBytes(whole, "blk.4.ffn_up.weight"), TensorBytes(joined, "blk.4.ffn_up.weight"));
        using (GgufFile file = GgufFile.Open(joined)) Assert.False(file.Metadata.Contains("split.count"));

        File.Delete(parts[1]);
        CliResult result = await TestCli.RunAsync("quantize", parts[0], _folder.PathOf("other.gguf"), "--fast");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("00002-of-00002.gguf: is missing", result.Error);
        Assert.False(File.Exists(_folder.PathOf("other.gguf")));
    }

    private static string Source => SharedFolder.Require("models", "stories260K.f32.gguf");

    private async Task<string> QuantizeAsync(params string[] options)
    {
        string target = _folder.PathOf("out.gguf");
        CliResult result = await TestCli.RunAsync(["quantize", Source, target, .. options]);
        Assert.True(result.ExitCode == 0, result.Error);
        return target;
    }

    private static byte[] TensorBytes(string path, string name)
    {
        using GgufFile file = GgufFile.Open(path);
        GgufTensor tensor = file.FindTensor(name)!;
        return file.Bytes(tensor, 0, (int)tensor.ByteCount).ToArray();
    }

    private string[] WriteSplit()
    {
        using GgufFile file = GgufFile.Open(Source);
        string[] paths = [_folder.PathOf("model-00001-of-00002.gguf"), _folder.PathOf("model-00002-of-00002.gguf")];
        for (int part = 0; part < 2; part++)
        {
            var writer = new GgufWriter();
            if (part == 0)
            {
                foreach ((string key, GgufValue value) in file.Metadata) writer.Set(key, value);
            }
            writer.Set("split.no", GgufValue.Of((ushort)part));
            writer.Set("split.count", GgufValue.Of((ushort)2));
            writer.Set("split.tensors.count", GgufValue.Of(file.Tensors.Count));
            for (int i = part; i < file.Tensors.Count; i += 2)
            {
                GgufTensor tensor = file.Tensors[i];
                byte[] bytes = file.Bytes(tensor, 0, (int)tensor.ByteCount).ToArray();
                writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type, output => output.Write(bytes));
            }
            writer.Save(paths[part]);
        }
        return paths;
    }
}
