using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>The numbers of a model whose layers are all of one shape.</summary>
internal sealed record ModelConfig(ModelSpec Spec)
{
    /// <exception cref="ModelException">It is not a model that runs here, or its layers differ in shape.</exception>
    public static ModelConfig Read(GgufFile file)
    {
        ModelSpec spec = ModelLoader.ReadSpec(file);
        LayerSpec first = spec.Layers[0];
        if (spec.Layers.Any(layer => Shape(layer) != Shape(first))) throw new ModelException(file.Path, "has layers of different shapes, which can't be quantized here");
        return new ModelConfig(spec);

        static (int, int, int, int, int) Shape(LayerSpec layer) =>
            (layer.Attention.Heads, layer.Attention.KeyValueHeads, layer.Attention.Dimension, layer.Attention.Window, layer.FeedForward.Width);
    }

    public AttentionSpec Attention => Spec.Layers[0].Attention;

    public int ContextLength => Spec.ContextLength;

    public int EmbeddingLength => Spec.Width;

    public int BlockCount => Spec.Layers.Count;

    public int FeedForwardLength => Spec.Layers[0].FeedForward.Width;

    public int HeadCount => Attention.Heads;

    public int KeyValueHeadCount => Attention.KeyValueHeads;

    public int HeadDimension => Attention.Dimension;

    public int VocabularySize => Spec.VocabularySize;

    public float NormEpsilon => Spec.OutputNorm.Epsilon;

    public int SlidingWindow => Attention.Window;

    public int QueryWidth => Attention.QueryWidth;

    public int KeyValueWidth => Attention.KeyValueWidth;
}
