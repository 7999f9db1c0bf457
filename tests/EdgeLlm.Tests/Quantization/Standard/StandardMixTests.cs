using System.Diagnostics;
using System.Text.RegularExpressions;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Tests.Quantization.Standard;

/// <summary>Which type each tensor gets, against what llama-quantize says that it would take.</summary>
public sealed partial class StandardMixTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-mix").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string, string, int, bool> Cases()
    {
        var cases = new TheoryData<string, string, int, bool>();
        foreach (string type in new[] { "Q4_0", "Q8_0", "IQ4_NL", "Q4_K", "F16", "BF16" })
        {
            foreach (int width in new[] { 512, 576 })
            {
                foreach (bool tied in new[] { false, true }) cases.Add(type, type == "Q4_K" ? "Q4_K_M" : type, width, tied);
            }
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_tensor_gets_the_type_that_llama_quantize_takes(string type, string theirName, int width, bool tied)
    {
        string path = WriteModel(width, tied, layers: 17);
        using GgufFile file = GgufFile.Open(path);
        foreach (bool hasImportance in new[] { false, true })
        {
            var plan = new StandardPlan(file, Enum.Parse<ElementType>(type), hasImportance);
            Dictionary<string, string> theirs = AskLlamaQuantize(path, theirName, hasImportance ? WriteImportance(file) : null);
            Assert.Equal(file.Tensors.Count, theirs.Count);
            foreach (GgufTensor tensor in file.Tensors)
                Assert.Equal((tensor.Name, theirs[tensor.Name]), (tensor.Name, plan.TypeOf(tensor).ToString().ToUpperInvariant()));
        }
    }

    /// <summary>A llama without a sensible weight: the tokenizer of a real one, two query heads... of four to a key head.</summary>
    private string WriteModel(int width, bool tied, int layers)
    {
        using GgufFile vocabulary = GgufFile.Open(SharedFolder.Require("golden", "tokenizers", "ggml-vocab-llama-spm.gguf"));
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in vocabulary.Metadata)
        {
            if (key.StartsWith("tokenizer.", StringComparison.Ordinal)) writer.Set(key, value);
        }
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("general.file_type", GgufValue.Of(1u));
        writer.Set("llama.vocab_size", GgufValue.Of(32000u));
        writer.Set("llama.context_length", GgufValue.Of(128u));
        writer.Set("llama.embedding_length", GgufValue.Of((uint)width));
        writer.Set("llama.block_count", GgufValue.Of((uint)layers));
        writer.Set("llama.feed_forward_length", GgufValue.Of(768u));
        writer.Set("llama.attention.head_count", GgufValue.Of(8u));
        writer.Set("llama.attention.head_count_kv", GgufValue.Of(2u));
        writer.Set("llama.attention.layer_norm_rms_epsilon", GgufValue.Of(1e-5f));
        writer.Set("llama.rope.dimension_count", GgufValue.Of((uint)(width / 8)));
        Add("token_embd.weight", width, 32000);
        if (!tied) Add("output.weight", width, 32000);
        Add("output_norm.weight", width);
        for (int l = 0; l < layers; l++)
        {
            Add($"blk.{l}.attn_norm.weight", width);
            Add($"blk.{l}.ffn_norm.weight", width);
            Add($"blk.{l}.attn_q.weight", width, width);
            Add($"blk.{l}.attn_k.weight", width, width / 4);
            Add($"blk.{l}.attn_v.weight", width, width / 4);
            Add($"blk.{l}.attn_output.weight", width, width);
            Add($"blk.{l}.ffn_gate.weight", width, 768);
            Add($"blk.{l}.ffn_up.weight", width, 768);
            Add($"blk.{l}.ffn_down.weight", 768, width);
        }
        string path = Path.Combine(_folder, "model.gguf");
        writer.Save(path);
        return path;

        void Add(string name, params long[] shape)
        {
            ElementType type = shape.Length == 1 ? ElementType.F32 : ElementType.F16;
            long bytes = ElementFormat.ByteCount(type, shape.Aggregate((x, y) => x * y));
            writer.SetTensor(name, shape, type, output => output.Write(new byte[bytes]));
        }
    }

    private string WriteImportance(GgufFile file)
    {
        string path = Path.Combine(_folder, "imatrix.gguf");
        var means = file.Tensors.Where(tensor => TensorTable.IsLayerMatrix(tensor.Name))
            .ToDictionary(tensor => tensor.Name, tensor => Enumerable.Repeat(1f, (int)tensor.Columns).ToArray());
        new ImportanceMatrix("test", "test", 1, 512, means).Write(path);
        return path;
    }

    /// <summary>Types by tensor, out of its dry run.</summary>
    private static Dictionary<string, string> AskLlamaQuantize(string path, string type, string? importance)
    {
        string[] options = importance is null ? [] : ["--imatrix", importance];
        var start = new ProcessStartInfo(SharedFolder.Require("peers", "llamacpp"), ["llama-quantize", .. options, "--dry-run", path, type])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string text = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, text);
        return TensorLine().Matches(text)
            .ToDictionary(match => match.Groups["name"].Value,
                match => match.Groups["new"] is { Success: true } next ? next.Value.ToUpperInvariant()
                    : match.Groups["type"].Value.ToUpperInvariant());
    }

    [GeneratedRegex(@"^\[ *\d+/ *\d+\] +(?<name>\S+) .* type = +(?<type>\w+), (?:.*size = [^(\n]*\((?<new>\w+)\))?",
        RegexOptions.Multiline)]
    private static partial Regex TensorLine();
}
