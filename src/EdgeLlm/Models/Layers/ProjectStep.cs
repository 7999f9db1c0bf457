using EdgeLlm.Kernels;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>A matrix that multiplies a register, and where its results go.</summary>
/// <param name="Bias">[rows], or null.</param>
internal sealed record Projection(TensorUse Weight, TensorUse? Bias, Operand To);

/// <summary>
/// Linear maps of the same activations as one parallel operation: rows of all of them in chunks over the threads. Quantizes the activations
/// first where a weight is not float, in the form that its packing takes.
/// </summary>
internal sealed unsafe class ProjectStep : Step
{
    private readonly Target[] _targets;
    private readonly Action<int, int> _multiply;
    private readonly Action<int, int> _quantize;
    private readonly Action<int, int> _quantizePacked;

    // The pass at hand, which the parallel operations read.
    private Pass _pass = null!;
    private int _chunkRows;
    private QuantizedActivations _quantized;
    private PackedActivations _packed;

    public ProjectStep(Operation operation, Operand from, params IReadOnlyList<Projection> projections)
    {
        (Operation, From, Projections) = (operation, from, projections);
        _targets = new Target[projections.Count];
        Places = [.. projections.Select(projection => new AdaptedPlace(projection, operation))];
        _multiply = Multiply;
        _quantize = (token, _) => _pass.Kernel.Quantize(From.Row(token), _quantized, token);
        _quantizePacked = (token, _) => _pass.Kernel.QuantizePacked(From.Row(token), _packed, token);
    }

    public override Operation Operation { get; }

    public Operand From { get; }

    public IReadOnlyList<Projection> Projections { get; }

    /// <summary>By what names adapters change the projections.</summary>
    public AdaptedPlace[] Places { get; }

    /// <summary>Whether results are checked here, as no later norm would find them out.</summary>
    public bool IsLast { get; init; }

    public override IEnumerable<TensorUse> Tensors =>
        Projections.Select(projection => projection.Weight).Concat(Projections.Select(projection => projection.Bias).OfType<TensorUse>());

    public override IEnumerable<Operand> Inputs => [From];

    public override IEnumerable<Operand> Outputs => Projections.Select(projection => projection.To);

    public override (long Bytes, long MultiplyAdds) Cost
    {
        get
        {
            (long bytes, long multiplyAdds) = (0, 0);
            foreach (Target target in _targets)
            {
                WeightMatrix weight = target.Weight;
                bytes += weight.ByteCount;
                multiplyAdds += (long)weight.Rows * weight.Columns;
            }
            return (bytes, multiplyAdds);
        }
    }

    public override void Bind(ModelTensors tensors, int context)
    {
        for (int i = 0; i < _targets.Length; i++)
        {
            Projection projection = Projections[i];
            _targets[i] = new Target
            {
                Weight = tensors.Matrix(projection.Weight),
                Bias = projection.Bias is { } bias ? tensors.Vector(bias) : null,
                To = projection.To,
            };
        }
        tensors.RequireOneRotation([.. _targets.Select(target => target.Weight)], Projections[0].Weight.Name);
    }

    /// <summary>Gives a projection other weights of the same shape, which have to last until it is bound again.</summary>
    public void Replace(int projection, in WeightMatrix weight) => _targets[projection].Weight = weight;

    public override void Run(Pass pass)
    {
        _pass = pass;
        int rows = 0;
        bool areInteger = false, arePacked = false, areRotated = false;
        foreach (ref Target target in _targets.AsSpan())
        {
            rows += target.Weight.Rows;
            areInteger |= _pass.IsInteger(target.Weight);
            arePacked |= _pass.IsPacked(target.Weight);
            areRotated |= target.Weight.IsRotated;
        }
        _chunkRows = ChunkRows(rows);
        int chunks = 0;
        foreach (ref Target target in _targets.AsSpan()) target.EndChunk = chunks += (target.Weight.Rows + _chunkRows - 1) / _chunkRows;
        if (areInteger)
        {
            _quantized = new QuantizedActivations(pass.Registers.Quantized, pass.Tokens, From.Width);
            pass.ForEachToken(_quantize);
        }
        if (arePacked)
        {
            _packed = new PackedActivations(pass.Registers.Packed, pass.Tokens, From.Width) { IsRotated = areRotated };
            pass.ForEachToken(_quantizePacked);
        }
        if (pass.IsAdapted) pass.Adapted.Begin(From, Places);
        pass.Pool.Run(chunks, _multiply);
        if (!IsLast) return;
        foreach (ref Target target in _targets.AsSpan())
            FiniteCheck.Require(target.To.Start, (nint)pass.Tokens * target.To.Width, "the head (output.weight, else token_embd.weight)");
    }

    /// <summary>
    /// Rows that a thread takes at a time, a multiple of 32: many, since memory likes long streams and a kernel regroups the activations of
    /// several tokens for each chunk, but enough chunks for threads of unequal speed to end together. One thread alone takes all.
    /// </summary>
    private int ChunkRows(int rows)
    {
        int threads = _pass.Pool.Threads;
        if (threads == 1) return (rows + 31) / 32 * 32;
        if (_pass.Tokens is > 1 and <= Pass.MostSequences) return Math.Clamp((rows / (threads * 3) + 31) / 32 * 32, 32, 256);
        return _pass.Tokens > 1 ? Math.Clamp(rows / (threads * 3) / 32 * 32, 32, 128) : Math.Clamp(rows / (threads * 4) / 32 * 32, 32, 256);
    }

    private void Multiply(int chunk, int thread)
    {
        int first = 0, index = 0;
        while (chunk >= _targets[index].EndChunk) first = _targets[index++].EndChunk;
        MultiplyRows(_targets[index], index, chunk - first, thread);
    }

    private void MultiplyRows(in Target target, int index, int chunk, int thread)
    {
        ref readonly WeightMatrix weight = ref target.Weight;
        Kernel kernel = _pass.Kernel;
        byte* scratch = _pass.ScratchOf(thread);
        float* y = target.To.Start;
        int tokens = _pass.Tokens, firstRow = chunk * _chunkRows, endRow = Math.Min(firstRow + _chunkRows, weight.Rows);
        if (_pass.IsPacked(weight)) kernel.MultiplyPacked(weight, _packed, tokens, y, weight.Rows, firstRow, endRow, scratch);
        else if (_pass.IsInteger(weight)) kernel.Multiply(weight, _quantized, tokens, y, weight.Rows, firstRow, endRow, scratch);
        else kernel.Multiply(weight, From.Start, From.Width, tokens, y, weight.Rows, firstRow, endRow, scratch);
        if (_pass.IsAdapted)
        {
            _pass.Adapted.Change(index, y, weight.Rows, firstRow, endRow, target.Bias, thread);
            return;
        }
        if (target.Bias == null) return;
        for (int t = 0; t < tokens; t++) kernel.Add(y + (nint)t * weight.Rows + firstRow, target.Bias + firstRow, endRow - firstRow);
    }

    private struct Target
    {
        public WeightMatrix Weight;

        /// <summary>[rows], or null.</summary>
        public float* Bias;

        public Operand To;

        /// <summary>The chunk after the last of this map, counted over all maps of the step.</summary>
        public int EndChunk;
    }
}
