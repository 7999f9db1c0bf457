namespace EdgeLlm.Quantization.Calibration;

/// <summary>Arrays [tokens, width] that a pass through a layer needs only while it runs: derivatives, and the numbers behind the activation.</summary>
internal sealed class LayerScratch(ModelConfig config, int mostTokens)
{
    private float[]? _narrow;
    private float[]? _gate;
    private float[]? _up;
    private float[]? _attended;
    private float[]? _queries;
    private float[]? _keys;
    private float[]? _values;

    public float[] Active { get; } = new float[mostTokens * config.FeedForwardLength];

    public float[] Narrow => _narrow ??= new float[mostTokens * config.EmbeddingLength];

    public float[] Gate => _gate ??= new float[mostTokens * config.FeedForwardLength];

    public float[] Up => _up ??= new float[mostTokens * config.FeedForwardLength];

    public float[] Attended => _attended ??= new float[mostTokens * config.QueryWidth];

    public float[] Queries => _queries ??= new float[mostTokens * config.QueryWidth];

    public float[] Keys => _keys ??= new float[mostTokens * config.KeyValueWidth];

    public float[] Values => _values ??= new float[mostTokens * config.KeyValueWidth];
}
