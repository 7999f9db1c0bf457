using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>The model that is quantized, read as floats a part at a time.</summary>
internal sealed class SourceModel
{
    private readonly ChangedWeights? _adapters;

    /// <param name="adapters">What the layers compute with beside their weights, which are rounded without it; null: nothing.</param>
    /// <exception cref="ModelException">It is not a model that runs here, or an encoder; or an adapter changes more than
    /// layers.</exception>
    public SourceModel(GgufFile file, ChangedWeights? adapters = null)
    {
        (File, _adapters) = (file, adapters);
        Steps = LayerBuilder.Build(ModelLoader.ReadSpec(file));
        if (Model.IsEncoder)
            throw new ModelException(file.Path, "is an encoder, which is not calibrated in this version: quantize it with --fast");
        HashSet<(TensorRole, int)> ofLayers =
            [.. Steps.Layers.SelectMany(layer => layer).SelectMany(step => step.Tensors).Select(use => (use.Role, use.Layer))];
        foreach ((Adapter adapter, _) in adapters?.Adapters ?? [])
        {
            foreach ((TensorRole role, int layer) in adapter.Changes.Keys.Where(place => !ofLayers.Contains(place)))
                throw new ModelException(adapter.Path,
                    $"changes {TensorTable.Name(role, layer)}: a calibration takes adapters that change layers alone");
        }
        try
        {
            LayerProgram.RequireFrame(Steps);
            Programs = [.. Steps.Layers.Select(layer => new LayerProgram(layer, Steps.Stream))];
        }
        catch (NotSupportedException exception)
        {
            (Programs, NoPrograms) = ([], exception.Message);
        }
    }

    public GgufFile File { get; }

    public ModelSpec Model => Steps.Model;

    public ModelSteps Steps { get; }

    /// <summary>
    /// The layers in floats, forwards and backwards; none where there is a kind of step that has no such form (<see cref="NoPrograms"/>).
    /// </summary>
    public IReadOnlyList<LayerProgram> Programs { get; }

    /// <summary>Why there are no programs; null: there are.</summary>
    public string? NoPrograms { get; }

    public int LayerCount => Steps.Layers.Count;

    /// <exception cref="ModelException">There are no programs to go backwards through.</exception>
    public void RequirePrograms(string what)
    {
        if (NoPrograms is { } reason) throw new ModelException(File.Path, $"has no {what}: {reason}");
    }

    /// <summary>The matrix that makes logits: the embedding where the file has no head of its own.</summary>
    public string HeadName => TensorTable.Name(Model.IsTied ? TensorRole.TokenEmbedding : TensorRole.Output);

    public NormStep OutputNormStep => Steps.Epilogue.OfType<NormStep>().Single();

    /// <summary>A pass of one window of tokens through all layers.</summary>
    public ModelPass NewPass(int length) => new(Programs, OutputNormStep, OutputNormBias, Model.Width, length);

    /// <summary>[width]</summary>
    public float[] OutputNorm => ReadVector(OutputNormStep.Weight.Name);

    /// <summary>[width], or null.</summary>
    public float[]? OutputNormBias => OutputNormStep.Bias is { } bias ? ReadVector(bias.Name) : null;

    /// <summary>The weights of a layer's norms by their tensors' names.</summary>
    public Dictionary<string, float[]> ReadNorms(int layer) =>
        NormsOf(layer).ToDictionary(norm => norm.Name, norm => ReadVector(norm.Name));

    /// <summary>The tensors of a layer's norms.</summary>
    public IEnumerable<TensorUse> NormsOf(int layer) => Steps.Layers[layer].Select(step => step switch
    {
        NormStep norm => norm.Weight,
        HeadNormStep norm => norm.Weight,
        _ => null,
    }).OfType<TensorUse>();

    /// <summary>A layer's numbers.</summary>
    /// <param name="buffer">Another layer of this model, whose arrays the matrices go to; null: new ones.</param>
    /// <param name="norms">By their tensors' names; null: the source's.</param>
    /// <param name="packed">Matrices by their names; those that are not packed come from the source.</param>
    public LayerWeights ReadLayer(int layer, LayerWeights? buffer = null, IReadOnlyDictionary<string, float[]>? norms = null,
        IReadOnlyDictionary<string, PackedMatrix>? packed = null)
    {
        LayerWeights weights = buffer ?? new LayerWeights();
        foreach (TensorUse use in Steps.Layers[layer].SelectMany(step => step.Tensors))
        {
            if (!use.Entry.IsMatrix) weights.Set(use, _adapters?.Vector(use) ?? norms?.GetValueOrDefault(use.Name) ?? ReadVector(use.Name));
            else if (packed?.GetValueOrDefault(use.Name) is { } matrix) matrix.ToFloat(weights.Reuse(use));
            else if (buffer is null) weights.Set(use, ReadMatrix(use.Name));
            else ReadRows(use.Name, 0, weights.Reuse(use));
            if (use.Entry.IsMatrix && _adapters?.Changes(use.Role, use.Layer) == true) Change(use, weights[use]);
        }
        return weights;
    }

    /// <summary>The numbers of a matrix without adapters: those of a layer where there are none for it.</summary>
    public float[] PlainOf(TensorUse use, LayerWeights layer)
    {
        if (_adapters?.Changes(use.Role, use.Layer) != true) return layer[use];
        float[] plain = new float[(long)use.Rows * use.Columns];
        ReadRows(use.Name, 0, plain);
        return plain;
    }

    private void Change(TensorUse use, float[] matrix) =>
        ParallelWork.ForAll(use.Rows, default, row => _adapters!.Change(use, row, matrix.AsSpan(row * use.Columns, use.Columns)));

    /// <summary>x [tokens, width] = the embedding's rows.</summary>
    public void Embed(ReadOnlySpan<int> tokens, float[] x)
    {
        int width = Model.Width;
        var rows = new WeightRows(File, File.FindTensor(TensorTable.Embedding)!);
        for (int t = 0; t < tokens.Length; t++) rows.Read(tokens[t], x.AsSpan(t * width, width));
        ScaleEmbeddings(tokens.Length, x);
    }

    private void ScaleEmbeddings(int tokens, float[] x)
    {
        Span<float> all = x.AsSpan(0, tokens * Model.Width);
        if (Model.EmbeddingScale != 1) TensorPrimitives.Multiply(all, Model.EmbeddingScale, all);
    }

    /// <summary>Embeds tokens by the packed embedding, where there is one.</summary>
    public void EmbedPacked(ReadOnlySpan<int> tokens, PackedMatrix? packed, float[] x)
    {
        if (packed is null)
        {
            Embed(tokens, x);
            return;
        }
        int width = Model.Width;
        float[] group = new float[PackedLayout.GroupRows * width];
        for (int t = 0; t < tokens.Length; t++)
        {
            int index = tokens[t] / PackedLayout.GroupRows,
                rows = Math.Min(PackedLayout.GroupRows, packed.Tensor.Rows - index * PackedLayout.GroupRows);
            packed.GroupToFloat(index, group.AsSpan(0, rows * width));
            group.AsSpan(tokens[t] % PackedLayout.GroupRows * width, width).CopyTo(x.AsSpan(t * width));
        }
        ScaleEmbeddings(tokens.Length, x);
    }

    /// <summary>Some rows of a matrix.</summary>
    public void ReadRows(string name, int firstRow, Span<float> rows) => new WeightRows(File, File.FindTensor(name)!).Read(firstRow, rows);

    /// <param name="arena">Where the array is from; null: it is new.</param>
    public float[] ReadMatrix(string name, FloatArena? arena = null)
    {
        GgufTensor tensor = File.FindTensor(name)!;
        float[] weights = arena?.Rent(tensor.Rows * tensor.Columns) ?? new float[tensor.Rows * tensor.Columns];
        const int Rows = 64;
        ParallelWork.ForAll((int)((tensor.Rows + Rows - 1) / Rows), default, block =>
        {
            int first = block * Rows, count = (int)Math.Min(Rows, tensor.Rows - first), columns = (int)tensor.Columns;
            new WeightRows(File, tensor).Read(first, weights.AsSpan(first * columns, count * columns));
        });
        return weights;
    }

    public float[] ReadVector(string name)
    {
        GgufTensor tensor = File.FindTensor(name)!;
        float[] vector = new float[tensor.Columns];
        new WeightRows(File, tensor).Read(0, vector);
        return vector;
    }

    /// <summary>The source's normed last hidden states of a text.</summary>
    /// <param name="stream">Receives them: [tokens, width].</param>
    /// <param name="progress">Receives the layers done.</param>
    public void HiddenStates(CalibrationText text, float[] stream, Action<double> progress, CancellationToken cancellation)
    {
        PassLayers(text, stream, see: null, progress, cancellation);
        new LayerArithmetic(text.Length)
            .Normalize(OutputNormStep.Norm, new FloatRows(stream, 0), OutputNorm, new FloatRows(stream, 0),
                text.Tokens.Length, OutputNormBias);
    }

    /// <summary>A text goes through the layers, one after the other, some windows at a time.</summary>
    /// <param name="stream">Receives the residual stream after the last layer: [tokens, width].</param>
    /// <param name="see">Sees what goes into matrices, [tokens, columns], and the number of tokens.</param>
    /// <param name="progress">Receives the layers done.</param>
    public void PassLayers(CalibrationText text, float[] stream, Action<ProjectStep, FloatRows, int>? see, Action<double> progress,
        CancellationToken cancellation)
    {
        if (NoPrograms is not null)
        {
            RunLayers(text, stream, see, progress, cancellation);
            return;
        }
        int batch = Math.Min(LayerPass.BatchWindows(Programs, text.Length), text.Count);
        Embed(text.Tokens, stream);
        var pass = new LayerPass(new LayerArithmetic(text.Length), batch * text.Length, new PassArrays(batch * text.Length));
        if (see is not null) pass.Observer = (step, x) => see(step, x, pass.Tokens);
        LayerWeights buffer = ReadLayer(0);
        for (int l = 0; l < Programs.Count; l++)
        {
            LayerWeights layer = l == 0 ? buffer : ReadLayer(l, buffer);
            for (int first = 0; first < text.Count; first += batch)
            {
                cancellation.ThrowIfCancellationRequested();
                progress(l + first / (double)text.Count);
                int tokens = Math.Min(batch, text.Count - first) * text.Length;
                pass.Forward(Programs[l], layer, new FloatRows(stream, first * text.Length * Model.Width), tokens);
            }
        }
        progress(Programs.Count);
    }

    /// <summary>Runs the layers by their own steps, a window at a time.</summary>
    private void RunLayers(CalibrationText text, float[] stream, Action<ProjectStep, FloatRows, int>? see, Action<double> progress,
        CancellationToken cancellation)
    {
        using var runner = new LayerRunner(Steps, File, text.Count, text.Length);
        int size = text.Length * Model.Width;
        for (int window = 0; window < text.Count; window++) runner.Embed(text[window], stream.AsSpan(window * size, size));
        for (int l = 0; l < LayerCount; l++)
        {
            for (int window = 0; window < text.Count; window++)
            {
                cancellation.ThrowIfCancellationRequested();
                progress(l + window / (double)text.Count);
                runner.Run(l, window, text[window], stream.AsSpan(window * size, size),
                    see is null ? null : (step, inputs) => see(step, new FloatRows(inputs.ToArray(), 0), text.Length));
            }
        }
        progress(LayerCount);
    }
}
