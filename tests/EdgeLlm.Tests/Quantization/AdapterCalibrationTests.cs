using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Packing a model for the adapter that it is going to run with.</summary>
public sealed class AdapterCalibrationTests
{
    private static readonly QuantizationSettings Settings = new() { WindowLength = 64, Windows = 24, TuningEpochs = 0 };

    private static string Source => SharedFolder.Require("golden", "logits", "llama", "model.gguf");

    [Fact]
    public void A_model_that_was_packed_for_its_adapter_is_nearer_to_the_source_with_it()
    {
        using var folder = new TestFolder();
        string adapter = SharedFolder.Require("golden", "adapters", "all-r8"), plain = folder.PathOf("plain.gguf"),
            suited = folder.PathOf("suited.gguf");
        Pack(plain, null);
        Pack(suited, adapter);
        using (GgufFile file = GgufFile.Open(suited))
            Assert.Equal("all-r8", file.Metadata.GetString("edgellm.quantization.calibration.adapters", null));
        double without = Divergence(plain, adapter), with = Divergence(suited, adapter);
        Assert.True(with < without, $"{with} nats with the adapter in the calibration, {without} without");
    }

    [Fact]
    public void Adapters_of_more_than_layers_and_rounding_without_the_loss_are_refused()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "logits", "qwen3", "model.gguf"));
        var plan = new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32, null);
        using var embedding = new ChangedWeights(file, ModelLoader.ReadSpec(file),
            [new ScaledPath(SharedFolder.Require("golden", "adapters", "qwen3", "embed-r4"), 1)]);
        Assert.Contains("changes token_embd.weight",
            Assert.Throws<ModelException>(() => new CalibratedQuantizer(plan, Settings, null, embedding)).Message,
            StringComparison.Ordinal);
        using var layer = new ChangedWeights(file, ModelLoader.ReadSpec(file),
            [new ScaledPath(SharedFolder.Require("golden", "adapters", "qwen3", "layer-1"), 1)]);
        Assert.Contains("--no-gradients",
            Assert.Throws<ModelException>(() =>
                new CalibratedQuantizer(plan, Settings with { UsesGradients = false }, null, layer)).Message, StringComparison.Ordinal);
    }

    private static void Pack(string output, string? adapter)
    {
        using GgufFile file = GgufFile.Open(Source);
        using ChangedWeights? adapters = adapter is null ? null
            : new ChangedWeights(file, ModelLoader.ReadSpec(file), [new ScaledPath(adapter, 1)]);
        new CalibratedQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32, null), Settings, null, adapters)
            .Save(output, (_, _) => { }, CancellationToken.None);
    }

    /// <summary>Mean KL divergence of the source's predictions, both with the adapter, on tokens of a text of its own.</summary>
    private static double Divergence(string packed, string adapter)
    {
        double[][] p = Predictions(Source, adapter), q = Predictions(packed, adapter);
        return p.Zip(q, (first, second) => first.Zip(second, (a, b) => Math.Exp(a) * (a - b)).Sum()).Average();
    }

    /// <summary>Logarithms of probabilities, of each token.</summary>
    private static double[][] Predictions(string path, string adapter)
    {
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { ContextLength = 512, Threads = 2 });
        using KvCache cache = model.CreateCache();
        cache.Adaptation = model.Adapt([new AdapterUse(model.OpenAdapter(adapter))], []);
        int[] tokens =
            [.. model.Tokenizer.Encode(
                "It was a bright cold day in April, and the clocks were striking thirteen. She turned the key, listened, and went down "
                    + "to the river with her brother.")
                .Take(200)];
        int vocabulary = model.Info.VocabularySize;
        float[] logits = new float[tokens.Length * vocabulary];
        model.ForwardAll(tokens, cache, logits);
        return [.. Enumerable.Range(0, tokens.Length).Select(t =>
        {
            float[] row = logits[(t * vocabulary)..((t + 1) * vocabulary)];
            double most = row.Max(), sum = most + Math.Log(row.Sum(logit => Math.Exp(logit - most)));
            return row.Select(logit => logit - sum).ToArray();
        })];
    }
}
