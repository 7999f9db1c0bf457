using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Tests.Quantization;

/// <summary>A small real model packed, and what runs of it.</summary>
public sealed class FastQuantizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-quantize").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Layers_become_E4_the_embedding_E8_and_the_rest_stays()
    {
        using GgufFile file = GgufFile.Open(Pack());
        Assert.Equal(Packing.E8Group32, file.FindTensor("token_embd.weight")!.Packed!.Packing);
        Assert.Equal(Packing.E4Group32, file.FindTensor("blk.0.attn_q.weight")!.Packed!.Packing);
        Assert.Equal(ElementType.F32, file.FindTensor("blk.0.ffn_down.weight")!.Type); // 172 columns: not whole blocks of 32
        Assert.Equal(ElementType.F32, file.FindTensor("blk.0.attn_norm.weight")!.Type);
        Assert.Equal(64u, file.Metadata.GetUInt32("general.alignment"));
        Assert.Equal(512, file.Metadata.GetStringArray("tokenizer.ggml.tokens").Count);
    }

    [Fact]
    public void Tensors_lie_in_the_order_of_use()
    {
        using GgufFile file = GgufFile.Open(Pack());
        string[] names = [.. file.Tensors.OrderBy(tensor => tensor.Offset).Select(tensor => tensor.Name)];
        string[] layer =
        [
            "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
        ];
        int layers = ModelLoader.ReadSpec(file).Layers.Count;
        string[] body = [.. Enumerable.Range(0, layers).SelectMany(l => layer.Select(part => $"blk.{l}.{part}.weight"))];
        bool tied = !names.Contains("output.weight");
        Assert.Equal(tied ? [.. body, "output_norm.weight", "token_embd.weight"]
            : ["token_embd.weight", .. body, "output_norm.weight", "output.weight"], names);
    }

    [Fact]
    public void Logits_of_a_packed_model_are_the_same_on_every_kernel_thread_count_and_chunk()
    {
        string path = Pack();
        string expected = Hash(path, new ModelOptions { Kernel = "scalar", Threads = 1 });
        foreach (int chunk in new[] { 1, 7, 64 })
            Assert.Equal(expected, Hash(path, new ModelOptions { Threads = 2, PrefillChunk = chunk }));
        foreach (Kernel kernel in Kernel.Available)
            Assert.Equal(expected, Hash(path, new ModelOptions { Kernel = kernel.Name, Threads = 2, PrefillChunk = 33 }));
    }

    [Fact]
    public void A_packed_model_predicts_nearly_what_it_was_made_from_does()
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf");
        float[] packed = Logits(Pack(), new ModelOptions());
        Assert.InRange(Cosine(Logits(source, new ModelOptions()), packed), 0.99, 1);
        // int8 activations cost little
        Assert.InRange(Cosine(Logits(Pack(), new ModelOptions { FloatActivations = true }), packed), 0.9995, 0.99999999);
    }

    [Fact]
    public void A_packed_stack_says_how_many_experts_it_has_and_another_number_is_refused()
    {
        string whole = Path.Combine(_folder, "whole.gguf"), packed = Path.Combine(_folder, "packed.gguf"),
            wrong = Path.Combine(_folder, "wrong.gguf"), back = Path.Combine(_folder, "back.gguf");
        using (var model = HuggingFaceModel.Open(SharedFolder.Require("golden", "logits", "qwen3-moe")))
            model.Save(whole, _ => { }, CancellationToken.None);
        using (GgufFile file = GgufFile.Open(whole)) new FastQuantizer(Plan(file)).Save(packed, (_, _) => { }, CancellationToken.None);
        using (GgufFile before = GgufFile.Open(whole), file = GgufFile.Open(packed))
        {
            GgufTensor stack = file.FindTensor("blk.0.ffn_up_exps.weight")!;
            Assert.Equal(before.FindTensor(stack.Name)!.Shape, stack.MatrixShape);
            uint[] experts = file.Metadata.GetArray<uint>("edgellm.packed.experts");
            Assert.Equal([1u, (uint)stack.MatrixShape[2]], experts.Distinct().Order());
            new StandardQuantizer(new StandardPlan(file, ElementType.F16, hasImportance: false), importance: null)
                .Save(back, (_, _) => { }, CancellationToken.None);
            GgufWriter writer = GgufWriter.CopyOf(file);
            writer.Set("edgellm.packed.experts", GgufValue.OfArray<uint>([.. experts.Select(count => count == 1 ? 1u : 1000 * count)]));
            writer.Save(wrong);
        }
        using (LanguageModel.Load(packed)) { }
        using (LanguageModel.Load(back)) { }
        Assert.Contains("edgellm.packed.experts", Assert.Throws<GgufException>(() => LanguageModel.Load(wrong)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_an_error_and_leaves_no_file()
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf"), damaged = Path.Combine(_folder, "damaged.gguf"),
            output = Path.Combine(_folder, "out.gguf");
        using (GgufFile file = GgufFile.Open(source))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            GgufTensor tensor = file.FindTensor("blk.1.attn_q.weight")!;
            float[] weights = new float[tensor.ByteCount / 4];
            weights[70] = float.NaN;
            writer.SetTensor(tensor.Name, [.. tensor.Shape], ElementType.F32,
                stream => stream.Write(MemoryMarshal.AsBytes(weights.AsSpan())));
            writer.Save(damaged);
        }
        using GgufFile opened = GgufFile.Open(damaged);
        var exception =
            Assert.Throws<ModelException>(() => new FastQuantizer(Plan(opened)).Save(output, (_, _) => { }, CancellationToken.None));
        Assert.Contains("blk.1.attn_q.weight", exception.Message);
        Assert.Equal([damaged], Directory.GetFiles(_folder));
    }

    private string Pack()
    {
        string path = Path.Combine(_folder, "packed.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        QuantizationPlan plan = Plan(file);
        double written = 0;
        new FastQuantizer(plan).Save(path, (_, share) => written = share, CancellationToken.None);
        Assert.Equal(1, written);
        return path;
    }

    private static QuantizationPlan Plan(GgufFile file) => new(file, Packing.E4Group32, Packing.E8Group32);

    private static double Cosine(float[] x, float[] y)
    {
        double product = 0, left = 0, right = 0;
        for (int i = 0; i < x.Length; i++)
        {
            product += (double)x[i] * y[i];
            left += (double)x[i] * x[i];
            right += (double)y[i] * y[i];
        }
        return product / Math.Sqrt(left * right);
    }

    private static string Hash(string path, ModelOptions options) =>
        Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(Logits(path, options).AsSpan())));

    private static float[] Logits(string path, ModelOptions options)
    {
        int[] ids = [.. Enumerable.Range(0, 70).Select(i => 3 + i * 37 % 490)];
        using var model = LanguageModel.Load(path, options with { ContextLength = 128 });
        float[] logits = new float[ids.Length * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        return logits;
    }
}
