using System.Runtime.CompilerServices;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>By what name adapters change a projection. A head that is the embedding again is changed as a head.</summary>
internal readonly record struct AdaptedPlace(TensorRole Weight, TensorRole? Bias, int Layer)
{
    public AdaptedPlace(Projection projection, Operation operation)
        : this(operation == Operation.Head && projection.Weight.Role == TensorRole.TokenEmbedding ? TensorRole.Output
            : projection.Weight.Role, projection.Bias?.Role, projection.Weight.Layer)
    {
    }
}

/// <summary>
/// Adds adapters to a product y = W x + bias, each sequence's its own: y += scale * factor * B (A x), in floats, in the order of the
/// sequence's adapters. A x is computed once, before the product; B (A x) for the rows that a thread has at hand. A sequence's bits do not
/// depend on the others of its pass.
/// </summary>
internal sealed unsafe class AdaptedProduct
{
    private const int BlockTokens = 32, BlockRows = 256;
    private const int LeastTasks = 8; // of a product with A, so that threads of unequal speed end together

    private readonly Pass _pass;
    private readonly List<Part> _parts = [];
    private readonly Action<int, int> _reduce;
    private AdaptedPlace[] _places = [];
    private Operand _from;
    private AlignedBuffer? _memory;
    private int _blocks, _slices;

    public AdaptedProduct(Pass pass)
    {
        _pass = pass;
        _reduce = Reduce;
    }

    /// <summary>A change of a projection for a sequence's tokens.</summary>
    private readonly record struct Part(int Place, int First, int Tokens, TensorChange Change, float Scale, nint Reduced);

    /// <summary>
    /// Computes scale * factor * A x for every sequence, projection and adapter, of which <see cref="Change"/> makes the rest.
    /// </summary>
    public void Begin(Operand from, AdaptedPlace[] places)
    {
        (_from, _places) = (from, places);
        _parts.Clear();
        long floats = 0;
        foreach (ref readonly SequencePart sequence in _pass.Parts)
        {
            if (sequence.Tokens == 0 || sequence.Cache.Adaptation is not { ChangesTensors: true } adaptation) continue;
            for (int place = 0; place < places.Length; place++)
            {
                if (adaptation.At(places[place].Weight, places[place].Layer) is not { } changes) continue;
                foreach (Adaptation.Scaled scaled in changes)
                {
                    _parts.Add(new Part(place, sequence.First, sequence.Tokens, scaled.Change, scaled.Scale, (nint)floats));
                    floats += (long)sequence.Tokens * (scaled.Change.LowRank?.Rank ?? 0) + 15 & ~15L;
                }
            }
        }
        if (floats == 0) return;
        if (_memory is null || _memory.Bytes < floats * sizeof(float))
        {
            _memory?.Dispose();
            _memory = new AlignedBuffer(floats * sizeof(float));
        }
        _blocks = (_pass.Tokens + BlockTokens - 1) / BlockTokens;
        _slices = Math.Clamp(LeastTasks / (_parts.Count * _blocks), 1, 4); // of ranks
        _pass.Pool.Run(_parts.Count * _blocks * _slices, _reduce);
    }

    /// <summary>Finishes rows of a projection, whose y has W x: what adapters change, then the bias.</summary>
    /// <param name="bias">[rows], or null.</param>
    public void Change(int place, float* y, int rows, int firstRow, int endRow, float* bias, int thread)
    {
        for (int row = firstRow; row < endRow; row += BlockRows)
        {
            int end = Math.Min(row + BlockRows, endRow);
            foreach (ref readonly SequencePart sequence in _pass.Parts)
            {
                float* own = bias;
                if (sequence.Cache.Adaptation is { ChangesTensors: true } adaptation)
                {
                    for (int t = 0; t < sequence.Tokens; t += BlockTokens)
                        ChangeBlock(place, sequence.First, t, Math.Min(BlockTokens, sequence.Tokens - t), y, rows, row, end, thread);
                    if (_places[place].Bias is { } role
                        && adaptation.VectorAt(role, _places[place].Layer) is var replaced && replaced != null)
                        own = replaced;
                }
                if (own == null) continue;
                for (int t = 0; t < sequence.Tokens; t++)
                    _pass.Kernel.Add(y + (nint)(sequence.First + t) * rows + row, own + row, end - row);
            }
        }
    }

    /// <summary>Adds adapters to a row of an expert: y += scale * factor * B (A x).</summary>
    /// <param name="x">[columns].</param>
    /// <param name="y">[rows]; those from <paramref name="firstRow"/> on change.</param>
    public void ChangeRow(int token, TensorUse stack, int expert, float* x, float* y, int firstRow, int endRow, byte* scratch)
    {
        if (_pass.AdaptationOf(token)?.At(stack.Role, stack.Layer) is not { } changes) return;
        float* sums = stackalloc float[BlockRows];
        float* reduced = stackalloc float[AdapterConfig.MostRank];
        foreach (Adaptation.Scaled scaled in changes)
        {
            if (scaled.Change.Experts?[expert] is not { } change) continue;
            _pass.Kernel.Multiply(change.A, x, change.A.Columns, 1, reduced, change.Rank, 0, change.Rank, scratch);
            _pass.Kernel.Multiply(reduced, scaled.Scale * change.Factor, change.Rank);
            for (int row = firstRow; row < endRow; row += BlockRows)
            {
                int end = Math.Min(row + BlockRows, endRow);
                change.Expand(reduced, 1, sums, BlockRows, row, end);
                _pass.Kernel.Add(y + row, sums, end - row);
            }
        }
    }

    private void Reduce(int index, int thread)
    {
        (index, int slice) = Math.DivRem(index, _slices);
        Part part = _parts[index / _blocks];
        int first = index % _blocks * BlockTokens, tokens = Math.Min(BlockTokens, part.Tokens - first);
        if (part.Change.LowRank is not { } change || tokens <= 0) return;
        float* reduced = (float*)_memory!.Start + part.Reduced + (nint)first * change.Rank;
        int start = change.Rank * slice / _slices, end = change.Rank * (slice + 1) / _slices;
        _pass.Kernel.Multiply(change.A, _from.Row(part.First + first), _from.Width, tokens, reduced, change.Rank, start, end,
            _pass.ScratchOf(thread));
        for (int t = 0; t < tokens; t++)
            _pass.Kernel.Multiply(reduced + (nint)t * change.Rank + start, part.Scale * change.Factor, end - start);
    }

    [SkipLocalsInit]
    private void ChangeBlock(int place, int firstOfSequence, int offset, int tokens, float* y, int rows,
        int firstRow, int endRow, int thread)
    {
        bool hasFactors = HasRowFactors(place, firstOfSequence), isKept = false;
        float* sums = stackalloc float[tokens * BlockRows];
        float* plain = stackalloc float[hasFactors ? tokens * BlockRows : 0]; // W x, where a change has factors of rows
        byte* scratch = _pass.ScratchOf(thread);
        int first = firstOfSequence + offset, count = endRow - firstRow;
        foreach (Part part in _parts)
        {
            if (part.Place != place || part.First != firstOfSequence || part.Change.Whole is not { } whole) continue;
            _pass.Kernel.Multiply(whole, _from.Row(first), _from.Width, tokens, y + (nint)first * rows, rows, firstRow, endRow, scratch);
        }
        foreach (Part part in _parts)
        {
            if (part.Place != place || part.First != firstOfSequence || part.Change.LowRank is not { } change) continue;
            float* reduced = (float*)_memory!.Start + part.Reduced + (nint)offset * change.Rank;
            if (!hasFactors && change.AddsAtOnce)
            {
                change.Add(reduced, tokens, y + (nint)first * rows + firstRow, rows, firstRow, endRow);
                continue;
            }
            if (hasFactors && !isKept)
            {
                for (int t = 0; t < tokens; t++)
                    Buffer.MemoryCopy(y + (nint)(first + t) * rows + firstRow, plain + t * BlockRows, 4L * count, 4L * count);
                isKept = true;
            }
            change.Expand(reduced, tokens, sums, BlockRows, firstRow, endRow);
            for (int t = 0; t < tokens; t++)
            {
                float* to = y + (nint)(first + t) * rows + firstRow;
                if (change.RowFactors == null)
                {
                    _pass.Kernel.Add(to, sums + t * BlockRows, count);
                    continue;
                }
                for (int i = 0; i < count; i++)
                {
                    float factor = change.RowFactors[firstRow + i];
                    to[i] += MathF.FusedMultiplyAdd(factor, sums[t * BlockRows + i], (factor - 1) * plain[t * BlockRows + i]);
                }
            }
        }
    }

    private bool HasRowFactors(int place, int firstOfSequence)
    {
        foreach (Part part in _parts)
        {
            if (part.Place == place && part.First == firstOfSequence && part.Change.LowRank is { } change && change.RowFactors != null)
                return true;
        }
        return false;
    }
}
