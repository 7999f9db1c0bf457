using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Tokens to logits: embedding, positions where the model has a table of them, the decoder's layers and the head.</summary>
internal sealed unsafe class TokenDecoder : IDisposable
{
    /// <summary>Rows of logits that there is room for: beams.</summary>
    public const int MostLogits = 8;

    private readonly SpeechCompute _compute;
    private readonly StackSpec _spec;
    private readonly WeightMatrix _embedding;
    private readonly WeightMatrix _head;
    private readonly WeightMatrix? _positions;
    private readonly AlignedBuffer _memory;
    private readonly float* _x; // [tokens][width]
    private readonly float* _logits; // [MostLogits][vocabulary]

    /// <param name="crossWidth">Width of the rows that cross attention sees.</param>
    /// <param name="mostTokens">Rows of the table of positions, which is there where <paramref name="hasPositions"/>.</param>
    public TokenDecoder(StackSpec spec, int crossWidth, int vocabulary, bool isTied, bool hasPositions, int mostTokens,
        SpeechWeights weights, SpeechCompute compute)
    {
        (_spec, _compute, Vocabulary, MostTokens) = (spec, compute, vocabulary, mostTokens);
        _embedding = weights.Matrix("token_embd.weight", vocabulary, spec.Width);
        _head = isTied ? _embedding : weights.Matrix("output.weight", vocabulary, spec.Width);
        if (hasPositions) _positions = weights.Matrix(spec.Prefix + ".position_embd.weight", mostTokens, spec.Width);
        Stack = new DecoderStack(spec, crossWidth, weights, compute);
        _memory = new AlignedBuffer(OwnBytes(spec, vocabulary));
        _x = (float*)_memory.Start;
        _logits = _x + DecoderStack.MostTokens * (nint)spec.Width;
        // Packed weights have errors that are larger than those of halves.
        CacheType = _head.IsFloat ? KeyValueType.F32 : KeyValueType.F16;
    }

    public DecoderStack Stack { get; }

    public int Vocabulary { get; }

    /// <summary>Positions that a sequence may have.</summary>
    public int MostTokens { get; }

    /// <summary>How keys and values are stored.</summary>
    public KeyValueType CacheType { get; }

    /// <summary>Bytes of its buffers.</summary>
    public long AllocatedBytes => ByteCount(_spec, Vocabulary);

    /// <summary>Bytes of the buffers of a decoder.</summary>
    public static long ByteCount(StackSpec spec, int vocabulary) => OwnBytes(spec, vocabulary) + DecoderStack.ByteCount(spec);

    private static long OwnBytes(StackSpec spec, int vocabulary) =>
        sizeof(float) * ((long)DecoderStack.MostTokens * spec.Width + (long)MostLogits * vocabulary);

    /// <summary>A cache for a given number of tokens, or frames.</summary>
    public HeadCaches NewCache(int positions) => new(CacheType, _spec.Layers, _spec.KeyValueHeads, _spec.HeadDimension, positions);

    /// <summary>Runs the next tokens of one sequence, or one token of each of several.</summary>
    /// <param name="logits">For how many of the last tokens logits are computed, at most <see cref="MostLogits"/>.</param>
    /// <returns>[logits, vocabulary], valid until the next call.</returns>
    public Span<float> Decode(scoped ReadOnlySpan<int> ids, scoped ReadOnlySpan<HeadCaches> caches, HeadCaches cross, int logits)
    {
        int width = _spec.Width;
        while (ids.Length > DecoderStack.MostTokens && caches.Length == 1)
        {
            int part = Math.Min(DecoderStack.MostTokens, ids.Length - logits);
            Decode(ids[..part], caches, cross, 0);
            ids = ids[part..];
        }
        float* row = stackalloc float[width];
        for (int t = 0; t < ids.Length; t++)
        {
            HeadCaches cache = caches.Length == 1 ? caches[0] : caches[t];
            int position = cache.Length + (caches.Length == 1 ? t : 0);
            if (position >= cache.Positions)
                throw new ArgumentException($"token {position + 1} does not fit: the decoder has {cache.Positions} positions");
            if ((uint)ids[t] >= (uint)Vocabulary)
                throw new ArgumentException($"token {ids[t]} is not in the vocabulary (0 to {Vocabulary - 1})");
            _embedding.RowToFloat(ids[t], _x + t * (nint)width);
            if (_positions is not { } positions) continue;
            positions.RowToFloat(position, row);
            _compute.Kernel.Add(_x + t * (nint)width, row, width);
        }
        Stack.Run(_x, ids.Length, caches, cross);
        if (logits == 0) return [];
        _compute.Multiply(_x + (ids.Length - logits) * (nint)width, width, logits, EncoderStack.Plain(new Linear(_head, 0), _logits));
        return new Span<float>(_logits, logits * Vocabulary);
    }

    public void Dispose()
    {
        Stack.Dispose();
        _memory.Dispose();
    }
}
