using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Takes the queries of a layer's cross attention: [tokens, query width].</summary>
internal unsafe delegate void CrossQueries(int layer, float* queries, int tokens);

/// <summary>A decoder's layers: attention to the tokens so far, to the encoder's frames, and a feed-forward part.</summary>
internal sealed unsafe class DecoderStack : IDisposable
{
    /// <summary>Tokens of one run at most.</summary>
    public const int MostTokens = 64;

    private readonly StackSpec _spec;
    private readonly int _crossWidth;
    private readonly LayerWeights[] _layers;
    private readonly NormWeights _last;
    private readonly SpeechCompute _compute;
    private readonly NeighbourRotation? _rotation;
    private readonly Action<int, int> _attend;
    private readonly Action<int, int> _attendCross;
    private readonly AlignedBuffer _memory;
    private readonly HeadCaches[] _caches = new HeadCaches[MostTokens];
    private readonly float* _normed; // [tokens][width]
    private readonly float* _wide; // [tokens][widest]
    private readonly float* _queries; // [tokens][query width]
    private readonly float* _attended; // [tokens][query width]
    private readonly float* _key; // [tokens][key width]
    private readonly float* _value; // [tokens][key width]
    private int _parts; // sequences of the run: one with all tokens, or one for each
    private int _tokens;
    private int _layer;
    private HeadCaches _cross = null!;

    public DecoderStack(StackSpec spec, int crossWidth, SpeechWeights weights, SpeechCompute compute)
    {
        (_spec, _crossWidth, _compute) = (spec, crossWidth, compute);
        _layers = LayerWeights.Read(weights, spec, crossWidth);
        _last = weights.Norm(spec.Prefix + ".output_norm", spec.Width);
        _rotation = spec.RopeDimension > 0 ? new NeighbourRotation(spec) : null;
        compute.Reserve(Math.Max(MostTokens, EncoderStack.ChunkFrames), Math.Max(spec.Widest, crossWidth),
            spec.HeadDimension, spec.GroupSize);
        (_attend, _attendCross) = (Attend, AttendCross);
        long rows = EncoderStack.ChunkFrames; // of keys and values: chunks of frames pass through them, too
        _memory = new AlignedBuffer(ByteCount(spec));
        _normed = (float*)_memory.Start;
        _wide = _normed + MostTokens * (nint)spec.Width;
        _queries = _wide + MostTokens * (nint)spec.Widest;
        _attended = _queries + MostTokens * (nint)spec.QueryWidth;
        _key = _attended + MostTokens * (nint)spec.QueryWidth;
        _value = _key + (nint)rows * spec.KeyWidth;
    }

    /// <summary>Bytes of its buffers.</summary>
    public static long ByteCount(StackSpec spec) =>
        sizeof(float)
            * (MostTokens * ((long)spec.Width + spec.Widest + 2 * spec.QueryWidth) + EncoderStack.ChunkFrames * 2L * spec.KeyWidth);

    /// <summary>Called with the queries of each layer's cross attention; null: nobody.</summary>
    public CrossQueries? Observer { get; set; }

    /// <summary>Puts each layer's keys and values of the encoder's frames into a cache.</summary>
    /// <param name="states">[frames, width of the encoder].</param>
    /// <param name="first">Number of the first of these frames; those before it are in the cache.</param>
    public void FillCross(float* states, int frames, HeadCaches cross, CancellationToken cancellation, int first = 0)
    {
        for (int layer = 0; layer < _layers.Length; layer++)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int chunk = 0; chunk < frames; chunk += EncoderStack.ChunkFrames)
            {
                int count = Math.Min(EncoderStack.ChunkFrames, frames - chunk);
                _compute.Multiply(states + (nint)chunk * _crossWidth, _crossWidth, count,
                    EncoderStack.Plain(_layers[layer].CrossKey, _key), EncoderStack.Plain(_layers[layer].CrossValue, _value));
                for (int row = 0; row < count; row++) StoreRow(cross, layer, first + chunk + row, row);
            }
        }
        cross.Length = first + frames;
        _compute.ThrowIfNotFinite("decoder's cross attention");
    }

    /// <summary>Runs all layers over the next tokens, and the last norm; the caches take them up.</summary>
    /// <param name="x">[tokens, width]: embeddings, then the results.</param>
    /// <param name="caches">One sequence with all tokens, or one for each token.</param>
    public void Run(float* x, int tokens, ReadOnlySpan<HeadCaches> caches, HeadCaches cross)
    {
        (_tokens, _parts, _cross) = (tokens, caches.Length, cross);
        caches.CopyTo(_caches);
        int width = _spec.Width;
        for (_layer = 0; _layer < _layers.Length; _layer++)
        {
            LayerWeights layer = _layers[_layer];
            _compute.Norm(layer.AttentionNorm, x, _normed, tokens, width, _spec.Epsilon);
            _compute.Multiply(_normed, width, tokens, EncoderStack.Plain(layer.Query, _queries), EncoderStack.Plain(layer.Key, _key),
                EncoderStack.Plain(layer.Value, _value));
            for (int t = 0; t < tokens; t++) RotateAndStore(t);
            _compute.Pool.Run(_parts * _spec.KeyValueHeads, _attend);
            _compute.Multiply(_attended, _spec.QueryWidth, tokens, EncoderStack.Added(layer.Output, _normed, x));

            _compute.Norm(layer.CrossNorm, x, _normed, tokens, width, _spec.Epsilon);
            _compute.Multiply(_normed, width, tokens, EncoderStack.Plain(layer.CrossQuery, _queries));
            Observer?.Invoke(_layer, _queries, tokens);
            _compute.Pool.Run(_spec.KeyValueHeads, _attendCross);
            _compute.Multiply(_attended, _spec.QueryWidth, tokens, EncoderStack.Added(layer.CrossOutput, _normed, x));
            EncoderStack.FeedForward(_spec, _compute, layer, x, _normed, _wide, tokens);
            _compute.ThrowIfNotFinite($"decoder's layer {_layer}");
        }
        _compute.Norm(_last, x, x, tokens, width, _spec.Epsilon);
        _compute.ThrowIfNotFinite("decoder's last norm");
        for (int part = 0; part < _parts; part++) _caches[part].Length += tokens / _parts;
    }

    public void Dispose() => _memory.Dispose();

    private void RotateAndStore(int token)
    {
        HeadCaches cache = _parts == 1 ? _caches[0] : _caches[token];
        int position = cache.Length + (_parts == 1 ? token : 0);
        if (_rotation is not null)
        {
            float* angles = stackalloc float[2 * _rotation.Pairs];
            _rotation.Angles(position, angles, angles + _rotation.Pairs);
            _compute.Kernel.Rotate(_key + (nint)token * _spec.KeyWidth, _spec.KeyValueHeads, _spec.HeadDimension, angles,
                angles + _rotation.Pairs, _rotation.Pairs, false);
            _compute.Kernel.Rotate(_queries + (nint)token * _spec.QueryWidth, _spec.Heads, _spec.HeadDimension, angles,
                angles + _rotation.Pairs, _rotation.Pairs, false);
        }
        StoreRow(cache, _layer, position, token);
    }

    private void StoreRow(HeadCaches cache, int layer, int position, int row)
    {
        int dimension = _spec.HeadDimension;
        nint start = (nint)row * _spec.KeyWidth;
        for (int head = 0; head < _spec.KeyValueHeads; head++)
        {
            if (!_compute.Kernel.Store(cache.Head(layer, head), position, _key + start + head * dimension,
                _value + start + head * dimension))
                _compute.NoteNotFinite();
        }
    }

    private void Attend(int job, int thread)
    {
        int head = job % _spec.KeyValueHeads, part = job / _spec.KeyValueHeads;
        HeadCaches cache = _caches[part];
        AttentionQuery query = QueryOf(head, part);
        (query.Tokens, query.FirstPosition) = (_tokens / _parts, cache.Length);
        _compute.Kernel.Attend(cache.Head(_layer, head), query, _compute.ScratchOf(thread));
    }

    private void AttendCross(int head, int thread)
    {
        AttentionQuery query = QueryOf(head, 0);
        (query.Tokens, query.After, query.Keys) = (_tokens, int.MaxValue, _cross.Length);
        _compute.Kernel.Attend(_cross.Head(_layer, head), query, _compute.ScratchOf(thread));
    }

    private AttentionQuery QueryOf(int head, int token)
    {
        nint offset = (nint)token * _spec.QueryWidth + head * _spec.GroupSize * _spec.HeadDimension;
        return new AttentionQuery
        {
            Queries = _queries + offset,
            Output = _attended + offset,
            Stride = _spec.QueryWidth,
            GroupSize = _spec.GroupSize,
            Scale = _spec.Scale,
        };
    }
}
