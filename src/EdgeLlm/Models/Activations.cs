using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>Scratch of a forward pass over up to <see cref="Tokens"/> tokens. Holds nothing between passes.</summary>
internal sealed unsafe class Activations : IDisposable
{
    private readonly AlignedBuffer _memory;

    /// <summary>Tokens of one call to Attend, at most.</summary>
    private const int MostAttentionTokens = 32;

    public Activations(ModelConfig config, Kernel kernel, int tokens, int threads)
    {
        Tokens = tokens;
        AttentionTokens = Math.Min(tokens, MostAttentionTokens);
        ScratchStride = ScratchBytes(config, kernel, tokens);
        long quantizedBytes = QuantizedBytes(config, tokens), packedBytes = PackedBytes(config, tokens);
        _memory = new AlignedBuffer(ByteCount(config, kernel, tokens, threads));

        byte* next = _memory.Start;
        Residual = Take(config.EmbeddingLength);
        Normed = Take(config.EmbeddingLength);
        Queries = Take(config.QueryWidth);
        Attended = Take(config.QueryWidth);
        Keys = Take(config.KeyValueWidth);
        Values = Take(config.KeyValueWidth);
        Gate = Take(config.FeedForwardLength);
        Up = Take(config.FeedForwardLength);
        Angles = Take(config.RopeDimension);
        Quantized = next;
        Packed = next + quantizedBytes;
        Scratch = Packed + packedBytes;

        float* Take(int width)
        {
            float* start = (float*)next;
            next += Align(4L * tokens * width);
            return start;
        }
    }

    /// <summary>Most tokens of a pass.</summary>
    public int Tokens { get; }

    /// <summary>Most tokens of one call to Attend.</summary>
    public int AttentionTokens { get; }

    /// <summary>[tokens, embedding]</summary>
    public float* Residual { get; }

    /// <summary>[tokens, embedding]</summary>
    public float* Normed { get; }

    /// <summary>[tokens, heads * dimension]</summary>
    public float* Queries { get; }

    /// <summary>[tokens, heads * dimension]</summary>
    public float* Attended { get; }

    /// <summary>[tokens, kvHeads * dimension]</summary>
    public float* Keys { get; }

    /// <summary>[tokens, kvHeads * dimension]</summary>
    public float* Values { get; }

    /// <summary>[tokens, feedForward]</summary>
    public float* Gate { get; }

    /// <summary>[tokens, feedForward]</summary>
    public float* Up { get; }

    /// <summary>[tokens][cosines, sines], each [pairs]</summary>
    public float* Angles { get; }

    /// <summary>A <see cref="QuantizedActivations"/>.</summary>
    public byte* Quantized { get; }

    /// <summary>A <see cref="PackedActivations"/>.</summary>
    public byte* Packed { get; }

    /// <summary>[threads][ScratchStride] bytes for kernels.</summary>
    public byte* Scratch { get; }

    public long ScratchStride { get; }

    /// <summary>Bytes that passes of so many tokens on so many threads take: what the memory plan counts and the constructor allocates.</summary>
    public static long ByteCount(ModelConfig config, Kernel kernel, int tokens, int threads)
    {
        long rows = 2 * Row(config.EmbeddingLength) + 2 * Row(config.QueryWidth) + 2 * Row(config.KeyValueWidth) + 2 * Row(config.FeedForwardLength) + Row(config.RopeDimension);
        return checked(rows + QuantizedBytes(config, tokens) + PackedBytes(config, tokens) + threads * ScratchBytes(config, kernel, tokens));

        long Row(int width) => Align(4L * tokens * width);
    }

    /// <summary>Bytes allocated.</summary>
    public long AllocatedBytes => _memory.Bytes;

    public void Dispose() => _memory.Dispose();

    private static int Widest(ModelConfig config) => Math.Max(config.FeedForwardLength, Math.Max(config.EmbeddingLength, config.QueryWidth));

    private static long QuantizedBytes(ModelConfig config, int tokens) => Align(QuantizedActivations.ByteCount(tokens, (Widest(config) + 31) / 32 * 32));

    private static long PackedBytes(ModelConfig config, int tokens) => Align(PackedActivations.ByteCount(tokens, (Widest(config) + 31) / 32 * 32));

    /// <summary>Scratch of one thread.</summary>
    private static long ScratchBytes(ModelConfig config, Kernel kernel, int tokens)
    {
        long attention = kernel.AttentionScratchBytes(config.HeadDimension, Math.Min(tokens, MostAttentionTokens), config.HeadCount / config.KeyValueHeadCount);
        return Align(Math.Max(kernel.ScratchBytes(Widest(config)), attention));
    }

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
