using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// A layer of another build, attention and feed-forward beside each other on a layer norm with a bias, goes through all that walks over
/// layers.
/// </summary>
public sealed class ParallelResidualTests : IDisposable
{
    private const int Width = 64, Heads = 4, Dimension = 16, FeedForward = 96, Vocabulary = 512, Layers = 2;

    private static readonly int[] Tokens = [1, 77, 300, 5, 5, 410, 23, 8];

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-parallel").FullName;
    private readonly Random _random = new(11);
    private readonly Dictionary<string, float[]> _weights = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_computes_what_its_formula_says_whatever_the_kernel_the_chunk_and_the_threads()
    {
        string path = Write();
        double[] expected = Reference();
        float[]? first = null;
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach ((int chunk, int threads) in new[] { (256, 1), (3, 2) })
            {
                float[] logits = LogitsOf(path,
                    new ModelOptions { Kernel = kernel.Name, PrefillChunk = chunk, Threads = threads, CacheType = KeyValueType.F32 });
                for (int i = 0; i < logits.Length; i++) Assert.Equal(expected[i], logits[i], 2e-4);
                Assert.Equal(first ??= logits, logits);
            }
        }
    }

    [Fact]
    public void It_is_planned_profiled_packed_and_calibrated()
    {
        string path = Write(), fast = Path.Combine(_folder, "fast.gguf"), calibrated = Path.Combine(_folder, "calibrated.gguf");
        using (LanguageModel model = LanguageModel.Load(path, new ModelOptions { ContextLength = 64, Threads = 2 }))
        {
            using KvCache cache = model.CreateCache();
            model.Profile = new OperationProfile();
            model.Forward(Tokens, cache);
            Assert.Equal(cache.AllocatedBytes, model.Plan.Cache);
            const long Drafts = 4L * LanguageModel.MostSequences * Vocabulary; // logits of a draft's tokens, which this model has not had
            Assert.Equal(model.AllocatedBytes + Drafts + 4L * Vocabulary, model.Plan.Working - MemoryPlan.ProgramBytes(Vocabulary));
            Assert.Equal(Layers * 3L * Width * FeedForward,
                model.Cost(Operation.GateUp).MultiplyAdds + model.Cost(Operation.Down).MultiplyAdds);
        }
        using (GgufFile file = GgufFile.Open(path))
        {
            new FastQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32))
                .Save(fast, (_, _) => { }, CancellationToken.None);
            var settings = new QuantizationSettings { WindowLength = 32, Windows = 16 };
            new CalibratedQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32), settings, null)
                .Save(calibrated, (_, _) => { }, CancellationToken.None);
        }
        double[] expected = Reference();
        double plain = Distance(fast), tuned = Distance(calibrated);
        Assert.InRange(plain, 1e-6, 0.05);
        Assert.InRange(tuned, 1e-6, 0.05);

        double Distance(string packed)
        {
            float[] logits = LogitsOf(packed, new ModelOptions());
            return logits.Select((logit, i) => Math.Pow(logit - expected[i], 2)).Sum() / expected.Sum(logit => logit * logit);
        }
    }

    [Fact]
    public void The_floats_of_calibration_are_the_models_own()
    {
        using GgufFile file = GgufFile.Open(Write());
        var source = new SourceModel(file);
        var pass = source.NewPass(Tokens.Length);
        source.Embed(Tokens, pass.Stream);
        pass.Forward(l => source.ReadLayer(l), source.OutputNorm);
        float[] head = source.ReadMatrix(source.HeadName);
        double[] expected = Reference();
        for (int row = 0; row < Vocabulary; row++)
        {
            double logit = 0;
            for (int k = 0; k < Width; k++) logit += (double)head[row * Width + k] * pass.Hidden[(Tokens.Length - 1) * Width + k];
            Assert.Equal(expected[row], logit, 2e-4);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 6)]
    public unsafe void Alibi_takes_its_slope_times_the_distance_off_each_score(int keyValueHeads, int heads)
    {
        const int Positions = 70;
        var attention =
            new AttentionSpec { Heads = heads, KeyValueHeads = keyValueHeads, Dimension = Dimension, Scale = 0.25f, MaxAlibiBias = 8 };
        float[] slopes = GC.AllocateArray<float>(heads, pinned: true),
            numbers = GC.AllocateArray<float>((heads + 2 * Positions) * Dimension, pinned: true);
        attention.AlibiSlopes(slopes);
        Assert.Equal(heads == 1 ? [1f / 256] : [0.25f, 0.0625f, 0.015625f, 0.00390625f, 0.5f, 0.125f], slopes);
        for (int i = 0; i < numbers.Length; i++) numbers[i] = 2 * _random.NextSingle() - 1;
        float[] output = GC.AllocateArray<float>(heads * Dimension, pinned: true);
        foreach (Kernel kernel in Kernel.Available)
        {
            using var cache = new KvCache([new KeyValueSpec(1, Dimension)], Positions, 64, KeyValueType.F32, 1);
            using var scratch = new AlignedBuffer(kernel.AttentionScratchBytes(Dimension, 1, heads));
            fixed (float* x = numbers, y = output, s = slopes)
            {
                float* keys = x + heads * Dimension, values = keys + Positions * Dimension;
                for (int position = 0; position < Positions; position++)
                    Assert.True(kernel.Store(cache.Head(0, 0), position, keys + position * Dimension, values + position * Dimension));
                var query = new AttentionQuery
                {
                    Queries = x,
                    Output = y,
                    Stride = heads * Dimension,
                    Tokens = 1,
                    GroupSize = heads,
                    FirstPosition = Positions - 1,
                    Scale = 0.25f,
                    Slopes = s,
                };
                kernel.Attend(cache.Head(0, 0), query, scratch.Start);
                for (int h = 0; h < heads; h++)
                {
                    double[] scores =
                        [.. Enumerable.Range(0, Positions).Select(p => 0.25 * Dot(h, heads + p) - slopes[h] * (Positions - 1 - p))];
                    double sum = scores.Sum(Math.Exp);
                    for (int d = 0; d < Dimension; d++)
                    {
                        double expected = 0;
                        for (int p = 0; p < Positions; p++) expected += Math.Exp(scores[p]) / sum * values[p * Dimension + d];
                        Assert.Equal(expected, y[h * Dimension + d], 1e-5);
                    }
                }
            }
        }

        double Dot(int query, int key) =>
            Enumerable.Range(0, Dimension).Sum(d => (double)numbers[query * Dimension + d] * numbers[key * Dimension + d]);
    }

    private static float[] LogitsOf(string path, ModelOptions options)
    {
        using LanguageModel model = LanguageModel.Load(path, options with { ContextLength = 64 });
        using KvCache cache = model.CreateCache();
        return model.Forward(Tokens, cache).ToArray();
    }

    /// <summary>A StableLM with random weights whose heads are not rotated, with the tokenizer of another model.</summary>
    private string Write()
    {
        _weights.Clear();
        var norm = new NormSpec(1e-5f) { IsCentered = true, HasBias = true };
        ModelSpec like = TestSpecs.Llama(Layers, Width, Heads, Dimension, FeedForward, Vocabulary);
        ModelSpec spec = like with
        {
            OutputNorm = norm,
            Layers = [.. like.Layers.Select(layer => layer with { AttentionNorm = norm, FeedForwardNorm = null, IsParallel = true })],
        };
        var writer = new GgufWriter();
        using GgufFile words = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        foreach ((string key, GgufValue value) in words.Metadata)
        {
            if (key.StartsWith("tokenizer.", StringComparison.Ordinal)) writer.Set(key, value);
        }
        writer.Set("general.architecture", GgufValue.Of("stablelm"));
        writer.Set("stablelm.attention.layer_norm_epsilon", GgufValue.Of(1e-5f));
        writer.Set("stablelm.use_parallel_residual", GgufValue.Of(true));
        foreach ((string key, int size) in new[] { ("context_length", 64), ("block_count", Layers), ("embedding_length", Width),
            ("feed_forward_length", FeedForward), ("attention.head_count", Heads), ("rope.dimension_count", 0) })
            writer.Set("stablelm." + key, GgufValue.Of((uint)size));
        foreach (TensorUse use in TensorTable.Of(spec))
        {
            bool isNorm = use.Name.EndsWith("norm.weight", StringComparison.Ordinal);
            float[] numbers =
                [.. Enumerable.Range(0, use.Rows * use.Columns).Select(_ => (isNorm ? 1 : 0) + 0.3f * (2 * _random.NextSingle() - 1))];
            _weights[use.Name] = numbers;
            writer.SetTensor(use.Name, use.Entry.IsMatrix ? [use.Columns, use.Rows] : [use.Columns], ElementType.F32,
                stream => stream.Write(MemoryMarshal.AsBytes(numbers.AsSpan())));
        }
        string path = Path.Combine(_folder, "model.gguf");
        writer.Save(path);
        return path;
    }

    /// <summary>The last token's logits, in double, straight from the formulas.</summary>
    private double[] Reference()
    {
        double[][] stream =
            [.. Tokens.Select(token => _weights["token_embd.weight"].Skip(token * Width).Take(Width).Select(x => (double)x).ToArray())];
        for (int l = 0; l < Layers; l++)
        {
            double[][] normed = [.. stream.Select(x => Norm(x, $"blk.{l}.attn_norm"))];
            double[][] queries = [.. normed.Select(x => Map(x, $"blk.{l}.attn_q"))],
                keys = [.. normed.Select(x => Map(x, $"blk.{l}.attn_k"))], values = [.. normed.Select(x => Map(x, $"blk.{l}.attn_v"))];
            for (int t = 0; t < stream.Length; t++)
            {
                double[] attended = new double[Width];
                for (int h = 0; h < Heads; h++)
                {
                    double[] scores = [.. Enumerable.Range(0, t + 1)
                        .Select(p => Enumerable.Range(h * Dimension, Dimension)
                            .Sum(i => queries[t][i] * keys[p][i]) / Math.Sqrt(Dimension))];
                    double sum = scores.Sum(Math.Exp);
                    for (int i = h * Dimension; i < (h + 1) * Dimension; i++)
                        attended[i] = Enumerable.Range(0, t + 1).Sum(p => Math.Exp(scores[p]) / sum * values[p][i]);
                }
                double[] active = [.. Map(normed[t], $"blk.{l}.ffn_gate")
                    .Zip(Map(normed[t], $"blk.{l}.ffn_up"), (gate, up) => gate / (1 + Math.Exp(-gate)) * up)];
                double[] mixed = Map(attended, $"blk.{l}.attn_output"), fed = Map(active, $"blk.{l}.ffn_down");
                for (int i = 0; i < Width; i++) stream[t][i] += mixed[i] + fed[i];
            }
        }
        return Map(Norm(stream[^1], "output_norm"), "token_embd");
    }

    private double[] Norm(double[] x, string name)
    {
        double mean = x.Average(), inverse = 1 / Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + 1e-5);
        return [.. x.Select((value, i) => (value - mean) * inverse * _weights[name + ".weight"][i] + _weights[name + ".bias"][i])];
    }

    private double[] Map(double[] x, string name)
    {
        float[] weights = _weights[name + ".weight"], bias = _weights.GetValueOrDefault(name + ".bias") ?? [];
        return [.. Enumerable.Range(0, weights.Length / x.Length)
            .Select(row => x.Select((value, k) => value * weights[row * x.Length + k]).Sum() + (bias.Length > 0 ? bias[row] : 0))];
    }
}
