using System.Numerics;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Models;

/// <summary>The llama forward pass: tokens and a cache in, logits out. Not thread-safe: one pass at a time.</summary>
internal sealed unsafe class Transformer : IDisposable
{
    /// <summary>Most sequences of a batch.</summary>
    public const int MostSequences = 8;

    private readonly ModelConfig _config;
    private readonly Weights _weights;
    private readonly RopeFrequencies _rope;
    private readonly Kernel _kernel;
    private readonly WorkerPool _pool;
    private readonly int _decodeThreads;
    private readonly Activations _memory;
    private readonly MatrixProduct _product;
    private readonly Action<int, int> _normalize;
    private readonly Action<int, int> _rotateAndStore;
    private readonly Action<int, int> _attend;
    private readonly Action<int, int> _activate;

    // What the parallel operations above read: the pass and layer at hand.
    private readonly KvCache[] _caches = new KvCache[MostSequences];
    private int _sequences; // in a batch each token has a cache of its own; 0: all tokens are of the first cache, one after the other
    private LayerWeights _layer = null!;
    private int _layerIndex;
    private int _tokens;
    private int _firstPosition;
    private float* _normWeight;
    private float* _residual;
    private volatile bool _notFinite;
    private volatile bool _closing;
    private long _progress;

    /// <param name="decodeThreads">Threads of the pool that compute passes of few tokens.</param>
    public Transformer(ModelConfig config, Weights weights, Kernel kernel, WorkerPool pool, int decodeThreads, int context, int chunk, bool floatActivations)
    {
        _decodeThreads = decodeThreads;
        _config = config;
        _weights = weights;
        _rope = new RopeFrequencies(config, weights.RopeDivisors, context);
        _kernel = kernel;
        _pool = pool;
        _memory = new Activations(config, kernel, chunk, pool.Threads);
        _product = new MatrixProduct(kernel, pool, _memory, floatActivations);
        _normalize = Normalize;
        _rotateAndStore = RotateAndStore;
        _attend = Attend;
        _activate = (token, _) => _kernel.SiluMultiply(_memory.Gate + (nint)token * _config.FeedForwardLength, _memory.Up + (nint)token * _config.FeedForwardLength, _config.FeedForwardLength);
    }

    /// <summary>Gets the time of each operation, where set.</summary>
    public OperationProfile? Profile { get; set; }

    /// <summary>Most tokens of one pass.</summary>
    public int Chunk => _memory.Tokens;

    /// <summary>Layers computed so far; other threads may look.</summary>
    public long Progress => Volatile.Read(ref _progress);

    /// <summary>
    /// Runs <paramref name="tokens"/> (at most <see cref="Chunk"/>) after what the cache holds, and writes the logits [logitTokens, vocabulary] of the
    /// last <paramref name="logitTokens"/> of them. Where <paramref name="logits"/> is null, what is written is the normed last hidden state instead, to
    /// <paramref name="hidden"/> [logitTokens, embedding].
    /// </summary>
    /// <exception cref="NotFiniteException">An activation is infinite or no number; the message names the layer.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two layers.</exception>
    public void Forward(ReadOnlySpan<int> tokens, KvCache cache, float* logits, float* hidden, int logitTokens, CancellationToken cancellation)
    {
        _caches[0] = cache;
        _sequences = 0;
        _firstPosition = cache.Length;
        Pass(tokens, logits, hidden, logitTokens, cancellation);
    }

    /// <summary>Runs one token (at most <see cref="MostSequences"/>, and <see cref="Chunk"/>) after what each of the caches holds, which are all different: logits [tokens, vocabulary].</summary>
    /// <exception cref="NotFiniteException">An activation is infinite or no number; the message names the layer.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two layers.</exception>
    public void ForwardBatch(ReadOnlySpan<int> tokens, ReadOnlySpan<KvCache> caches, float* logits, CancellationToken cancellation)
    {
        caches.CopyTo(_caches);
        _sequences = tokens.Length;
        Pass(tokens, logits, null, tokens.Length, cancellation);
    }

    private void Pass(ReadOnlySpan<int> tokens, float* logits, float* hidden, int logitTokens, CancellationToken cancellation)
    {
        _tokens = tokens.Length;
        _pool.Active = tokens.Length > MostSequences ? _pool.Threads : _decodeThreads;
        _residual = _memory.Residual;
        _notFinite = false;
        int width = _config.EmbeddingLength;
        Profile?.Start();
        for (int t = 0; t < tokens.Length; t++)
        {
            _weights.TokenEmbedding.RowToFloat(tokens[t], _residual + (nint)t * width);
            float* angles = _memory.Angles + (nint)t * 2 * _rope.Pairs;
            _rope.Angles(PositionOf(t), new Span<float>(angles, _rope.Pairs), new Span<float>(angles + _rope.Pairs, _rope.Pairs));
        }
        Profile?.Mark(Operation.Embed);

        for (_layerIndex = 0; _layerIndex < _weights.Layers.Length; _layerIndex++)
        {
            cancellation.ThrowIfCancellationRequested(); // the cache's length has not changed: it is as before
            ThrowIfClosing();
            _layer = _weights.Layers[_layerIndex];
            Volatile.Write(ref _progress, _progress + 1);

            NormalizeAll(_layer.AttentionNorm);
            _product.Run(_memory.Normed, width, _tokens, _layer.Query, _memory.Queries, _layer.Key, _memory.Keys, _layer.Value, _memory.Values);
            Profile?.Mark(Operation.QueryKeyValue);
            ForEachToken(_rotateAndStore);
            Profile?.Mark(Operation.RotateAndStore);
            if (_layerIndex == _weights.Layers.Length - 1) DropTokensWithoutLogits(tokens.Length, logitTokens);
            if (_tokens == 0) break;
            _pool.Run(_config.KeyValueHeadCount * (_sequences > 0 ? _tokens : AttentionBlocks), _attend);
            Profile?.Mark(Operation.Attention);
            _product.Run(_memory.Attended, _config.QueryWidth, _tokens, _layer.AttentionOutput, _memory.Normed);
            Profile?.Mark(Operation.AttentionOutput);
            _kernel.Add(_residual, _memory.Normed, _tokens * width);
            Profile?.Mark(Operation.Add);

            NormalizeAll(_layer.FeedForwardNorm);
            _product.Run(_memory.Normed, width, _tokens, _layer.Gate, _memory.Gate, _layer.Up, _memory.Up);
            Profile?.Mark(Operation.GateUp);
            ForEachToken(_activate);
            Profile?.Mark(Operation.Activation);
            _product.Run(_memory.Gate, _config.FeedForwardLength, _tokens, _layer.Down, _memory.Normed);
            Profile?.Mark(Operation.Down);
            _kernel.Add(_residual, _memory.Normed, _tokens * width);
            Profile?.Mark(Operation.Add);
        }

        ThrowIfNotFinite();
        if (_sequences == 0) _caches[0].Advance(tokens.Length);
        for (int t = 0; t < _sequences; t++) _caches[t].Advance(1);
        if (logitTokens == 0) return;
        NormalizeAll(_weights.OutputNorm);
        RequireFinite(_memory.Normed, (nint)logitTokens * width, "output_norm.weight");
        if (logits == null)
        {
            Buffer.MemoryCopy(_memory.Normed, hidden, 4L * logitTokens * width, 4L * logitTokens * width);
            return;
        }
        _product.Run(_memory.Normed, width, logitTokens, new Linear(_weights.Output, null), logits);
        RequireFinite(logits, (nint)logitTokens * _config.VocabularySize, "the head (output.weight, else token_embd.weight)");
        Profile?.Mark(Operation.Head);
    }

    /// <summary>Ends the pass that is computing at its next layer, with <see cref="ObjectDisposedException"/>; no other one begins.</summary>
    public void Close() => _closing = true;

    public void Dispose() => _memory.Dispose();

    private void ThrowIfClosing()
    {
        ObjectDisposedException.ThrowIf(_closing, typeof(LanguageModel));
        for (int i = 0; i < Math.Max(_sequences, 1); i++) _caches[i].ThrowIfDisposed();
    }

    /// <summary>Damage in the last two tensors is seen by no later layer.</summary>
    private static void RequireFinite(float* values, nint count, string tensor)
    {
        // x - x is 0 for a number, and not a number for infinity and NaN.
        Vector<float> sum = Vector<float>.Zero;
        nint i = 0;
        for (; i <= count - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> value = Vector.Load(values + i);
            sum += value - value;
        }
        float rest = Vector.Sum(sum);
        for (; i < count; i++) rest += values[i] - values[i];
        if (rest == 0) return;
        throw new NotFiniteException($"a result of {tensor} is infinite or not a number: the model's weights are damaged, or its numbers exceed what this type can hold");
    }

    private KvCache CacheOf(int token) => _caches[_sequences > 0 ? token : 0];

    private int PositionOf(int token) => _sequences > 0 ? _caches[token].Length : _firstPosition + token;

    /// <summary>Tokens are attended to in blocks of this many per key/value head.</summary>
    private int AttentionBlocks => (_tokens + _memory.AttentionTokens - 1) / _memory.AttentionTokens;

    /// <summary>In the last layer only the tokens whose logits are asked for go on: their keys and values are stored by now.</summary>
    private void DropTokensWithoutLogits(int tokens, int logitTokens)
    {
        int dropped = tokens - logitTokens;
        if (dropped == 0) return;
        _residual += (nint)dropped * _config.EmbeddingLength;
        Buffer.MemoryCopy(_memory.Queries + (nint)dropped * _config.QueryWidth, _memory.Queries, 4L * tokens * _config.QueryWidth, 4L * logitTokens * _config.QueryWidth);
        _firstPosition += dropped;
        _tokens = logitTokens;
    }

    private void NormalizeAll(float* weight)
    {
        _normWeight = weight;
        ForEachToken(_normalize);
        Profile?.Mark(Operation.Norm);
        ThrowIfNotFinite();
    }

    private void ThrowIfNotFinite()
    {
        if (!_notFinite) return;
        string place = _layerIndex < _weights.Layers.Length ? $"layer {_layerIndex}" : "the output norm";
        throw new NotFiniteException($"an activation in or before {place} is infinite or not a number: the model's weights are damaged, or its numbers exceed what this type can hold");
    }

    /// <summary>A few tokens cost less than waking the other threads.</summary>
    private void ForEachToken(Action<int, int> operation)
    {
        if (_tokens >= 4)
        {
            _pool.Run(_tokens, operation);
            return;
        }
        for (int t = 0; t < _tokens; t++) operation(t, 0);
    }

    private void Normalize(int token, int thread)
    {
        int width = _config.EmbeddingLength;
        if (!_kernel.RmsNorm(_residual + (nint)token * width, _normWeight, _memory.Normed + (nint)token * width, width, _config.NormEpsilon)) _notFinite = true;
    }

    private void RotateAndStore(int token, int thread)
    {
        int dimension = _config.HeadDimension, pairs = _rope.Pairs;
        float* cosines = _memory.Angles + (nint)token * 2 * pairs, sines = cosines + pairs;
        float* keys = _memory.Keys + (nint)token * _config.KeyValueWidth, values = _memory.Values + (nint)token * _config.KeyValueWidth;
        _kernel.Rotate(_memory.Queries + (nint)token * _config.QueryWidth, _config.HeadCount, dimension, cosines, sines, pairs, split: false);
        _kernel.Rotate(keys, _config.KeyValueHeadCount, dimension, cosines, sines, pairs, split: false);
        for (int h = 0; h < _config.KeyValueHeadCount; h++)
        {
            if (!_kernel.Store(CacheOf(token).Head(_layerIndex, h), PositionOf(token), keys + (nint)h * dimension, values + (nint)h * dimension)) _notFinite = true;
        }
    }

    private void Attend(int chunk, int thread)
    {
        // Later blocks see more keys: begin with them, so that the threads end together.
        int head = chunk % _config.KeyValueHeadCount, block = chunk / _config.KeyValueHeadCount;
        int first = _sequences > 0 ? block : (AttentionBlocks - 1 - block) * _memory.AttentionTokens, group = _config.HeadCount / _config.KeyValueHeadCount;
        nint offset = (nint)first * _config.QueryWidth + (nint)head * group * _config.HeadDimension;
        var query = new AttentionQuery
        {
            Queries = _memory.Queries + offset,
            Output = _memory.Attended + offset,
            Stride = _config.QueryWidth,
            Tokens = _sequences > 0 ? 1 : Math.Min(_memory.AttentionTokens, _tokens - first),
            GroupSize = group,
            FirstPosition = PositionOf(first),
            Window = _config.SlidingWindow,
            Scale = 1f / MathF.Sqrt(_config.HeadDimension),
        };
        _kernel.Attend(CacheOf(first).Head(_layerIndex, head), query, _memory.Scratch + thread * _memory.ScratchStride);
    }
}
