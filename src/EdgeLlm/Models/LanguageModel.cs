using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Measurement;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Models;

/// <summary>
/// A model mapped from a GGUF file or a Hugging Face folder, ready to compute. Opening reads the header only: weights stay in the file's
/// pages. Several threads may use it, each with a cache of its own: their passes take turns.
/// </summary>
public sealed unsafe partial class LanguageModel : IDisposable
{
    /// <summary>The context when the caller names none and the model allows it.</summary>
    public const int DefaultContextLength = 4096;

    private readonly GgufFile _file;
    private readonly Lazy<Tokenizer> _tokenizer;
    private readonly Kernel _kernel;
    private readonly WorkerPool _pool;
    private readonly ModelSteps _steps;
    private readonly Transformer _transformer;
    private readonly Lock _reading = new(); // of the file's metadata, which no pass has to wait for
    private readonly List<IDisposable> _companions = [];
    private AlignedBuffer? _batchLogits; // [sequences, vocabulary], made for the first batch
    private byte[]? _identity;
    private volatile bool _disposed;

    private LanguageModel(GgufFile file, ModelSteps steps, ModelOptions options, MemoryPlan plan)
    {
        _file = file;
        _steps = steps;
        ModelSpec model = steps.Model;
        Info = new ModelInfo
        {
            Architecture = model.Architecture,
            ContextLength = model.ContextLength,
            EmbeddingLength = model.Width,
            BlockCount = model.Layers.Count,
            VocabularySize = model.VocabularySize,
        };
        Options = options;
        Plan = plan;
        _kernel = KernelOf(options);
        ModelLoader.Bind(steps, file, plan.ContextLength);
        Name = options.Name ?? file.Metadata.GetString("general.name", null) ?? StoredModel.NameOf(file.Path);
        _tokenizer = new Lazy<Tokenizer>(() => ReadFile(ModelLoader.MakeTokenizer));
        (int threads, DecodeThreads) = ThreadsOf(options);
        _pool = options.SharedThreads?.Pool ?? new WorkerPool(threads);
        _transformer = new Transformer(steps, _kernel, _pool, DecodeThreads, options.PrefillChunk, options.FloatActivations);
    }

    /// <summary>The file's path.</summary>
    public string Path => _file.Path;

    /// <summary>The model in figures.</summary>
    public ModelInfo Info { get; }

    /// <summary>Options with which it was opened.</summary>
    public ModelOptions Options { get; }

    /// <summary>Memory that it takes.</summary>
    public MemoryPlan Plan { get; }

    /// <summary>Positions of a context.</summary>
    public int ContextLength => Plan.ContextLength;

    /// <summary>The kernel that computes.</summary>
    public string KernelName => _kernel.Name;

    /// <summary>Threads that compute, the caller's among them.</summary>
    public int Threads => _pool.Threads;

    /// <summary>How many of them compute passes of few tokens.</summary>
    public int DecodeThreads { get; }

    /// <summary>Number of layers computed so far, over all passes. A watchdog can see by it whether a pass hangs.</summary>
    public long Progress => _transformer.Progress;

    /// <summary>Text to tokens and back; made when first asked for.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public Tokenizer Tokenizer
    {
        get
        {
            ThrowIfDisposed();
            return _tokenizer.Value;
        }
    }

    /// <summary>
    /// The Jinja source of <see cref="ModelOptions.ChatTemplate"/>, else [tokenizer.chat_template], or null where the file has none.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public string? ChatTemplateSource => ReadFile(file => Options.ChatTemplate ?? ModelLoader.ReadChatTemplate(file));

    /// <summary><see cref="ModelOptions.Name"/>, else [general.name], else the file's name.</summary>
    public string Name { get; }

    /// <summary>Bytes of weights that an operation reads for one token, and multiply-adds it makes with them.</summary>
    internal (long Bytes, long MultiplyAdds) Cost(Operation operation) => _steps.Cost(operation);

    /// <summary>Bytes that the first positions of a context take, and those of the draft model's.</summary>
    internal long CacheBytes(int positions) =>
        KvCache.ByteCount(_steps.Cache, positions, Options.PrefillChunk, Options.CacheType)
            + (Draft is { } draft ? draft.CacheBytes(Math.Min(positions, draft.ContextLength)) + 4L * Info.VocabularySize : 0);

    /// <summary>Bytes allocated outside the managed heap, without caches.</summary>
    internal long AllocatedBytes => _transformer.AllocatedBytes + (_batchLogits?.Bytes ?? 0);

    /// <summary>
    /// Peak of the threads and the kernel: bytes a second read from memory, multiply-adds a second (measured now: about a second).
    /// </summary>
    internal (double ReadBandwidth, double MultiplyAdds) MeasureRoofline()
    {
        using Lock.Scope turn = EnterTurn();
        return (Roofline.ReadBandwidth(_pool, MachineMemory.Available), Roofline.PeakMultiplyAdds(_kernel, _pool));
    }

    /// <summary>A new, empty context.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public KvCache CreateCache()
    {
        ThrowIfDisposed();
        return new KvCache(_steps.Cache, ContextLength, Options.PrefillChunk, Options.CacheType, Info.VocabularySize);
    }

    /// <summary>Layout of pages and checkpoints of its contexts.</summary>
    internal PageLayout Pages => KvCache.LayoutOf(_steps.Cache, ContextLength, Options.PrefillChunk, Options.CacheType);

    /// <summary>
    /// Computes tokens after what the cache holds, chunk by chunk, and gives the logits [vocabulary] of the last one. They are overwritten
    /// by the next call with this cache.
    /// </summary>
    /// <exception cref="ArgumentException">No token, one that is not in the vocabulary, or more than the cache has room for.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or no number.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the cache holds whole chunks only.</exception>
    public Span<float> Forward(scoped ReadOnlySpan<int> tokens, KvCache cache, CancellationToken cancellationToken = default)
    {
        fixed (float* logits = cache.Logits) Forward(tokens, cache, logits, 1, cancellationToken);
        return LogitsOf(cache);
    }

    /// <summary>
    /// Most sequences that <see cref="ForwardBatch(ReadOnlySpan{int}, ReadOnlySpan{KvCache}, CancellationToken)"/> takes.
    /// </summary>
    public const int MostSequences = Pass.MostSequences;

    /// <summary>
    /// Computes one token after what each of several caches holds, together: weights are read once for all of them. Each cache's logits
    /// (<see cref="LogitsOf"/>) are what <see cref="Forward(ReadOnlySpan{int}, KvCache, CancellationToken)"/> gives, to the bit.
    /// </summary>
    /// <exception cref="ArgumentException">Not as many caches as tokens, none or more than <see cref="MostSequences"/>, one twice, a full
    /// one, or a token that is not in the vocabulary.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or no number.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the caches are as they were.</exception>
    public void ForwardBatch(ReadOnlySpan<int> tokens, ReadOnlySpan<KvCache> caches, CancellationToken cancellationToken = default)
    {
        if (tokens.Length != caches.Length || tokens.IsEmpty || tokens.Length > Math.Min(MostSequences, _transformer.Chunk))
            throw new ArgumentException(
                $"{tokens.Length} tokens for {caches.Length} caches: as many are needed of both, at most "
                    + $"{Math.Min(MostSequences, _transformer.Chunk)}",
                nameof(caches));
        using (EnterTurn())
        {
            long bytes = BatchBytes(Info.VocabularySize, Math.Max(Options.Contexts, tokens.Length));
            if (_batchLogits is null || _batchLogits.Bytes < bytes)
            {
                _batchLogits?.Dispose();
                _batchLogits = new AlignedBuffer(bytes);
            }
            float* logits = (float*)_batchLogits.Start;
            RunBatch(tokens, [1, 1, 1, 1, 1, 1, 1, 1], caches, logits, cancellationToken);
            for (int t = 0; t < tokens.Length; t++)
                new ReadOnlySpan<float>(logits + (long)t * Info.VocabularySize, Info.VocabularySize).CopyTo(LogitsOf(caches[t]));
        }
    }

    /// <summary>
    /// Computes several tokens after each cache: the first <paramref name="counts"/>[0] after the first cache, and so on, in all at most
    /// <see cref="MostSequences"/>. Logits [tokens, vocabulary] of every token.
    /// </summary>
    internal void ForwardBatch(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts, ReadOnlySpan<KvCache> caches, Span<float> logits,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(logits.Length, tokens.Length * (long)Info.VocabularySize, nameof(logits));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens.Length, Math.Min(MostSequences, _transformer.Chunk), nameof(tokens));
        using (EnterTurn())
        {
            fixed (float* start = logits) RunBatch(tokens, counts, caches, start, cancellation);
        }
    }

    private void RunBatch(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts, ReadOnlySpan<KvCache> caches, float* logits,
        CancellationToken cancellation)
    {
        for (int i = 0, first = 0; i < caches.Length; first += counts[i++])
        {
            CheckTokens(tokens.Slice(first, counts[i]), caches[i]);
            foreach (KvCache earlier in caches[..i])
            {
                if (ReferenceEquals(earlier, caches[i])) throw new ArgumentException("a cache is there twice", nameof(caches));
            }
        }
        int held = 0;
        try
        {
            for (; held < caches.Length; held++) caches[held].InUse.Enter();
            foreach (KvCache cache in caches) cache.ThrowIfDisposed();
            _transformer.ForwardBatch(tokens, counts, caches, logits, cancellation);
            for (int i = 0; i < caches.Length; i++) CheckpointAfter(caches[i], counts[i]);
        }
        finally
        {
            while (--held >= 0) caches[held].InUse.Exit();
        }
    }

    /// <summary>The logits [vocabulary] of a cache's last token.</summary>
    public Span<float> LogitsOf(KvCache cache)
    {
        cache.ThrowIfDisposed();
        return cache.Logits;
    }

    /// <summary>Computes tokens, with the logits [tokens, vocabulary] of every token.</summary>
    internal void ForwardAll(ReadOnlySpan<int> tokens, KvCache cache, Span<float> logits, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(logits.Length, tokens.Length * (long)Info.VocabularySize, nameof(logits));
        fixed (float* start = logits) Forward(tokens, cache, start, tokens.Length, cancellation);
    }

    /// <summary>Computes tokens, with the logits [count, vocabulary] of the last <paramref name="count"/> tokens.</summary>
    internal void ForwardLast(ReadOnlySpan<int> tokens, KvCache cache, Span<float> logits, int count,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(logits.Length, count * (long)Info.VocabularySize, nameof(logits));
        fixed (float* start = logits) Forward(tokens, cache, start, count, cancellation);
    }

    /// <summary>Computes tokens without logits: the cache's entries of a text that others follow.</summary>
    internal void ForwardWithoutLogits(ReadOnlySpan<int> tokens, KvCache cache, CancellationToken cancellation = default) =>
        Forward(tokens, cache, null, 0, cancellation);

    /// <summary>The mean over a text's tokens of the normed last hidden state: [embedding], not normalized.</summary>
    /// <param name="cache">Where the text's keys and values go; emptied first.</param>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public float[] Embed(ReadOnlySpan<int> tokens, KvCache cache, CancellationToken cancellationToken = default)
    {
        cache.Truncate(0);
        CheckTokens(tokens, cache);
        int width = Info.EmbeddingLength;
        float[] sums = new float[width];
        using var hidden = new AlignedBuffer(4L * _transformer.Chunk * width);
        for (int done = 0; done < tokens.Length; done += _transformer.Chunk)
        {
            int count = Math.Min(_transformer.Chunk, tokens.Length - done);
            Run(tokens.Slice(done, count), cache, null, (float*)hidden.Start, count, cancellationToken);
            for (int t = 0; t < count; t++)
            {
                float* row = (float*)hidden.Start + (nint)t * width;
                for (int i = 0; i < width; i++) sums[i] += row[i];
            }
        }
        for (int i = 0; i < width; i++) sums[i] /= tokens.Length;
        if (sums.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
            throw new NotFiniteException("the sum of a text's hidden states is infinite: the model's weights are damaged");
        return sums;
    }

    /// <summary>
    /// Ends the pass that is computing at its next layer, waits for that alone, and frees all. Answers that are suspended get
    /// <see cref="ObjectDisposedException"/> at their next step; it may be called from within one.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        _transformer.Close();
        lock (_pool.Turn)
        {
            _transformer.Dispose();
            _batchLogits?.Dispose();
            if (Options.SharedThreads is null) _pool.Dispose();
            lock (_reading) _file.Dispose();
        }
        Draft?.Dispose();
        lock (_companions) _companions.ForEach(companion => companion.Dispose());
    }

    /// <summary>
    /// Identity of the model [32 bytes]: the SHA-256 of its file, or of its files' hashes. The first call reads the whole file, unless
    /// <see cref="ModelOptions.IdentityFolder"/> remembers it.
    /// </summary>
    /// <exception cref="IOException">The file can't be read.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public ReadOnlyMemory<byte> Identity(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return _identity ??= ModelIdentity.Of(_file, Options.IdentityFolder, cancellationToken);
    }

    /// <summary>
    /// Key of computed things (saved conversations, cached prefixes, kept logits), by which they differ from those of another model or way
    /// of computing [32 bytes]: every option that changes a bit is part of it. Adapters and control vectors belong to a sequence:
    /// <see cref="Generation"/> keys what it keeps by them, too.
    /// </summary>
    internal byte[] StateKey(CancellationToken cancellation = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Identity(cancellation).Span);
        hash.AppendData([ModelIdentity.Arithmetic, (byte)Options.CacheType, Options.FloatActivations ? (byte)1 : (byte)0]);
        if (_steps.Model.DependsOnContext) hash.AppendData(BitConverter.GetBytes(ContextLength));
        return hash.GetHashAndReset();
    }

    /// <summary>Something that others keep with the model and that is disposed of with it: made when it is first asked for.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    internal T Companion<T>(Func<T> make) where T : class, IDisposable
    {
        lock (_companions)
        {
            ThrowIfDisposed();
            if (_companions.OfType<T>().FirstOrDefault() is { } made) return made;
            T companion = make();
            _companions.Add(companion);
            return companion;
        }
    }

    private void Forward(ReadOnlySpan<int> tokens, KvCache cache, float* logits, int logitTokens, CancellationToken cancellation)
    {
        CheckTokens(tokens, cache);
        for (int done = 0; done < tokens.Length;)
        {
            int count = cache.MostOfPass(Math.Min(_transformer.Chunk, tokens.Length - done)), after = tokens.Length - done - count;
            int wanted = Math.Clamp(logitTokens - after, 0, count);
            Run(tokens.Slice(done, count), cache, logits, null, wanted, cancellation);
            CheckpointAfter(cache, count);
            logits += (nint)wanted * Info.VocabularySize;
            done += count;
        }
    }

    private static void CheckpointAfter(KvCache cache, int tokens)
    {
        if (cache.Length / KvCache.CheckpointPositions > (cache.Length - tokens) / KvCache.CheckpointPositions) cache.Checkpoint();
    }

    private void Run(ReadOnlySpan<int> tokens, KvCache cache, float* logits, float* hidden, int wanted, CancellationToken cancellation)
    {
        using Lock.Scope turn = EnterTurn();
        using Lock.Scope use = cache.InUse.EnterScope();
        cache.ThrowIfDisposed();
        _transformer.Forward(tokens, cache, logits, hidden, wanted, cancellation);
    }

    /// <summary>Reads from the map, which stays until it is done.</summary>
    private T ReadFile<T>(Func<GgufFile, T> read)
    {
        lock (_reading)
        {
            ThrowIfDisposed();
            return read(_file);
        }
    }

    private Lock.Scope EnterTurn()
    {
        Lock.Scope turn = _pool.Turn.EnterScope(); // one pass at a time
        if (!_disposed && IsUnchanged) return turn;
        turn.Dispose();
        ThrowIfDisposed();
        throw new ModelException(Path,
            "was written to while it was open, so what it computes is no longer this model: open it again (who replaces a model renames "
                + "a new file to its name)");
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    private void CheckTokens(ReadOnlySpan<int> tokens, KvCache cache)
    {
        ThrowIfDisposed();
        cache.ThrowIfDisposed();
        if (tokens.IsEmpty) throw new ArgumentException("there are no tokens to compute", nameof(tokens));
        if (tokens.Length > cache.Capacity - cache.Length)
            throw new ArgumentException(
                $"{tokens.Length} tokens after {cache.Length} exceed the context of {cache.Capacity}", nameof(tokens));
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)Info.VocabularySize)
                throw new ArgumentException(
                    $"token {token} is not in the model: its embedding has rows for tokens 0 to {Info.VocabularySize - 1}");
        }
    }
}
