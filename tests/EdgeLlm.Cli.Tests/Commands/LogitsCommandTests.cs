using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class LogitsCommandTests
{
    private static string TinyModel => SharedFolder.Require("golden", "logits", "llama", "model.gguf");

    [Fact]
    public async Task The_file_holds_what_the_model_computes_and_the_lines_its_hashes()
    {
        using var folder = new TemporaryFolder();
        int[][] prompts = GoldenPrompts();
        string ids = folder.Write("ids.txt", string.Concat(prompts.Select(prompt => string.Join(' ', prompt) + "\n")));
        string output = folder.PathOf("logits.safetensors");
        CliResult result = await TestCli.RunAsync("logits", "--model", TinyModel, "--ids", ids, "--output", output, "--kv", "f32",
            "--context", "128", "--chunk", "40");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));

        Dictionary<string, (int[] Shape, float[] Values)> tensors = Safetensors.Read(output);
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(output)) % 8);
        string[] lines = result.Output.TrimEnd('\n').Split('\n');
        Assert.Equal(prompts.Length, lines.Length);
        Assert.Equal(prompts.Length, tensors.Count);
        using LanguageModel model = LanguageModel.Load(TinyModel, new ModelOptions { CacheType = KeyValueType.F32, ContextLength = 128 });
        int vocabulary = model.Info.VocabularySize;
        for (int i = 0; i < prompts.Length; i++)
        {
            float[] expected = new float[prompts[i].Length * vocabulary];
            using KvCache cache = model.CreateCache();
            model.ForwardAll(prompts[i], cache, expected);
            Assert.Equal([prompts[i].Length, vocabulary], tensors[$"logits_{i}"].Shape);
            Assert.Equal(expected, tensors[$"logits_{i}"].Values);

            ulong hash = 0xcbf29ce484222325;
            foreach (float logit in expected) hash = (hash ^ BitConverter.SingleToUInt32Bits(logit)) * 0x100000001b3;
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"logits_{i} {prompts[i].Length} {hash:x16}"), lines[i]);
        }
    }

    [Fact]
    public async Task Hashes_depend_on_neither_chunk_nor_threads_nor_kernel()
    {
        using var folder = new TemporaryFolder();
        string ids = folder.Write("ids.txt", string.Concat(GoldenPrompts().Select(prompt => string.Join(' ', prompt) + "\n")));
        await AllHashesAgree(folder, TinyModel, ids, [1, 7, 64, 256]);
    }

    [Fact]
    public async Task Hashes_of_a_quantized_model_depend_on_neither_chunk_nor_threads_nor_kernel()
    {
        using var folder = new TemporaryFolder();
        string ids = folder.Write("ids.txt", "504 3575 282 4649 314 260 2240 282 6152\n");
        await AllHashesAgree(folder, SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"), ids, [1, 4, 256]);
    }

    [Fact]
    public async Task Cache_types_and_float_activations_change_the_logits_of_a_quantized_model()
    {
        using var folder = new TemporaryFolder();
        string model = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            ids = folder.Write("ids.txt", "504, 3575, 282\r\n");
        string[] lines =
        [
            await HashesOf(folder, model, ids, "--context", "8"),
            await HashesOf(folder, model, ids, "--context", "8", "--kv", "f32"),
            await HashesOf(folder, model, ids, "--context", "8", "--kv", "i8"),
            await HashesOf(folder, model, ids, "--context", "8", "--float-activations"),
        ];
        Assert.Equal(lines.Length, lines.Distinct().Count());
        Assert.Equal(lines[0], await HashesOf(folder, model, ids, "--context", "8", "--kv", "f16"));
    }

    [Fact]
    public async Task Kernel_list_needs_no_other_option()
    {
        string[] kernels = await KernelsHere();
        Assert.Equal("scalar", kernels[^1]);
        Assert.Equal(kernels.Length, kernels.Distinct().Count());
    }

    [Theory]
    [InlineData("1 2\n3 x\n", "{0}, line 2: word 2 is not a token id (a whole number from 0 on)")]
    [InlineData("1 -2\n", "{0}, line 1: word 2 is not a token id (a whole number from 0 on)")]
    [InlineData("1\n\n2\n", "{0}, line 2: the line is empty; each line is a prompt of token ids")]
    [InlineData("", "{0}: the file is empty; each line is a prompt of token ids")]
    [InlineData("1\n511 512\n", "{0}, line 2: token 512 is not in the vocabulary (0 to 511)")]
    [InlineData("1 2 3 4 5 6 7 8 9\n", "{0}, line 1: 9 tokens do not fit into the context of 8: take a larger --context")]
    public async Task Bad_ids_get_one_line_that_names_theirs_and_no_file_is_written(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        string ids = folder.Write("ids.txt", text), output = folder.PathOf("logits.safetensors");
        CliResult result = await TestCli.RunAsync("logits", "--model", TinyModel, "--ids", ids, "--output", output, "--context", "8");
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.Equal($"edgellm: {string.Format(CultureInfo.InvariantCulture, expected, ids)}\n", result.Error);
        Assert.False(File.Exists(output));
    }

    [Fact]
    public async Task A_missing_file_gets_one_line()
    {
        using var folder = new TemporaryFolder();
        string ids = folder.Write("ids.txt", "1\n"), none = folder.PathOf("none"), output = folder.PathOf("logits.safetensors");
        foreach (string[] files in new string[][] { [TinyModel, none, output], [none, ids, output],
            [TinyModel, ids, Path.Combine(none, "logits.safetensors")] })
        {
            CliResult result = await TestCli.RunAsync("logits", "--model", files[0], "--ids", files[1], "--output", files[2]);
            Assert.Equal((1, ""), (result.ExitCode, result.Output));
            Assert.Contains(none, result.Error);
            Assert.Equal(1, result.Error.Count(c => c == '\n'));
        }
    }

    [Fact]
    public async Task The_model_is_not_overwritten()
    {
        using var folder = new TemporaryFolder();
        string model = folder.PathOf("model.gguf"), ids = folder.Write("ids.txt", "1\n");
        File.WriteAllBytes(model, File.ReadAllBytes(TinyModel));
        CliResult result = await TestCli.RunAsync("logits", "--model", model, "--ids", ids, "--output", model);
        Assert.Equal((1, $"edgellm: {model}: is the file that is read; name another file to write\n"), (result.ExitCode, result.Error));
        Assert.Equal(File.ReadAllBytes(TinyModel), File.ReadAllBytes(model));
    }

    [Theory]
    [InlineData("--output is required", "--ids", "ids.txt")]
    [InlineData("--ids is required", "--output", "file")]
    [InlineData("--kv takes f16, f32 or i8, not 'f8'", "--kv", "f8", "--ids", "ids.txt", "--output", "file")]
    [InlineData("--chunk takes a whole number from 1 to 65536, not '0'", "--chunk", "0", "--ids", "ids.txt", "--output", "file")]
    public async Task A_wrong_option_is_a_usage_error(string expected, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["logits", .. options]);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Equal($"edgellm: {expected}; see `edgellm logits --help`\n", result.Error);
    }

    [Fact]
    public async Task An_unknown_kernel_is_a_usage_error_that_names_those_that_are_there()
    {
        using var folder = new TemporaryFolder();
        CliResult result = await TestCli.RunAsync("logits", "--model", TinyModel, "--ids", folder.Write("ids.txt", "1"), "--output",
            folder.PathOf("file"), "--kernel", "abacus");
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.StartsWith("edgellm: no kernel 'abacus' on this processor; it has ", result.Error);
    }

    private static async Task AllHashesAgree(TemporaryFolder folder, string model, string ids, int[] chunks)
    {
        string expected = await HashesOf(folder, model, ids, "--context", "128");
        foreach (int chunk in chunks)
            Assert.Equal(expected,
                await HashesOf(folder, model, ids, "--context", "128", "--chunk", chunk.ToString(CultureInfo.InvariantCulture)));
        foreach (string threads in new[] { "1", "2" })
            Assert.Equal(expected, await HashesOf(folder, model, ids, "--context", "128", "--threads", threads));
        foreach (string kernel in await KernelsHere())
            Assert.Equal(expected, await HashesOf(folder, model, ids, "--context", "128", "--kernel", kernel));
    }

    private static async Task<string[]> KernelsHere()
    {
        CliResult result = await TestCli.RunAsync("logits", "--kernel", "list");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return result.Output.TrimEnd('\n').Split('\n');
    }

    private static async Task<string> HashesOf(TemporaryFolder folder, string model, string ids, params string[] options)
    {
        CliResult result =
            await TestCli.RunAsync(["logits", "--model", model, "--ids", ids, "--output", folder.PathOf("logits.safetensors"), .. options]);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return result.Output;
    }

    private static int[][] GoldenPrompts()
    {
        using JsonDocument expected =
            JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "logits", "llama", "expected.json")));
        return [.. expected.RootElement.GetProperty("prompts").EnumerateArray()
            .Select(prompt => prompt.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray())];
    }
}
