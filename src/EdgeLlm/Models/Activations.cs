using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>Scratch of a forward pass over up to <see cref="Tokens"/> tokens. Holds nothing between passes.</summary>
internal sealed unsafe class Activations : IDisposable
{
    private readonly AlignedBuffer _memory;

    public Activations(ModelConfig config, Kernel kernel, int tokens, int threads)
    {
        Tokens = tokens;
        int widest = Math.Max(config.FeedForwardLength, Math.Max(config.EmbeddingLength, config.QueryWidth));
        AttentionTokens = Math.Min(tokens, 32);
        long kernelScratch = Align(Math.Max(kernel.ScratchBytes(widest), kernel.AttentionScratchBytes(config.HeadDimension, AttentionTokens, config.HeadCount / config.KeyValueHeadCount)));
        long quantizedBytes = Align(QuantizedActivations.ByteCount(tokens, (widest + 31) / 32 * 32));
        long floats = Align(4L * tokens * config.EmbeddingLength) * 2 + Align(4L * tokens * config.QueryWidth) * 2 + Align(4L * tokens * config.KeyValueWidth) * 2
            + Align(4L * tokens * config.FeedForwardLength) * 2 + Align(4L * tokens * config.RopeDimension);
        long packedBytes = Align(PackedActivations.ByteCount(tokens, (widest + 31) / 32 * 32));
        _memory = new AlignedBuffer(floats + quantizedBytes + packedBytes + threads * kernelScratch);

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
        ScratchStride = kernelScratch;

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

    /// <summary>Bytes it takes.</summary>
    public long Bytes => _memory.Bytes;

    public void Dispose() => _memory.Dispose();

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
