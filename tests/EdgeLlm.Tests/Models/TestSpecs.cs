using EdgeLlm.Models.Spec;

namespace EdgeLlm.Tests.Models;

/// <summary>Specs of models that no file is of.</summary>
internal static class TestSpecs
{
    public static ModelSpec Llama(int layers, int width, int heads, int dimension, int feedForward, int vocabulary,
        int keyValueHeads = 0, int window = 0)
    {
        var norm = new NormSpec(1e-5f);
        var layer = new LayerSpec
        {
            AttentionNorm = norm,
            Attention = new AttentionSpec
            {
                Heads = heads,
                KeyValueHeads = keyValueHeads > 0 ? keyValueHeads : heads,
                Dimension = dimension,
                Window = window,
                HasQueryBias = true,
                HasKeyBias = true,
                HasValueBias = true,
                HasOutputBias = true,
                Scale = 1f / MathF.Sqrt(dimension),
                Rope = new RopeSpec { Dimension = Math.Min(dimension, 8), TrainedLength = 64 },
            },
            FeedForwardNorm = norm,
            FeedForward = new FeedForwardSpec { Width = feedForward, HasGateBias = true, HasUpBias = true, HasDownBias = true },
        };
        return new ModelSpec
        {
            Architecture = "llama",
            ContextLength = 64,
            Width = width,
            VocabularySize = vocabulary,
            Layers = [.. Enumerable.Repeat(layer, layers)],
            OutputNorm = norm,
            IsTied = true,
        };
    }

    /// <summary>Attention with ALiBi instead of rotary positions and feed-forward beside each other, on a layer norm with a bias.</summary>
    public static ModelSpec Parallel(ModelSpec like)
    {
        var norm = new NormSpec(1e-5f) { IsCentered = true, HasBias = true };
        return like with
        {
            OutputNorm = norm,
            Layers =
                [.. like.Layers.Select(layer => layer with { AttentionNorm = norm, FeedForwardNorm = null, IsParallel = true,
                    Attention = layer.Attention with { Rope = null, MaxAlibiBias = 8 } })],
        };
    }
}
