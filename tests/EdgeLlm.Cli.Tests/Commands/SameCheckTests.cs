using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>
/// What `run` refuses, `inspect`, `serve --check` and `quantize` refuse too, with the same reason; what it takes they take.
/// </summary>
public sealed class SameCheckTests
{
    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    [Theory]
    [InlineData("experts", "llama.expert_used_count")]
    [InlineData("architecture", "its architecture 'mamba' is not one that runs here")]
    [InlineData("causal",
        "has the key llama.attention.causal (false), which is not known here for this architecture and may change what the model computes")]
    [InlineData("bias", "has the tensor output.bias, which a model of the architecture 'llama' and this shape does not use here")]
    [InlineData("norms", "tensor blk.1.attn_norm.weight is F16; norms and biases have to be F32")]
    [InlineData("missing", "has no tensor blk.3.ffn_up.weight: the file is incomplete or not a language model")]
    [InlineData("tokenizer", "tokenizer.ggml.model is 'rwkv'; known are llama, gpt2, gemma4, t5 and bert")]
    [InlineData("scores", "tokenizer.ggml.scores is missing, which the model 'llama' needs")]
    [InlineData("template", "chat template, line 1: ")]
    public async Task A_refusal_is_the_same_everywhere(string fault, string reason)
    {
        using var folder = new TemporaryFolder();
        string model = folder.PathOf("model.gguf");
        Write(model, writer => Break(writer, fault));
        foreach (string[] command in new string[][]
        {
            ["run", "--model", model, "Once"], ["serve", "--check", "--model", model],
            ["quantize", model, folder.PathOf("out.gguf"), "--fast"],
            ["quantize", model, folder.PathOf("out.gguf"), "--type", "q8_0", "--dry-run"],
        })
        {
            CliResult result = await TestCli.RunAsync(command);
            Assert.Equal((ExitCode.Failure, ""), (result.ExitCode, result.Output));
            Assert.Contains(reason, result.Error, StringComparison.Ordinal);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
        }
        Assert.Equal([model], Directory.GetFiles(folder.PathOf(".")).Select(Path.GetFullPath));
        Assert.Contains(reason, (await TestCli.RunAsync("inspect", model)).Output, StringComparison.Ordinal);
        Assert.Contains("\"memory_plan_problem\"", (await TestCli.RunAsync("inspect", "--json", model)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_odd_but_harmless_runs_everywhere_with_a_note()
    {
        using var folder = new TemporaryFolder();
        string model = folder.PathOf("model.gguf");
        Write(model, writer =>
        {
            AddTokens(writer, "[PAD]", "[PAD]");
            writer.Set("tokenizer.ggml.padding_token_id", GgufValue.Of(uint.MaxValue));
        });
        string[] notes = ["1 entries of the vocabulary are there twice (the first are 512 and 513)",
            "the vocabulary has 514 tokens and the embedding 512 rows"];
        CliResult run =
            await TestCli.RunAsync("run", "--raw", "--temperature", "0", "--max-tokens", "8", "--model", model, "Once upon a time");
        Assert.StartsWith(", there was a", run.Output, StringComparison.Ordinal);
        CliResult inspect = await TestCli.RunAsync("inspect", model), check = await TestCli.RunAsync("serve", "--check", "--model", model);
        CliResult quantize = await TestCli.RunAsync("quantize", model, folder.PathOf("out.gguf"), "--fast", "--no-report");
        Assert.Equal((0, 0, 0), (inspect.ExitCode, check.ExitCode, quantize.ExitCode));
        foreach (string text in new[] { inspect.Output, check.Error, quantize.Error })
            Assert.All(notes, note => Assert.Contains(note, text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_context_that_does_not_fit_is_refused_by_serve_check_as_by_run()
    {
        Assert.SkipWhen(MachineMemory.Available > 48_000_000_000, "this machine has the memory for it");
        CliResult check = await TestCli.RunAsync("serve", "--check", "--model",
            SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"), "--context", "1048576", "--kv", "f32");
        Assert.Equal(ExitCode.Failure, check.ExitCode);
        Assert.Contains("needs", check.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_weight_that_a_half_cannot_hold_is_refused_with_its_tensor()
    {
        using var folder = new TemporaryFolder();
        string model = folder.PathOf("model.gguf");
        Write(model, writer => AddVector(writer, "blk.1.attn_v.weight", [64, 32], ElementType.F32, 1e5f));
        foreach ((string type, int exitCode) in new[] { ("f16", 1), ("bf16", 0), ("q8_0", 0) })
        {
            CliResult result = await TestCli.RunAsync("quantize", model, folder.PathOf(type), "--type", type, "--no-report");
            Assert.Equal(exitCode, result.ExitCode);
            if (exitCode == 0) continue;
            Assert.Contains("tensor blk.1.attn_v.weight has the weight 100000, which F16 can't hold", result.Error,
                StringComparison.Ordinal);
            Assert.False(File.Exists(folder.PathOf(type)));
        }
    }

    private static void Break(GgufWriter writer, string fault)
    {
        switch (fault)
        {
            case "experts": writer.Set("llama.expert_count", GgufValue.Of(8u)); break;
            case "architecture": writer.Set("general.architecture", GgufValue.Of("mamba")); break;
            case "causal": writer.Set("llama.attention.causal", GgufValue.Of(false)); break;
            case "bias": AddVector(writer, "output.bias", [512], ElementType.F32, 1); break;
            case "norms": AddVector(writer, "blk.1.attn_norm.weight", [64], ElementType.F16, 1); break;
            case "missing": writer.RemoveTensor("blk.3.ffn_up.weight"); break;
            case "tokenizer": writer.Set("tokenizer.ggml.model", GgufValue.Of("rwkv")); break;
            case "scores": writer.Remove("tokenizer.ggml.scores"); break;
            case "template": writer.Set("tokenizer.chat_template", GgufValue.Of("{{ 1")); break;
            default: throw new ArgumentException(fault);
        }
    }

    private static void AddVector(GgufWriter writer, string name, long[] shape, ElementType type, float value)
    {
        long count = shape.Aggregate(1L, (product, size) => product * size);
        writer.SetTensor(name, shape, type, stream =>
        {
            for (long i = 0; i < count; i++)
                stream.Write(type == ElementType.F32 ? BitConverter.GetBytes(value) : BitConverter.GetBytes((Half)value));
        });
    }

    private static void AddTokens(GgufWriter writer, params string[] texts)
    {
        using GgufFile file = GgufFile.Open(Stories);
        GgufStringArray tokens = file.Metadata.GetStringArray("tokenizer.ggml.tokens");
        writer.Set("tokenizer.ggml.tokens", GgufValue.OfArray([.. tokens, .. texts]));
        writer.Set("tokenizer.ggml.scores",
            GgufValue.OfArray<float>([.. file.Metadata.GetArray<float>("tokenizer.ggml.scores"), .. new float[texts.Length]]));
        writer.Set("tokenizer.ggml.token_type",
            GgufValue.OfArray<int>([.. file.Metadata.GetArray<int>("tokenizer.ggml.token_type"), .. texts.Select(_ => 3)]));
    }

    private static void Write(string path, Action<GgufWriter> change)
    {
        using GgufFile file = GgufFile.Open(Stories);
        GgufWriter writer = GgufWriter.CopyOf(file);
        change(writer);
        writer.Save(path);
    }
}
