using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Models.Layers;

/// <summary>Consecutive tokens of one sequence in a pass.</summary>
/// <param name="Cache">What holds its earlier positions.</param>
/// <param name="First">Index of its first token in the pass.</param>
/// <param name="Tokens">How many tokens it has.</param>
/// <param name="Position">The first token's position.</param>
/// <param name="Logits">How many of its last tokens reach the head.</param>
internal readonly record struct SequencePart(KvCache Cache, int First, int Tokens, int Position, int Logits);

/// <summary>
/// Arguments of a pass: its tokens, the sequences that they are of, and the machine's kernel, threads and memory. Made once, used for every
/// pass.
/// </summary>
internal sealed unsafe class Pass(Kernel kernel, WorkerPool pool, Registers registers, bool floatActivations, int mostTokens)
{
    /// <summary>Most sequences of a pass.</summary>
    public const int MostSequences = 8;

    // A few tokens cost less than waking the other threads.
    private const int FewTokens = 4;

    private readonly SequencePart[] _parts = new SequencePart[MostSequences];
    private readonly int[] _ids = new int[mostTokens];
    private readonly byte[] _types = new byte[mostTokens];
    private readonly int[] _counts = new int[MostSequences]; // tokens of each sequence as the pass began
    private int _partCount;
    private volatile bool _isNotFinite;
    private AdaptedProduct? _adapted;

    public Kernel Kernel { get; } = kernel;

    public WorkerPool Pool { get; } = pool;

    public Registers Registers { get; } = registers;

    /// <summary>Multiply quantized weights with float activations.</summary>
    public bool FloatActivations { get; } = floatActivations;

    /// <summary>Whether activations are quantized to integers of 32 columns for these weights.</summary>
    public bool IsInteger(in WeightMatrix weight) => !FloatActivations && !weight.IsFloat && !weight.IsPacked;

    /// <summary>Whether activations are quantized in the packed form for these weights.</summary>
    public bool IsPacked(in WeightMatrix weight) => !FloatActivations && weight.IsPacked;

    /// <summary>Tokens that are computed; fewer from where the rest is dropped.</summary>
    public int Tokens { get; private set; }

    /// <summary>The tokens' ids, as the pass began.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Tokens);

    /// <summary>The tokens' types (0: of a first text, 1: of a second), as the pass began.</summary>
    public ReadOnlySpan<byte> Types => _types.AsSpan(0, Tokens);

    /// <summary>The sequences, in the order of their tokens.</summary>
    public ReadOnlySpan<SequencePart> Parts => _parts.AsSpan(0, _partCount);

    /// <summary>The layer at hand; null: after the last one.</summary>
    public int? Layer { get; set; }

    /// <summary>Whether a sequence has adapters that change tensors.</summary>
    public bool IsAdapted { get; private set; }

    /// <summary>Whether a sequence has control vectors.</summary>
    public bool IsSteered { get; private set; }

    /// <summary>Adapters' part of the product at hand; made for the first pass that has any.</summary>
    public AdaptedProduct Adapted => _adapted ??= new AdaptedProduct(this);

    /// <summary>Begins a pass without sequences.</summary>
    public void Begin() => (Tokens, _partCount, _isNotFinite, IsAdapted, IsSteered) = (0, 0, false, false, false);

    /// <summary>Begins a pass over one row that is not a token's.</summary>
    public void BeginRow() => (Tokens, _partCount, _isNotFinite, IsAdapted, IsSteered) = (1, 0, false, false, false);

    /// <summary>Adds a sequence's next tokens.</summary>
    /// <param name="logits">How many of the last of them reach the head.</param>
    /// <param name="types">Types of the tokens; empty: all are 0.</param>
    public void Add(ReadOnlySpan<int> ids, KvCache cache, int logits, ReadOnlySpan<byte> types = default)
    {
        cache.BeginPass(ids.Length);
        ids.CopyTo(_ids.AsSpan(Tokens));
        if (types.IsEmpty) _types.AsSpan(Tokens, ids.Length).Clear();
        else types.CopyTo(_types.AsSpan(Tokens, ids.Length));
        _counts[_partCount] = ids.Length;
        _parts[_partCount++] = new SequencePart(cache, Tokens, ids.Length, cache.Length, logits);
        Tokens += ids.Length;
        if (cache.Adaptation is not { } adaptation) return;
        IsAdapted |= adaptation.ChangesTensors;
        IsSteered |= adaptation.Steers;
    }

    /// <summary>Keeps only the tokens that reach the head; see <see cref="NarrowStep"/>.</summary>
    public void Narrow()
    {
        int first = 0;
        foreach (ref SequencePart part in _parts.AsSpan(0, _partCount))
        {
            part = part with { First = first, Tokens = part.Logits, Position = part.Position + part.Tokens - part.Logits };
            first += part.Tokens;
        }
        Tokens = first;
    }

    /// <summary>Keeps only the first token of each sequence; see <see cref="FirstTokenStep"/>.</summary>
    public void KeepFirst()
    {
        for (int i = 0; i < _partCount; i++) _parts[i] = _parts[i] with { First = i, Tokens = 1 };
        Tokens = _partCount;
    }

    /// <summary>All tokens of the pass are in the caches.</summary>
    public void AdvanceCaches()
    {
        for (int i = 0; i < _partCount; i++) _parts[i].Cache.Advance(_counts[i]);
    }

    /// <summary>The sequence that a token is of.</summary>
    public ref readonly SequencePart PartOf(int token)
    {
        int index = 0;
        while (token >= _parts[index].First + _parts[index].Tokens) index++;
        return ref _parts[index];
    }

    /// <summary>Adapters and control vectors of a token's sequence, or null.</summary>
    public Adaptation? AdaptationOf(int token) => _partCount == 0 ? null : PartOf(token).Cache.Adaptation;

    /// <summary>The position of a token in its sequence.</summary>
    public int PositionOf(int token)
    {
        ref readonly SequencePart part = ref PartOf(token);
        return part.Position + token - part.First;
    }

    /// <summary>The calling thread's scratch.</summary>
    public byte* ScratchOf(int thread) => Registers.Scratch + thread * Registers.ScratchStride;

    /// <summary>Calls operation(token, thread) for every token.</summary>
    public void ForEachToken(Action<int, int> operation)
    {
        if (Tokens >= FewTokens)
        {
            Pool.Run(Tokens, operation);
            return;
        }
        for (int t = 0; t < Tokens; t++) operation(t, 0);
    }

    /// <summary>Notes an activation that is infinite or not a number; any thread may.</summary>
    public void NoteNotFinite() => _isNotFinite = true;

    /// <exception cref="NotFiniteException">One was noted; the message names the place.</exception>
    public void ThrowIfNotFinite()
    {
        if (!_isNotFinite) return;
        string place = Layer is { } layer ? $"layer {layer}" : "the output norm";
        throw NotFiniteException.Of($"an activation in or before {place}");
    }
}
