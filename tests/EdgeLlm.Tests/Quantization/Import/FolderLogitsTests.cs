using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Tests.Models;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>
/// Tiny checkpoints from their folders, as they are and imported, against float64 transformers: the bounds of `golden/logits/README.md`.
/// </summary>
public sealed class FolderLogitsTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> Families() => [.. GoldenLogitsTests.Decoders];

    public static TheoryData<string> FamiliesWithFile() => [.. GoldenLogitsTests.WithFile];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Families))]
    public void Logits_and_greedy_tokens_are_those_of_the_reference(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family);
        GoldenLogitsTests.CheckPrompts(Import(folder), folder, [0, 1, 2, 3], int.MaxValue);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void The_folder_itself_gives_the_reference_s_logits_and_greedy_tokens(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family);
        if (GoldenLogitsTests.Rewritten.Contains(family))
            Assert.Contains("so the folder can't run as it is: first edgellm quantize",
                Assert.Throws<ModelException>(() => LanguageModel.Load(folder)).Message, StringComparison.Ordinal);
        else GoldenLogitsTests.CheckPrompts(folder, folder, [0, 1, 2, 3], int.MaxValue);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Packed_without_calibration_it_is_no_further_off_than_plain_rounding(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family), packed = _folder.PathOf("packed.gguf");
        using (GgufFile file = GgufFile.Open(Import(folder)))
            new FastQuantizer(Plan(file)).Save(packed, (_, _) => { }, CancellationToken.None);
        CheckDivergence(folder, packed);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Packed_with_calibration_it_is_no_further_off_than_plain_rounding(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family), packed = _folder.PathOf("packed.gguf");
        using (GgufFile file = GgufFile.Open(Import(folder)))
        {
            QuantizationPlan plan = Plan(file);
            if (QuantizationBudget.CanFit(file)) // its forms are chosen, in the same bytes
            {
                plan.Rotates = true;
                long bytes = plan.OutputBytes, read = plan.Tensors.Sum(plan.ReadBytesOf);
                new QuantizationBudget(plan, null, (_, _) => { }, CancellationToken.None, QuantizationBudget.DefaultForms).Fit(bytes, read);
            }
            new CalibratedQuantizer(plan, new QuantizationSettings(), null).Save(packed, (_, _) => { }, CancellationToken.None);
        }
        CheckDivergence(folder, packed);
    }

    [Theory]
    [MemberData(nameof(FamiliesWithFile))]
    public void Keys_and_weights_are_those_of_the_reference_converter(string family)
    {
        string folder = SharedFolder.Require("golden", "logits", family);
        using GgufFile ours = GgufFile.Open(Import(folder)), reference = GgufFile.Open(Path.Combine(folder, "model.gguf"));
        Assert.Equal(reference.Tensors.Select(tensor => tensor.Name).Order(), ours.Tensors.Select(tensor => tensor.Name).Order());
        foreach (GgufTensor tensor in reference.Tensors)
        {
            GgufTensor mine = ours.FindTensor(tensor.Name)!;
            Assert.Equal(tensor.Shape, mine.Shape);
            // The converter puts heads in pairs in layers that are not rotated, too: queries and keys alike, so that nothing changes.
            if (family == "smollm3" && tensor.Name is "blk.3.attn_q.weight" or "blk.3.attn_k.weight") continue;
            if (family == "granite4-hybrid" && tensor.Name is "blk.2.attn_q.weight" or "blk.2.attn_k.weight") continue;
            float[] expected = Values(reference, tensor), actual = Values(ours, mine);
            if (tensor.Name.StartsWith("rope_", StringComparison.Ordinal))
                Assert.Equal(expected, actual, (x, y) => Math.Abs(x - y) <= 1e-6 * x);
            else if (tensor.Name.EndsWith("ssm_a", StringComparison.Ordinal))
                Assert.Equal(expected, actual, (x, y) => Math.Abs(x - y) <= 1e-6 * Math.Abs(x)); // an exponential
            else Assert.Equal(expected, actual);
        }
        // Ours and not the converter's, or the other way round.
        string[] others = ["general.name", "general.size_label", "general.file_type", "general.quantization_version", "tokenizer.ggml.pre",
            "tokenizer.ggml.add_sep_token", "tokenizer.ggml.scores",
            "falcon.tensor_data_layout", "falcon.context_length",
            "bloom.context_length"]; // the converter writes a length of its own making
        foreach ((string key, GgufValue value) in reference.Metadata)
        {
            // Its file names a tokenizer of merges of its own; ours has the folder's pipeline under another name.
            if (family == "gemma4" && key.StartsWith("tokenizer.", StringComparison.Ordinal)) continue;
            if (others.Contains(key) || family.StartsWith("gemma", StringComparison.Ordinal)
                && key is "tokenizer.ggml.eot_token_id" or "tokenizer.ggml.add_space_prefix")
                continue;
            Assert.True(ours.Metadata.TryGet(key, out GgufValue? mine), key);
            Assert.Equal((key, Convert.ToHexString(value.Bytes)), (key, Convert.ToHexString(mine.Bytes)));
        }
    }

    private string Import(string folder)
    {
        string path = _folder.PathOf("imported.gguf");
        using var model = HuggingFaceModel.Open(folder);
        long written = 0;
        model.Save(path, bytes => written += bytes, CancellationToken.None);
        Assert.Equal(model.ByteCount, written);
        if (Path.GetFileName(folder) == "gemma4")
            Assert.Contains("5 tensors of other parts are left out", Assert.Single(model.Notes), StringComparison.Ordinal);
        else if (Path.GetFileName(folder) == "qwen3-5")
            Assert.Contains("10 tensors of other parts are left out", Assert.Single(model.Notes), StringComparison.Ordinal);
        else if (Path.GetFileName(folder) == "ministral3")
            Assert.Contains("4 tensors of other parts are left out", Assert.Single(model.Notes), StringComparison.Ordinal);
        else Assert.Empty(model.Notes);
        return path;
    }

    private static QuantizationPlan Plan(GgufFile file) => new(file, Packing.E4Group32, Packing.E8Group32);

    private static float[] Values(GgufFile file, GgufTensor tensor)
    {
        float[] values = new float[tensor.Rows * tensor.Columns];
        Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, 0, (int)tensor.ByteCount), values);
        return values;
    }

    /// <summary>Mean KL divergence of the packed model from the reference on prompt 2, against that of plain 4-bit rounding.</summary>
    private static void CheckDivergence(string folder, string packed)
    {
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        double bound = expected.RootElement.GetProperty("kl_plain_4bit").GetDouble();
        Assert.True(bound > 0);
        float[] wanted = Safetensors.Read(Path.Combine(folder, "expected.safetensors"))["logits_2"].Values;
        int[] ids = [.. expected.RootElement.GetProperty("prompts")[2].GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
        using var model = LanguageModel.Load(packed, new ModelOptions { CacheType = KeyValueType.F32, ContextLength = 256, Threads = 2 });
        float[] logits = new float[wanted.Length];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        int vocabulary = model.Info.VocabularySize;
        double sum = 0;
        for (int position = 0; position < ids.Length; position++)
            sum += Divergence(wanted.AsSpan(position * vocabulary, vocabulary), logits.AsSpan(position * vocabulary, vocabulary));
        TestContext.Current.TestOutputHelper?.WriteLine($"KL {sum / ids.Length:F4}, bound {bound:F4}");
        Assert.InRange(sum / ids.Length, 0, bound);
    }

    private static double Divergence(ReadOnlySpan<float> wanted, ReadOnlySpan<float> actual)
    {
        double wantedSum = LogSum(wanted), actualSum = LogSum(actual), divergence = 0;
        for (int i = 0; i < wanted.Length; i++)
        {
            double logProbability = wanted[i] - wantedSum;
            divergence += Math.Exp(logProbability) * (logProbability - (actual[i] - actualSum));
        }
        return divergence;
    }

    private static double LogSum(ReadOnlySpan<float> logits)
    {
        double most = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) most = Math.Max(most, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - most);
        return most + Math.Log(sum);
    }
}
