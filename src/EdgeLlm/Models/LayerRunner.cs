using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Models;

/// <summary>
/// A model's layers one at a time, on windows of tokens that are sequences of their own. What goes through a model layer by layer
/// (calibration) needs no arithmetic of its own for them, whatever steps they consist of. Not thread-safe; one at a time for a list of
/// steps.
/// </summary>
internal sealed unsafe class LayerRunner : IDisposable
{
    private readonly WorkerPool _pool = new(Environment.ProcessorCount);
    private readonly Pass _pass;
    private readonly KvCache[] _caches; // one, or one a window where layers read what earlier ones wrote
    private readonly List<AlignedBuffer> _replacements = [];

    /// <param name="steps">Of the model in <paramref name="file"/>.</param>
    /// <param name="windows">How many windows there are.</param>
    /// <param name="length">Tokens of a window.</param>
    /// <exception cref="ModelException">A tensor is missing, of another shape or type, or one that nothing uses.</exception>
    public LayerRunner(ModelSteps steps, GgufFile file, int windows, int length)
    {
        Steps = steps;
        ModelLoader.Bind(Steps, file, length);
        Kernel kernel = Kernel.Best;
        Steps.Registers.Allocate(kernel, length, _pool.Threads);
        _pass = new Pass(kernel, _pool, Steps.Registers, floatActivations: false, length);
        bool isShared = Steps.Layers.Any(layer =>
            layer.OfType<AttendStep>().Any(attend => !layer.OfType<StoreStep>().Any(store => store.Entry == attend.Entry)));
        _caches = [.. Enumerable.Range(0, isShared ? windows : 1)
            .Select(_ => new KvCache(Steps.Cache, length, length, KeyValueType.F32, vocabulary: 0))];
    }

    public ModelSteps Steps { get; }

    /// <summary>A window's residual stream before the first layer: [tokens, width].</summary>
    public void Embed(ReadOnlySpan<int> tokens, Span<float> stream)
    {
        Begin(0, tokens);
        RunAll(Steps.Prologue);
        Rows(Steps.Stream, tokens.Length).CopyTo(stream);
    }

    /// <summary>Moves a window's residual stream [tokens, width] through a layer.</summary>
    /// <param name="see">Sees what goes into each matrix of the layer [tokens, columns], before it is multiplied.</param>
    public void Run(int layer, int window, ReadOnlySpan<int> tokens, Span<float> stream,
        Action<ProjectStep, ReadOnlySpan<float>>? see = null)
    {
        Start(layer, window, tokens, stream);
        foreach (Step step in Steps.Layers[layer])
        {
            if (step is ProjectStep project) see?.Invoke(project, Rows(project.From, tokens.Length));
            step.Run(_pass);
        }
        _pass.ThrowIfNotFinite();
        Rows(Steps.Stream, tokens.Length).CopyTo(stream);
    }

    /// <summary>Inputs of the matrices of one step of a layer: [tokens, columns].</summary>
    /// <param name="stream">A window's residual stream before the layer: [tokens, width].</param>
    public void Inputs(int layer, int window, ReadOnlySpan<int> tokens, ReadOnlySpan<float> stream, ProjectStep of, Span<float> inputs)
    {
        Start(layer, window, tokens, stream);
        foreach (Step step in Steps.Layers[layer].TakeWhile(step => step != of)) step.Run(_pass);
        Rows(of.From, tokens.Length).CopyTo(inputs);
    }

    /// <summary>The normed last hidden states [tokens, width] of a window's residual stream after the last layer.</summary>
    public void Finish(ReadOnlySpan<int> tokens, ReadOnlySpan<float> stream, Span<float> hidden)
    {
        Begin(0, tokens);
        RunAll(Steps.Prologue);
        stream.CopyTo(Rows(Steps.Stream, tokens.Length));
        RunAll(Steps.Epilogue);
        Rows(Steps.Hidden, tokens.Length).CopyTo(hidden);
    }

    /// <summary>Gives a matrix other weights from now on, in packed form.</summary>
    /// <param name="write">Writes the packed bytes.</param>
    public void Replace(ProjectStep step, PackedTensor tensor, Action<Stream> write)
    {
        var memory = new AlignedBuffer(tensor.ByteCount);
        _replacements.Add(memory);
        using (var stream = new UnmanagedMemoryStream(memory.Start, 0, tensor.ByteCount, FileAccess.Write)) write(stream);
        int index = step.Projections.ToList().FindIndex(projection => projection.Weight.Name == tensor.Name);
        step.Replace(index, new WeightMatrix(memory.Start, tensor.Layout, tensor.Codebook, tensor.Rows));
    }

    /// <summary>Frees what replaced the weights of layers that do not run again.</summary>
    public void FreeReplacements()
    {
        foreach (AlignedBuffer memory in _replacements) memory.Dispose();
        _replacements.Clear();
    }

    public void Dispose()
    {
        FreeReplacements();
        foreach (KvCache cache in _caches) cache.Dispose();
        Steps.Registers.Dispose();
        _pool.Dispose();
    }

    private void Start(int layer, int window, ReadOnlySpan<int> tokens, ReadOnlySpan<float> stream)
    {
        Begin(window, tokens);
        RunAll(Steps.Prologue); // what layers read beside the stream: angles, inputs of their own
        stream.CopyTo(Rows(Steps.Stream, tokens.Length));
        _pass.Layer = layer;
    }

    private void Begin(int window, ReadOnlySpan<int> tokens)
    {
        KvCache cache = _caches[_caches.Length == 1 ? 0 : window];
        cache.Truncate(0);
        _pass.Begin();
        _pass.Add(tokens, cache, tokens.Length);
    }

    private void RunAll(IReadOnlyList<Step> steps)
    {
        foreach (Step step in steps) step.Run(_pass);
    }

    private static Span<float> Rows(Operand operand, int tokens) => new(operand.Start, checked(tokens * operand.Width));
}
