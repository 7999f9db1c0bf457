using EdgeLlm.Gguf;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>A model's weights with adapters in them: row by row, what the model would compute with while the adapters stay apart.</summary>
internal sealed unsafe class ChangedWeights : IDisposable
{
    private readonly List<(Adapter Adapter, float Scale)> _adapters = [];
    private readonly Dictionary<LowRank, float[]> _factors = []; // A of each change as floats

    /// <param name="model">A GGUF file; rows are in its order.</param>
    /// <exception cref="ModelException">An adapter does not fit the model, or takes no scale.</exception>
    public ChangedWeights(GgufFile model, ModelSpec spec, IEnumerable<ScaledPath> adapters)
    {
        foreach (ScaledPath path in adapters)
        {
            var adapter = Adapter.Open(path.Path, model, spec, _ => true);
            _adapters.Add((adapter, path.Scale));
            if (path.Scale != 1 && adapter.OnlyWhole is { } reason) throw new ModelException(path.Path, $"takes no scale but 1 ({reason})");
        }
        foreach (var group in _adapters.SelectMany(one => one.Adapter.Changes)
            .Where(change => change.Value.Whole is not null || change.Value.Vector != null).GroupBy(change => change.Key))
        {
            if (group.Count() > 1)
                throw new ModelException(_adapters[^1].Adapter.Path,
                    $"replaces {TensorTable.Name(group.Key.Role, group.Key.Layer)}, and so does another adapter: they can't be used "
                        + "together");
        }
    }

    public IReadOnlyList<(Adapter Adapter, float Scale)> Adapters => _adapters;

    /// <summary>Whether any of them changes a tensor.</summary>
    public bool Changes(TensorRole role, int layer) => _adapters.Exists(one => one.Adapter.Changes.ContainsKey((role, layer)));

    /// <summary>The numbers that take a vector's place, or null.</summary>
    public float[]? Vector(TensorUse use)
    {
        foreach ((Adapter adapter, _) in _adapters)
        {
            if (adapter.Changes.TryGetValue((use.Role, use.Layer), out TensorChange? change) && change.Vector != null)
                return new ReadOnlySpan<float>(change.Vector, use.Columns).ToArray();
        }
        return null;
    }

    /// <summary>Changes a row of a matrix (of a stack: of all its matrices, one after the other).</summary>
    /// <param name="numbers">The base's row [columns], which becomes the changed one.</param>
    public void Change(TensorUse use, int row, Span<float> numbers)
    {
        float[]? plain = null;
        foreach ((Adapter adapter, _) in _adapters)
        {
            if (!adapter.Changes.TryGetValue((use.Role, use.Layer), out TensorChange? change) || change.Whole is not { } whole) continue;
            fixed (float* to = numbers) whole.RowToFloat(row, to);
        }
        foreach ((Adapter adapter, float scale) in _adapters)
        {
            if (!adapter.Changes.TryGetValue((use.Role, use.Layer), out TensorChange? change)) continue;
            int rows = use.Rows / use.Experts;
            LowRank? lowRank = change.Experts is { } experts ? experts[row / rows] : change.LowRank;
            if (lowRank is null) continue;
            if (use.Role == TensorRole.TokenEmbedding)
            {
                fixed (float* to = numbers) lowRank.AddColumn(row, to, scale);
                continue;
            }
            plain ??= numbers.ToArray();
            AddRow(lowRank, row % rows, plain, numbers, scale);
        }
    }

    public void Dispose() => _adapters.ForEach(one => ((IDisposable)one.Adapter).Dispose());

    /// <summary>numbers += scale * factor * (B A)[row]; with magnitudes numbers += (f - 1) * plain + f * (B A)[row].</summary>
    private void AddRow(LowRank change, int row, float[] plain, Span<float> numbers, float scale)
    {
        int columns = numbers.Length;
        float[] a;
        lock (_factors)
        {
            if (!_factors.TryGetValue(change, out a!)) _factors.Add(change, a = FloatsOf(change));
        }
        float magnitude = change.RowFactors == null ? 1 : change.RowFactors[row];
        if (change.RowFactors != null) LowRank.AddScaled(numbers, plain, magnitude - 1);
        for (int k = 0; k < change.Rank; k++)
            LowRank.AddScaled(numbers, a.AsSpan(k * columns, columns), change.B(row, k) * change.Factor * scale * magnitude);
    }

    private static float[] FloatsOf(LowRank change)
    {
        float[] a = new float[change.Rank * change.A.Columns];
        fixed (float* to = a)
        {
            for (int k = 0; k < change.Rank; k++) change.A.RowToFloat(k, to + k * change.A.Columns);
        }
        return a;
    }
}
