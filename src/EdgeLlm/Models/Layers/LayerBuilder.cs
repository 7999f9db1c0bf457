using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>A model's steps, in three lists, and what they need: registers and entries of a cache.</summary>
internal sealed class ModelSteps
{
    public required ModelSpec Model { get; init; }

    /// <summary>From tokens to the first layer's input.</summary>
    public required IReadOnlyList<Step> Prologue { get; init; }

    /// <summary>Of each layer.</summary>
    public required IReadOnlyList<IReadOnlyList<Step>> Layers { get; init; }

    /// <summary>From the residual stream after the last layer to the normed hidden state (<see cref="Hidden"/>).</summary>
    public required IReadOnlyList<Step> Epilogue { get; init; }

    /// <summary>From the normed hidden state to logits.</summary>
    public required IReadOnlyList<Step> Head { get; init; }

    /// <summary>
    /// From an encoder's pooled vector (<see cref="Pooled"/>) to the text's (<see cref="Vector"/>); empty: they are the same.
    /// </summary>
    public required IReadOnlyList<Step> Dense { get; init; }

    public required Registers Registers { get; init; }

    /// <summary>The residual stream [tokens, width], which goes from layer to layer.</summary>
    public required Operand Stream { get; init; }

    /// <summary>The normed last hidden state [tokens, width].</summary>
    public required Operand Hidden { get; init; }

    /// <summary>[tokens, vocabulary]; a pass sets where they go.</summary>
    public required Operand Logits { get; init; }

    /// <summary>A text's pooled vector [1, width].</summary>
    public required Operand Pooled { get; init; }

    /// <summary>A text's vector [1, vector's width].</summary>
    public required Operand Vector { get; init; }

    /// <summary>Entries of a cache.</summary>
    public required IReadOnlyList<CacheSpec> Cache { get; init; }

    /// <summary>All steps in the order of a pass.</summary>
    public IEnumerable<Step> All => [.. Prologue, .. Layers.SelectMany(layer => layer), .. Epilogue, .. Head, .. Dense];

    /// <summary>Bytes of weights that an operation reads for one token, and multiply-adds it makes with them.</summary>
    public (long Bytes, long MultiplyAdds) Cost(Operation operation)
    {
        (long Bytes, long MultiplyAdds)[] costs = [.. All.Where(step => step.Operation == operation).Select(step => step.Cost)];
        return (costs.Sum(cost => cost.Bytes), costs.Sum(cost => cost.MultiplyAdds));
    }
}

/// <summary>From a spec to steps: the one place that knows what a layer is made of.</summary>
internal sealed partial class LayerBuilder
{
    private readonly ModelSpec _model;
    private readonly Registers _registers = new();
    private readonly List<CacheSpec> _cache = [];
    private readonly Dictionary<int, int> _entries = []; // of each layer with attention, the cache's
    private readonly Dictionary<RopeSpec, Operand> _angles = [];
    private readonly Operand _stream;
    private readonly Operand _normed;

    private LayerBuilder(ModelSpec model)
    {
        _model = model;
        _stream = _registers.Use("stream", model.Width);
        _normed = _registers.Use("normed", model.Width);
    }

    public static ModelSteps Build(ModelSpec model) => new LayerBuilder(model).Build();

    private ModelSteps Build()
    {
        List<List<Step>> layers =
            [.. _model.Layers.Select((layer, l) => new List<Step>(layer.IsParallel ? Parallel(l, layer) : Sequential(l, layer)))];
        Step[] epilogue = _model.OutputNorm is not { } outputNorm ? [] :
        [
            new NormStep(outputNorm, TensorTable.Use(_model, _model.OutputNormRole),
                TensorTable.UseOptional(_model, TensorRole.OutputNormBias), _stream, _normed) { IsLast = true },
        ];
        var logits = new Operand(new Register(), _model.IsEncoder ? _model.Labels : _model.VocabularySize);
        AddNarrow(layers, epilogue);
        // Widths on the way from a pooled vector to the text's: registers that nothing else has in use then.
        Operand[] vectors = [_stream, .. _model.DenseWidths.Select((width, i) => _registers.Use(i % 2 == 0 ? "dense" : "vector", width))];
        return new ModelSteps
        {
            Model = _model,
            Prologue = [.. Prologue()],
            Layers = layers,
            Epilogue = epilogue,
            Head = [.. Head(logits)],
            Dense =
                [.. _model.DenseWidths.Select(
                    (_, i) => Project(Operation.Head, vectors[i], isLast: false,
                        To(i == 0 ? TensorRole.FirstDense : TensorRole.SecondDense, null, 0, vectors[i + 1])))],
            Pooled = vectors[0],
            Vector = vectors[^1],
            Registers = _registers,
            Stream = _stream,
            Hidden = Hidden,
            Logits = logits,
            Cache = _cache,
        };
    }

    /// <summary>The last hidden state.</summary>
    private Operand Hidden => _model.OutputNorm is null ? _stream : _normed;

    private IEnumerable<Step> Prologue()
    {
        yield return new EmbedStep(TensorTable.Use(_model, TensorRole.TokenEmbedding), _stream);
        if (_model.EmbeddingScale != 1) yield return new ScaleStep(_stream, _model.EmbeddingScale);
        if (_model.Positions is { } positions)
            yield return new PositionStep(TensorTable.Use(_model, TensorRole.PositionEmbedding), positions, _stream, _normed);
        if (_model.TokenTypes > 0) yield return new TokenTypeStep(TensorTable.Use(_model, TensorRole.TokenTypes), _stream, _normed);
        if (_model.PerLayer is { } inputs)
        {
            foreach (Step step in PerLayerPrologue(inputs)) yield return step;
        }
        if (_model.EmbeddingNorm is { } norm)
            yield return Norm(norm, TensorRole.EmbeddingNorm, TensorRole.EmbeddingNormBias, 0, _stream, _stream);
        foreach ((RopeSpec rope, Operand angles) in _angles) yield return new AnglesStep(rope, angles);
    }

    private IEnumerable<Step> Head(Operand logits)
    {
        if (_model.IsEncoder)
        {
            foreach (Step step in Classifier(logits)) yield return step;
            yield break;
        }
        TensorUse head = TensorTable.Use(_model, _model.IsTied ? TensorRole.TokenEmbedding : TensorRole.Output);
        yield return Project(Operation.Head, _normed, isLast: true,
            new Projection(head, TensorTable.UseOptional(_model, TensorRole.OutputBias), logits));
        if (_model.LogitScale != 1) yield return new ScaleStep(logits, _model.LogitScale) { Of = Operation.Head };
        if (_model.LogitCap != 0) yield return new CapStep(logits, _model.LogitCap);
    }

    /// <summary>An encoder's classifier of its first token: tanh of a matrix's product, then the labels' matrix.</summary>
    private IEnumerable<Step> Classifier(Operand logits)
    {
        if (_model.Labels == 0) yield break;
        Operand first = _registers.Use("first token", _model.Width), pooled = _registers.Use("pooled", _model.Width);
        yield return new FirstTokenStep(Hidden, first);
        yield return Project(Operation.Head, first, isLast: false, To(TensorRole.Pooler, TensorRole.PoolerBias, 0, pooled));
        yield return new CapStep(pooled, 1);
        yield return Project(Operation.Head, pooled, isLast: true, To(TensorRole.Classifier, TensorRole.ClassifierBias, 0, logits));
    }

    /// <summary>Attention, then the feed-forward part on what it made of the stream.</summary>
    private IEnumerable<Step> Sequential(int l, LayerSpec layer)
    {
        if (layer.AttentionNorm is { } attentionNorm)
            yield return Norm(attentionNorm, TensorRole.AttentionNorm, TensorRole.AttentionNormBias, l, _stream, _normed);
        foreach (Step step in Attention(l, layer, layer.AttentionNorm is null ? _stream : _normed, _normed)) yield return step;
        yield return new AddStep(_stream, _normed);
        if (layer.AddedAttentionNorm is { } addedAttention)
            yield return Norm(addedAttention, TensorRole.AddedAttentionNorm, TensorRole.AddedAttentionNormBias, l, _stream, _stream);
        if (layer.FeedForwardNorm is { } feedForwardNorm)
            yield return Norm(feedForwardNorm, layer.FeedForwardNormRole, TensorRole.FeedForwardNormBias, l, _stream, _normed);
        foreach (Step step in FeedForward(l, layer, layer.FeedForwardNorm is null ? _stream : _normed)) yield return step;
        yield return new AddStep(_stream, _normed);
        if (_model.PerLayer is { } inputs)
        {
            foreach (Step step in PerLayer(l, layer, inputs)) yield return step;
        }
        if (layer.HasOutputScale) yield return new FileScaleStep(Use(TensorRole.LayerScale, l), _stream);
        if (layer.AddedFeedForwardNorm is not { } added) yield break;
        bool isLast = _model.OutputNorm is null && l == _model.Layers.Count - 1;
        yield return new NormStep(added, TensorTable.Use(_model, TensorRole.AddedFeedForwardNorm, l),
            TensorTable.UseOptional(_model, TensorRole.AddedFeedForwardNormBias, l), _stream, _stream)
        { IsLast = isLast };
    }

    /// <summary>Both parts on the same stream, normed once or for each part.</summary>
    private IEnumerable<Step> Parallel(int l, LayerSpec layer)
    {
        Operand mixed = _registers.Use("mixed", _model.Width);
        NormSpec norm = layer.AttentionNorm ?? throw new NotSupportedException("parts beside each other have a norm");
        Operand fed = layer.HasSecondNorm ? _registers.Use("normed 2", _model.Width) : _normed;
        yield return Norm(norm, TensorRole.AttentionNorm, TensorRole.AttentionNormBias, l, _stream, fed);
        if (layer.HasSecondNorm) yield return Norm(norm, TensorRole.SecondNorm, TensorRole.SecondNormBias, l, _stream, _normed);
        foreach (Step step in Attention(l, layer, _normed, mixed)) yield return step;
        if (layer is { HasSecondNorm: false, FeedForwardNorm: { } own })
            yield return Norm(own, TensorRole.FeedForwardNorm, TensorRole.FeedForwardNormBias, l, _stream, _normed);
        foreach (Step step in FeedForward(l, layer, fed)) yield return step;
        yield return new AddStep(_stream, mixed);
        yield return new AddStep(_stream, _normed);
    }

    private NormStep Norm(NormSpec norm, TensorRole weight, TensorRole bias, int l, Operand from, Operand to) =>
        new(norm, TensorTable.Use(_model, weight, l), TensorTable.UseOptional(_model, bias, l), from, to);

    /// <summary>From a normed stream to what attention, or what is in its place, adds.</summary>
    private IEnumerable<Step> Attention(int l, LayerSpec layer, Operand from, Operand to)
    {
        foreach (Step step in layer.Recurrence is { } recurrence ? Recurrence(l, recurrence, from, to)
            : Attend(l, layer.Attention, from, to))
            yield return step;
        if (layer.PostAttentionNorm is { } after)
            yield return new NormStep(after, TensorTable.Use(_model, TensorRole.PostAttentionNorm, l), null, to, to);
        if (layer.ResidualScale != 1) yield return new ScaleStep(to, layer.ResidualScale);
    }

    private IEnumerable<Step> Attend(int l, AttentionSpec attention, Operand from, Operand to)
    {
        Operand queries = _registers.Use("queries", attention.QueryWidth), attended = _registers.Use("attended", attention.QueryWidth);
        Operand keys = _registers.Use("keys", attention.KeyValueWidth), values = _registers.Use("values", attention.KeyValueWidth);
        Operand gates = attention.HasGate ? _registers.Use("gates", attention.QueryWidth) : attended;
        bool hasOwn = attention.Source is null;
        _registers.UseAttention(attention.Dimension, attention.GroupSize);
        // An encoder's text is computed in one pass: keys and values are not read after their layer, and all layers share an entry.
        var cache = new KeyValueSpec(attention.KeyValueHeads, attention.Dimension) { Window = _model.IsEncoder ? 0 : attention.Window };
        int entry = attention.Source is { } source ? _entries[source]
            : _model.IsEncoder && _cache.IndexOf(cache) is >= 0 and var shared ? shared : _cache.Count;
        _entries[l] = entry;
        if (entry == _cache.Count) _cache.Add(cache);

        if (attention.IsFused)
        {
            Operand fused = _registers.Use("queries, keys and values", attention.FusedWidth);
            yield return Project(Operation.QueryKeyValue, from, isLast: false,
                To(TensorRole.QueryKeyValue, TensorRole.QueryKeyValueBias, l, fused));
            yield return new SplitStep(Operation.QueryKeyValue, fused, queries, keys, values);
        }
        else
        {
            Operand rows = attention.HasGate ? _registers.Use("queries and gates", attention.QueryRows) : queries;
            Projection ofQueries = To(TensorRole.Query, TensorRole.QueryBias, l, rows);
            yield return Project(Operation.QueryKeyValue, from, isLast: false,
                hasOwn ? [ofQueries, To(TensorRole.Key, TensorRole.KeyBias, l, keys), To(TensorRole.Value, TensorRole.ValueBias, l, values)]
                    : [ofQueries]);
            if (attention.HasGate) yield return new SplitHeadsStep(attention.Dimension, rows, queries, gates);
        }
        if (attention.Clip != 0) yield return new ClampStep(attention.Clip, queries, keys, values);
        if (attention.HeadNorm is { } norm)
        {
            yield return new HeadNormStep(norm, TensorTable.Use(_model, TensorRole.QueryNorm, l), queries);
            if (hasOwn) yield return new HeadNormStep(norm, TensorTable.Use(_model, TensorRole.KeyNorm, l), keys);
            if (hasOwn && attention.HasValueNorm) yield return new PlainHeadNormStep(norm, attention.Dimension, values);
        }
        if (attention.Rope is { } rope) yield return new RotateStep(attention, AnglesOf(rope), queries, hasOwn ? keys : null);
        if (attention.Growth is { } growth) yield return new GrowStep(growth, queries);
        if (hasOwn) yield return new StoreStep(attention, entry, keys, values);
        yield return new AttendStep(attention, entry, queries, attended, TensorTable.UseOptional(_model, TensorRole.Sinks, l));
        if (attention.HasGate) yield return new ActivateStep(Activation.Logistic, gates, attended);
        yield return Project(Operation.AttentionOutput, gates, isLast: false,
            To(TensorRole.AttentionOutput, TensorRole.AttentionOutputBias, l, to));
    }

    /// <summary>From a normed stream to what the feed-forward part adds, in the register of the normed stream.</summary>
    private IEnumerable<Step> FeedForward(int l, LayerSpec layer, Operand from)
    {
        foreach (Step step in layer.Experts is { } experts ? Experts(l, experts, layer.FeedForward.Activation, from, _normed)
            : FeedForward(l, layer.FeedForward, from))
            yield return step;
        if (layer.PostFeedForwardNorm is { } after)
            yield return new NormStep(after, TensorTable.Use(_model, TensorRole.PostFeedForwardNorm, l), null, _normed, _normed);
        if (layer.ResidualScale != 1) yield return new ScaleStep(_normed, layer.ResidualScale);
    }

    private IEnumerable<Step> FeedForward(int l, FeedForwardSpec feedForward, Operand from)
    {
        Operand up = _registers.Use("up", feedForward.UpRows), first = feedForward.IsGated ? _registers.Use("gate", feedForward.Width) : up;
        Projection upwards = To(TensorRole.Up, TensorRole.UpBias, l, up);
        if (feedForward.IsFused)
        {
            Operand second = _registers.Use("up of two", feedForward.Width);
            yield return Project(Operation.GateUp, from, isLast: false, upwards);
            yield return new SplitStep(Operation.GateUp, up, first, second);
            yield return new ActivateStep(feedForward.Activation, first, second);
        }
        else
        {
            yield return Project(Operation.GateUp, from, isLast: false,
                feedForward.IsGated ? [To(TensorRole.Gate, TensorRole.GateBias, l, first), upwards] : [upwards]);
            yield return new ActivateStep(feedForward.Activation, first, feedForward.IsGated ? up : null);
        }
        yield return Project(Operation.Down, first, isLast: false, To(TensorRole.Down, TensorRole.DownBias, l, _normed));
    }

    private Projection To(TensorRole weight, TensorRole? bias, int layer, Operand to) =>
        new(TensorTable.Use(_model, weight, layer), bias is { } role ? TensorTable.UseOptional(_model, role, layer) : null, to);

    private ProjectStep Project(Operation operation, Operand from, bool isLast, params IReadOnlyList<Projection> projections)
    {
        _registers.UseProduct(from.Width);
        return new ProjectStep(operation, from, projections) { IsLast = isLast };
    }

    /// <summary>The register of a rope's angles; layers with the same rope share it.</summary>
    private Operand AnglesOf(RopeSpec rope)
    {
        if (!_angles.TryGetValue(rope, out Operand angles))
            _angles.Add(rope, angles = _registers.Use($"angles {_angles.Count}", rope.Dimension));
        return angles;
    }

    /// <summary>
    /// Puts a <see cref="NarrowStep"/> after the last step that writes a cache; it keeps what later steps read that none of them has
    /// written before.
    /// </summary>
    private static void AddNarrow(List<List<Step>> layers, IEnumerable<Step> epilogue)
    {
        int layer = Math.Max(0, layers.FindLastIndex(steps => steps.Exists(step => step.WritesCache)));
        int place = layers[layer].FindLastIndex(step => step.WritesCache) + 1;
        var written = new HashSet<Register>();
        var kept = new Dictionary<Register, Operand>();
        foreach (Step step in layers[layer].Skip(place).Concat(layers.Skip(layer + 1).SelectMany(steps => steps)).Concat(epilogue))
        {
            foreach (Operand input in step.Inputs)
            {
                if (!written.Contains(input.Register)) kept.TryAdd(input.Register, input);
            }
            written.UnionWith(step.Outputs.Select(output => output.Register));
        }
        layers[layer].Insert(place, new NarrowStep([.. kept.Values]));
    }
}
