using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Tests.Quantization;

/// <summary>
/// Models whose weights a training for Q4_0 left on its lattice, published as floats: their codes are found again and kept.
/// </summary>
public sealed class Q4LatticeTests : IDisposable
{
    private const int BlockLength = 32;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    public void A_real_model_on_the_lattice_keeps_its_codes_and_predicts_what_it_did(ElementType type)
    {
        string lattice = OnLattice(SharedFolder.Require("models", "stories260K.f32.gguf"), type), packed = _folder.PathOf("packed.gguf");
        using (GgufFile file = GgufFile.Open(lattice)) new FastQuantizer(Plan(file)).Save(packed, (_, _) => { }, CancellationToken.None);
        AssertKept(lattice, packed);
        Assert.InRange(Divergence(lattice, packed), 0, 0.001);
    }

    [Fact]
    public void A_tiny_Gemma_3_in_a_folder_of_BF16_keeps_its_codes_also_with_calibration()
    {
        string imported = _folder.PathOf("imported.gguf"), fast = _folder.PathOf("fast.gguf"),
            calibrated = _folder.PathOf("calibrated.gguf");
        using (var model = HuggingFaceModel.Open(SharedFolder.Require("golden", "logits", "gemma3")))
            model.Save(imported, _ => { }, CancellationToken.None);
        string lattice = OnLattice(imported, ElementType.BF16);
        using (GgufFile file = GgufFile.Open(lattice))
        {
            new FastQuantizer(Plan(file)).Save(fast, (_, _) => { }, CancellationToken.None);
            new CalibratedQuantizer(Plan(file), new QuantizationSettings { WindowLength = 64, Windows = 8 }, null)
                .Save(calibrated, (_, _) => { }, CancellationToken.None);
        }
        AssertKept(lattice, fast);
        AssertKept(lattice, calibrated);
        // With float activations, as those of the BF16 file are: int8 ones alone cost 0.002 with random weights.
        Assert.InRange(Divergence(lattice, fast, floatActivations: true), 0, 0.001);
        Assert.InRange(Divergence(lattice, calibrated, floatActivations: true), 0, 0.001);
    }

    [Fact]
    public void A_model_that_is_on_no_lattice_is_packed_as_before()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        Assert.Empty(Q4Lattice.Find(file, CancellationToken.None));
    }

    [Fact]
    public void Types_of_four_bits_keep_a_lattice_and_others_are_as_asked()
    {
        string lattice = OnLattice(SharedFolder.Require("models", "stories260K.f32.gguf"), ElementType.F16),
            target = _folder.PathOf("standard.gguf");
        using GgufFile file = GgufFile.Open(lattice);
        IReadOnlySet<string> names = Q4Lattice.Find(file, CancellationToken.None);
        GgufTensor tensor = file.FindTensor("blk.0.attn_q.weight")!;
        Assert.Equal(ElementType.Q4_0, new StandardPlan(file, ElementType.Q4_K, hasImportance: false, names).TypeOf(tensor));
        Assert.Equal(ElementType.Q8_0, new StandardPlan(file, ElementType.Q8_0, hasImportance: false, names).TypeOf(tensor));
        new StandardQuantizer(new StandardPlan(file, ElementType.Q4_0, hasImportance: false, names), importance: null)
            .Save(target, (_, _) => { }, CancellationToken.None);
        AssertKept(lattice, target);
    }

    [Fact]
    public void A_budget_counts_what_is_kept_as_fixed()
    {
        using GgufFile file = GgufFile.Open(
            OnLattice(SharedFolder.Require("models", "stories260K.f32.gguf"), ElementType.F16, name => name.Contains("ffn_")));
        IReadOnlySet<string> names = Q4Lattice.Find(file, CancellationToken.None);
        Assert.Equal(10, names.Count); // gate and up of five layers; ffn_down has rows of 172
        var plan = new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32, names);
        long kept = names.Sum(name => plan.BytesOf(file.FindTensor(name)!));
        Assert.Equal(names.Sum(name => file.FindTensor(name)!.Rows * file.FindTensor(name)!.Columns) / BlockLength * 18, kept);
        Assert.True(plan.OtherBytes >= kept);
        Assert.All(names, name => Assert.Equal(Packing.None, plan.PackingOf(name)));
    }

    [Theory]
    [InlineData(2000, true)]
    [InlineData(500, false)]
    public void One_block_in_a_thousand_may_be_beside_the_lattice_and_is_rounded(int every, bool isOn)
    {
        float[] weights = Lattice(new Random(7), 256 * 256, ElementType.F32);
        for (int block = 0; block < weights.Length / BlockLength; block += every) weights[block * BlockLength + 3] *= 1.13f;
        string path = _folder.PathOf("blocks.gguf");
        var writer = new GgufWriter();
        writer.SetTensor("blk.0.attn_q.weight", [256, 256], ElementType.F32, output => output.Write(MemoryMarshal.AsBytes<float>(weights)));
        writer.Save(path);
        using GgufFile file = GgufFile.Open(path);
        Assert.Equal(isOn, Q4Lattice.IsOn(file, file.Tensors[0], CancellationToken.None));
        using var stream = new MemoryStream();
        Q4Lattice.Write(file, file.Tensors[0], stream, _ => { }, CancellationToken.None);
        float[] back = new float[weights.Length];
        Dequantizer.ToFloat(ElementType.Q4_0, stream.ToArray(), back);
        for (int k = 0; k < back.Length; k++)
        {
            if (k / BlockLength % every != 0) Assert.Equal(weights[k], back[k]);
            else Assert.Equal(weights[k], back[k], 0.1);
        }
    }

    [Fact]
    public void Scales_of_either_sign_and_blocks_without_a_largest_code_are_found()
    {
        Span<sbyte> codes = stackalloc sbyte[BlockLength];
        float[] block = new float[BlockLength];
        var random = new Random(3);
        foreach (ElementType type in new[] { ElementType.F32, ElementType.F16, ElementType.BF16 })
        {
            for (int run = 0; run < 2000; run++)
            {
                float scale = (float)(Half)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-10, 3)));
                int least = -random.Next(1, 9), most = random.Next(0, 8);
                for (int k = 0; k < BlockLength; k++) block[k] = Rounded(scale * random.Next(least, most + 1), type);
                bool isZero = block.All(weight => weight == 0);
                Assert.Equal(!isZero, Q4Lattice.TryFit(block, type, codes, out ushort half));
                for (int k = 0; k < BlockLength && !isZero; k++)
                    Assert.Equal(block[k], Rounded(HalfConversion.ToFloat(half) * codes[k], type));
            }
        }
    }

    /// <summary>A copy of a file whose matrices are rounded to Q4_0, and written as floats again.</summary>
    private string OnLattice(string source, ElementType type, Func<string, bool>? where = null)
    {
        string path = _folder.PathOf($"lattice-{type}.gguf");
        using GgufFile file = GgufFile.Open(source);
        GgufWriter writer = GgufWriter.CopyOf(file);
        foreach (GgufTensor tensor in file.Tensors.Where(tensor => QuantizationPlan.CanPack(tensor)
            && (where is null || where(tensor.Name))))
        {
            float[] weights = new float[tensor.Rows * tensor.Columns];
            new WeightRows(file, tensor).Read(0, weights);
            byte[] bytes = new byte[ElementFormat.ByteCount(ElementType.Q4_0, weights.Length)];
            BlockEncoder.Encode(ElementType.Q4_0, weights, [], bytes);
            Dequantizer.ToFloat(ElementType.Q4_0, bytes, weights);
            byte[] stored = new byte[ElementFormat.ByteCount(type, weights.Length)];
            BlockEncoder.Encode(type, weights, [], stored);
            writer.SetTensor(tensor.Name, [.. tensor.Shape], type, output => output.Write(stored));
        }
        writer.Save(path);
        return path;
    }

    /// <summary>
    /// At least 999 of 1,000 blocks of each matrix that is Q4_0 now give the source's weights, rounded to their type; and all matrices that
    /// could be are.
    /// </summary>
    private static void AssertKept(string source, string packed)
    {
        using GgufFile before = GgufFile.Open(source), after = GgufFile.Open(packed);
        GgufTensor[] matrices = [.. before.Tensors.Where(QuantizationPlan.CanPack)];
        Assert.Equal(matrices.Length, after.Metadata.GetStringArray(ModelWriter.LatticesKey).Count);
        foreach (GgufTensor tensor in matrices)
        {
            GgufTensor kept = after.FindTensor(tensor.Name)!;
            Assert.Equal(ElementType.Q4_0, kept.Type);
            float[] wanted = new float[tensor.Rows * tensor.Columns], actual = new float[wanted.Length];
            new WeightRows(before, tensor).Read(0, wanted);
            new WeightRows(after, kept).Read(0, actual);
            int exact = 0;
            for (int start = 0; start < wanted.Length; start += BlockLength)
            {
                int k = start;
                while (k < start + BlockLength && Rounded(actual[k], tensor.Type) == wanted[k]) k++;
                if (k == start + BlockLength) exact++;
            }
            Assert.True(exact >= 0.999 * (wanted.Length / BlockLength), $"{tensor.Name}: {exact} of {wanted.Length / BlockLength} blocks");
        }
    }

    private static float[] Lattice(Random random, int count, ElementType type)
    {
        float[] weights = new float[count];
        for (int start = 0; start < count; start += BlockLength)
        {
            float scale = (float)(Half)(0.01 + 0.05 * random.NextDouble());
            for (int k = 0; k < BlockLength; k++) weights[start + k] = Rounded(scale * random.Next(-8, 8), type);
        }
        return weights;
    }

    private static float Rounded(float weight, ElementType type) => type switch
    {
        ElementType.F16 => (float)(Half)weight,
        ElementType.BF16 => BrainFloatConversion.ToFloat(BrainFloatConversion.FromFloat(weight)),
        _ => weight,
    };

    private static QuantizationPlan Plan(GgufFile file) =>
        new(file, Packing.E4Group32, Packing.E8Group32, Q4Lattice.Find(file, CancellationToken.None));

    /// <summary>Mean KL divergence of predictions on some tokens.</summary>
    private static double Divergence(string first, string second, bool floatActivations = false)
    {
        (float[] a, int vocabulary) = Logits(first, floatActivations);
        (float[] b, _) = Logits(second, floatActivations);
        double sum = 0;
        for (int start = 0; start < a.Length; start += vocabulary)
        {
            double[] p = LogProbabilities(a.AsSpan(start, vocabulary)), q = LogProbabilities(b.AsSpan(start, vocabulary));
            for (int i = 0; i < vocabulary; i++) sum += Math.Exp(p[i]) * (p[i] - q[i]);
        }
        return sum / (a.Length / vocabulary);
    }

    private static double[] LogProbabilities(ReadOnlySpan<float> logits)
    {
        double[] values = [.. logits.ToArray().Select(logit => (double)logit)];
        double logSum = Math.Log(values.Sum(Math.Exp));
        return [.. values.Select(value => value - logSum)];
    }

    private static (float[] Logits, int Vocabulary) Logits(string path, bool floatActivations)
    {
        using var model = LanguageModel.Load(path,
            new ModelOptions { ContextLength = 128, CacheType = KeyValueType.F32, FloatActivations = floatActivations });
        int[] ids = model.Tokenizer.Encode(
            "Sara and Ben liked to play in the garden. They found a small green frog near the pond and wanted to keep it.", false, true);
        float[] logits = new float[ids.Length * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        return (logits, model.Info.VocabularySize);
    }
}
