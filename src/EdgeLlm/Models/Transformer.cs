using System.Runtime.InteropServices;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Models;

/// <summary>The forward pass: tokens and caches in, logits out, by a model's steps. Not thread-safe: one pass at a time.</summary>
internal sealed unsafe class Transformer : IDisposable
{
    private const int FewTokens = 3;

    private readonly ModelSteps _steps;
    private readonly Pass _pass;
    private readonly int _decodeThreads;
    private volatile bool _closing;
    private long _progress;

    /// <param name="steps">Bound to a file's weights.</param>
    /// <param name="decodeThreads">Threads of the pool that compute passes of few tokens.</param>
    /// <param name="chunk">Most tokens of a pass.</param>
    public Transformer(ModelSteps steps, Kernel kernel, WorkerPool pool, int decodeThreads, int chunk, bool floatActivations)
    {
        (_steps, _decodeThreads, Chunk) = (steps, decodeThreads, chunk);
        steps.Registers.Allocate(kernel, chunk, pool.Threads);
        _pass = new Pass(kernel, pool, steps.Registers, floatActivations, chunk);
    }

    /// <summary>Receives the time of each operation, where set.</summary>
    public OperationProfile? Profile { get; set; }

    /// <summary>Sees the pass after each step, where set: what the step wrote is in the registers that it names.</summary>
    public Action<Step, Pass>? Observer { get; set; }

    /// <summary>Sees the pass after each layer, where set: the stream is in its register.</summary>
    public Action<int, Pass>? LayerObserver { get; set; }

    /// <summary>Most tokens of one pass.</summary>
    public int Chunk { get; }

    /// <summary>Layers computed so far; other threads may look.</summary>
    public long Progress => Volatile.Read(ref _progress);

    /// <summary>
    /// Runs <paramref name="tokens"/> (at most <see cref="Chunk"/>) after what the cache holds, and writes the logits [logitTokens,
    /// vocabulary] of the last <paramref name="logitTokens"/> of them. Where <paramref name="logits"/> is null, what is written is the
    /// normed last hidden state instead, to
    /// <paramref name="hidden"/> [logitTokens, width].
    /// </summary>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number; the message names the layer.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two layers.</exception>
    public void Forward(ReadOnlySpan<int> tokens, KvCache cache, float* logits, float* hidden, int logitTokens,
        CancellationToken cancellation)
    {
        _pass.Begin();
        _pass.Add(tokens, cache, logitTokens);
        Run(logits, hidden, cancellation);
    }

    /// <summary>
    /// Runs a given number of the tokens (at most <see cref="Chunk"/> in all) after what each of the caches (at most
    /// <see cref="Pass.MostSequences"/>) holds, which are all different: logits [tokens, vocabulary].
    /// </summary>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number; the message names the layer.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two layers.</exception>
    public void ForwardBatch(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts, ReadOnlySpan<KvCache> caches, float* logits,
        CancellationToken cancellation)
    {
        _pass.Begin();
        for (int i = 0; i < caches.Length; i++)
        {
            _pass.Add(tokens[..counts[i]], caches[i], counts[i]);
            tokens = tokens[counts[i]..];
        }
        Run(logits, null, cancellation);
    }

    /// <summary>
    /// Runs an encoder's texts, each with an empty cache of its own: hidden states [tokens of all, width], and a classifier's logits
    /// [texts, labels] where
    /// <paramref name="logits"/> is not null.
    /// </summary>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number; the message names the layer.</exception>
    public void Encode(ReadOnlySpan<EncoderText> texts, IReadOnlyList<KvCache> caches, float* logits, float* hidden,
        CancellationToken cancellation)
    {
        _pass.Begin();
        for (int i = 0; i < texts.Length; i++) _pass.Add(texts[i].Ids, caches[i], texts[i].Ids.Length, texts[i].Types);
        Run(logits, hidden, cancellation);
    }

    /// <summary>An encoder's matrices after pooling: from a text's pooled vector [width] to its vector.</summary>
    public void Finish(ReadOnlySpan<float> pooled, Span<float> vector)
    {
        _pass.BeginRow();
        _pass.Pool.Active = _decodeThreads;
        pooled.CopyTo(new Span<float>(_steps.Pooled.Start, _steps.Pooled.Width));
        RunSteps(_steps.Dense);
        new ReadOnlySpan<float>(_steps.Vector.Start, _steps.Vector.Width).CopyTo(vector);
    }

    /// <summary>
    /// From within <see cref="LayerObserver"/>: logits [tokens, vocabulary] as if the model ended after the layer at hand.
    /// </summary>
    public void Lens(float* logits)
    {
        (int? layer, Action<Step, Pass>? observer) = (_pass.Layer, Observer);
        (_pass.Layer, Observer) = (null, null);
        RunSteps(_steps.Epilogue);
        _steps.Logits.Register.Start = logits;
        RunSteps(_steps.Head);
        (_pass.Layer, Observer) = (layer, observer);
    }

    /// <summary>
    /// Ends the pass that is computing at its next layer, with <see cref="ObjectDisposedException"/>; no other one begins.
    /// </summary>
    public void Close() => _closing = true;

    /// <summary>Bytes allocated.</summary>
    public long AllocatedBytes => _steps.Registers.AllocatedBytes;

    public void Dispose() => _steps.Registers.Dispose();

    private void Run(float* logits, float* hidden, CancellationToken cancellation)
    {
        // A few tokens wait for memory, more of them for arithmetic.
        _pass.Pool.Active = _pass.Tokens > FewTokens ? _pass.Pool.Threads : _decodeThreads;
        Profile?.Start();
        RunSteps(_steps.Prologue);
        for (int l = 0; l < _steps.Layers.Count; l++)
        {
            cancellation.ThrowIfCancellationRequested(); // the caches' lengths have not changed: they are as before
            ThrowIfClosing();
            _pass.Layer = l;
            Volatile.Write(ref _progress, _progress + 1);
            RunSteps(_steps.Layers[l]);
            if (_pass.IsSteered) Steer(l);
            LayerObserver?.Invoke(l, _pass);
        }
        _pass.ThrowIfNotFinite(); // the last layer's keys and values, where no token goes on
        _pass.Layer = null;
        _pass.AdvanceCaches();
        RunSteps(_steps.Epilogue);
        long floats = (long)_pass.Tokens * _steps.Hidden.Width;
        if (hidden != null) Buffer.MemoryCopy(_steps.Hidden.Start, hidden, 4 * floats, 4 * floats);
        if (logits == null) return;
        _steps.Logits.Register.Start = logits;
        RunSteps(_steps.Head);
    }

    /// <summary>Adds what sequences' control vectors say to the stream after a layer.</summary>
    private void Steer(int layer)
    {
        for (int t = 0; t < _pass.Tokens; t++)
        {
            if (_pass.AdaptationOf(t)?.DirectionAfter(layer) is { } direction)
                _pass.Kernel.Add(_steps.Stream.Row(t), (float*)Marshal.UnsafeAddrOfPinnedArrayElement(direction, 0), _steps.Stream.Width);
        }
    }

    /// <summary>Runs steps until no token is left.</summary>
    private void RunSteps(IReadOnlyList<Step> steps)
    {
        for (int i = 0; i < steps.Count && _pass.Tokens > 0; i++)
        {
            steps[i].Run(_pass);
            Profile?.Mark(steps[i].Operation);
            Observer?.Invoke(steps[i], _pass);
        }
    }

    private void ThrowIfClosing()
    {
        ObjectDisposedException.ThrowIf(_closing, typeof(LanguageModel));
        foreach (ref readonly SequencePart part in _pass.Parts) part.Cache.ThrowIfDisposed();
    }
}
