using System.Globalization;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Inspection;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Tests.Models.Inspection;

/// <summary>What is seen inside a model is what it computes.</summary>
public sealed class ModelExplainerTests
{
    private static readonly ModelOptions Options = new() { CacheType = KeyValueType.F32, ContextLength = 128, Threads = 2 };

    private static readonly int[] Prompt = [126, 333, 424, 393, 118, 250, 189, 21, 147];

    [Fact]
    public void Candidates_are_the_softmax_of_the_logits_and_an_answer_the_likeliest_tokens()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "llama", "model.gguf"), Options);
        Explanation explanation =
            new ModelExplainer(model, new ExplainOptions { Top = 5 }).Explain(Prompt, 6, TestContext.Current.CancellationToken);
        Assert.Equal(9, explanation.PromptTokens);
        float[] logits = new float[explanation.Tokens.Count * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll([.. explanation.Tokens.Select(token => token.Id)], cache, logits);
        for (int i = 1; i < explanation.Tokens.Count; i++)
        {
            double[] wanted = Softmax(logits.AsSpan((i - 1) * model.Info.VocabularySize, model.Info.VocabularySize));
            ExplainedToken token = explanation.Tokens[i];
            Assert.Equal(wanted[token.Id], token.Probability!.Value, 1e-12);
            Assert.Equal(wanted.OrderDescending().Take(5), token.Candidates.Select(candidate => candidate.Probability));
            Assert.Equal(1 + wanted.Count(other => other > wanted[token.Id]), token.Rank);
            if (i >= explanation.PromptTokens) Assert.Equal(1, token.Rank);
        }
    }

    [Theory]
    [InlineData("llama"), InlineData("gemma2"), InlineData("qwen3-5")]
    public void The_lens_of_a_layer_is_a_model_that_ends_after_it(string family)
    {
        string path = SharedFolder.Require("golden", "logits", family, "model.gguf");
        using LanguageModel model = LanguageModel.Load(path, Options);
        Explanation explanation =
            new ModelExplainer(model, new ExplainOptions { Layers = true }).Explain(Prompt, 0, TestContext.Current.CancellationToken);
        int layers = model.Info.BlockCount;
        Assert.Equal(Enumerable.Range(0, layers), explanation.Layers);
        using var folder = new TestFolder();
        int first = explanation.Heads.Index().First(layer => layer.Item > 0).Index; // a file of recurrent layers alone does not run
        for (int layer = first; layer < layers; layer++)
        {
            string cut = folder.PathOf("cut.gguf");
            using (GgufFile file = GgufFile.Open(path)) Cut(file, layer + 1, cut);
            using LanguageModel shorter = LanguageModel.Load(cut, Options);
            float[] logits = new float[Prompt.Length * shorter.Info.VocabularySize];
            using KvCache cache = shorter.CreateCache();
            shorter.ForwardAll(Prompt, cache, logits);
            for (int i = 0; i < Prompt.Length; i++)
            {
                double[] wanted = Softmax(logits.AsSpan(i * shorter.Info.VocabularySize, shorter.Info.VocabularySize));
                Assert.Equal(wanted.OrderDescending().Take(5),
                    explanation.Tokens[i].Layers[layer].Lens.Select(candidate => candidate.Probability));
            }
        }
    }

    [Theory]
    [InlineData("llama", KeyValueType.F32), InlineData("gemma2", KeyValueType.F32), InlineData("gpt-oss", KeyValueType.F32),
        InlineData("bloom", KeyValueType.F32), InlineData("mistral-window", KeyValueType.F32), InlineData("llama", KeyValueType.I8)]
    public void Attention_is_that_of_a_plain_recomputation_in_double(string family, KeyValueType type)
    {
        using LanguageModel model =
            LanguageModel.Load(SharedFolder.Require("golden", "logits", family, "model.gguf"), Options with { CacheType = type });
        int[] prompt = [.. Enumerable.Range(3, 40)];
        Explanation explanation = new ModelExplainer(model, new ExplainOptions { Layers = true, Attention = 0 })
            .Explain(prompt, 0, TestContext.Current.CancellationToken);
        // Values weighted with the shares have to be what the pass attended to: of each layer and head, from the registers of another pass.
        var values = new Dictionary<int, float[][]>();
        var attended = new Dictionary<int, (AttendStep Step, float[][] Rows)>();
        model.Observer = (step, pass) =>
        {
            if (pass.Layer is not { } layer) return;
            if (step is StoreStep store) values[layer] = RowsOf(store.Values, pass.Tokens);
            if (step is AttendStep attend) attended[layer] = (attend, RowsOf(attend.To, pass.Tokens));
        };
        using KvCache cache = model.CreateCache();
        model.ForwardAll(prompt, cache, new float[prompt.Length * model.Info.VocabularySize]);
        model.Observer = null;
        double bound = type == KeyValueType.F32 ? 2e-5 : 2e-2;
        foreach ((int layer, (AttendStep step, float[][] rows)) in attended)
        {
            int dimension = step.Attention.Dimension;
            for (int token = 0; token < prompt.Length; token++)
            {
                for (int head = 0; head < step.Attention.Heads; head++)
                {
                    var shares = explanation.Tokens[token].Layers[layer].Attention[head];
                    Assert.All(shares, share => Assert.InRange(share.Position, 0, token));
                    for (int d = 0; d < dimension; d++)
                    {
                        double sum = shares.Sum(share =>
                            share.Share * values[layer][share.Position][head / step.Attention.GroupSize * dimension + d]);
                        Assert.Equal(sum, rows[token][head * dimension + d], bound * Math.Max(1, Math.Abs(sum)));
                    }
                }
            }
        }
        Assert.NotEmpty(attended);
    }

    [Fact]
    public void Only_the_largest_shares_of_attention_and_the_chosen_layers_are_kept()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "llama", "model.gguf"), Options);
        Explanation explanation =
            new ModelExplainer(model, new ExplainOptions { Layers = true, FirstLayer = 1, LastLayer = 1, Attention = 3 })
                .Explain(Prompt, 0, TestContext.Current.CancellationToken);
        Assert.Equal([1], explanation.Layers);
        Assert.All(explanation.Tokens[8].Layers[0].Attention, head => Assert.Equal(3, head.Count));
    }

    [Theory]
    [InlineData("qwen3-5"), InlineData("granite4-hybrid"), InlineData("qwen3-moe")]
    public void States_and_experts_are_told_of_layers_that_have_them(string family)
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", family, "model.gguf"), Options);
        Explanation explanation =
            new ModelExplainer(model, new ExplainOptions { Layers = true }).Explain(Prompt, 0, TestContext.Current.CancellationToken);
        bool hasStates = family != "qwen3-moe", hasExperts = family != "qwen3-5";
        foreach (ExplainedToken token in explanation.Tokens)
        {
            Assert.Equal(hasStates, token.Layers.Any(layer => layer.StateNorm > 0));
            Assert.Equal(hasExperts, token.Layers.Any(layer => layer.Experts.Count > 0 && layer.Experts.Sum(expert => expert.Weight) > 0));
            Assert.All(token.Layers, layer => Assert.True(layer.Norm > 0 && layer.Lens.Count > 0));
        }
    }

    [Fact]
    public void A_control_vector_moves_the_stream_by_its_scale_and_another_layer_not_before_its_own()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("golden", "logits", "llama", "model.gguf"), Options);
        float[] direction = [.. Enumerable.Range(0, model.Info.EmbeddingLength).Select(i => (float)Math.Sin(i))];
        var vector = new ControlVector("test", [null, direction]);
        double[] plain = Norms([]), moved = Norms([new ControlVectorUse(vector, 4)]), left = Norms([new ControlVectorUse(vector, 4, 0, 0)]);
        Assert.Equal(plain[0], moved[0]);
        Assert.NotEqual(plain[1], moved[1]);
        Assert.Equal(plain, left);

        double[] Norms(ControlVectorUse[] vectors) =>
            [.. new ModelExplainer(model, new ExplainOptions { Layers = true, ControlVectors = vectors })
                .Explain(Prompt, 0, TestContext.Current.CancellationToken).Tokens[^1].Layers.Select(layer => layer.Norm)];
    }

    private static unsafe float[][] RowsOf(Operand operand, int tokens) =>
        [.. Enumerable.Range(0, tokens).Select(token => new ReadOnlySpan<float>(operand.Row(token), operand.Width).ToArray())];

    private static void Cut(GgufFile file, int layers, string path)
    {
        GgufWriter writer = GgufWriter.CopyOf(file);
        string architecture = file.Metadata.GetString("general.architecture");
        writer.Set(architecture + ".block_count", GgufValue.Of((uint)layers));
        foreach (GgufTensor tensor in file.Tensors)
        {
            if (tensor.Name.Split('.') is ["blk", var number, ..] && int.Parse(number, CultureInfo.InvariantCulture) >= layers)
                writer.RemoveTensor(tensor.Name);
        }
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            // Keys with a number a layer.
            if (key.StartsWith(architecture, StringComparison.Ordinal) && value.TryGetArray(out int[]? numbers) && numbers.Length > layers
                && key.Contains("recurrent", StringComparison.Ordinal))
                writer.Set(key, GgufValue.OfArray<int>(numbers.AsSpan(0, layers)));
        }
        writer.Save(path);
    }

    private static double[] Softmax(ReadOnlySpan<float> logits)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        double[] probabilities = new double[logits.Length];
        for (int i = 0; i < logits.Length; i++) sum += probabilities[i] = Math.Exp(logits[i] - largest);
        for (int i = 0; i < logits.Length; i++) probabilities[i] /= sum;
        return probabilities;
    }
}
