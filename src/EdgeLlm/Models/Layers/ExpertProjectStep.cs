using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>A stack of matrices, one an expert, that multiplies rows, and the register of rows that the results go to.</summary>
/// <param name="Bias">[experts, rows], or null.</param>
internal sealed record ExpertProjection(TensorUse Stack, TensorUse? Bias, Operand To);

/// <summary>
/// Linear maps of the experts' rows as one parallel operation: chunks of each active expert's matrices over the threads. What
/// <see cref="ProjectStep"/> does for one matrix and all tokens.
/// </summary>
internal sealed unsafe class ExpertProjectStep : Step
{
    private const int ChunkRows = 64;

    private readonly Routing _routing;
    private readonly int _columns;
    private readonly Target[] _targets;
    private readonly Action<int, int> _multiply;
    private readonly Action<int, int> _quantize;
    private Pass _pass = null!;
    private bool _isInteger, _isPacked, _isRotated;
    private int _chunks; // of an expert

    /// <param name="from">Rows [tokens * used, columns].</param>
    public ExpertProjectStep(Operation operation, Routing routing, Operand from, params IReadOnlyList<ExpertProjection> projections)
    {
        (Operation, _routing, From, Projections) = (operation, routing, from, projections);
        _columns = from.Width / routing.Experts.Used;
        _targets = new Target[projections.Count];
        _multiply = Multiply;
        _quantize = Quantize;
    }

    public override Operation Operation { get; }

    public Operand From { get; }

    public IReadOnlyList<ExpertProjection> Projections { get; }

    public override IEnumerable<TensorUse> Tensors =>
        Projections.Select(projection => projection.Stack).Concat(Projections.Select(projection => projection.Bias).OfType<TensorUse>());

    public override IEnumerable<Operand> Inputs => [From];

    public override IEnumerable<Operand> Outputs => Projections.Select(projection => projection.To);

    /// <summary>Of the experts that a token uses.</summary>
    public override (long Bytes, long MultiplyAdds) Cost
    {
        get
        {
            (long bytes, long multiplyAdds) = (0, 0);
            foreach (Target target in _targets)
            {
                WeightMatrix weight = target.Experts[0];
                bytes += weight.ByteCount;
                multiplyAdds += (long)weight.Rows * weight.Columns;
            }
            return (bytes * _routing.Experts.Used, multiplyAdds * _routing.Experts.Used);
        }
    }

    public override void Bind(ModelTensors tensors, int context)
    {
        for (int i = 0; i < _targets.Length; i++)
        {
            ExpertProjection projection = Projections[i];
            _targets[i] = new Target
            {
                Experts = tensors.Stack(projection.Stack),
                Bias = projection.Bias is { } bias ? tensors.Vector(bias) : null,
                To = projection.To,
            };
        }
        tensors.RequireOneRotation([.. _targets.Select(target => target.Experts[0])], Projections[0].Stack.Name);
        _isRotated = _targets.Any(target => target.Experts[0].IsRotated);
    }

    public override void Run(Pass pass)
    {
        _pass = pass;
        (_isInteger, _isPacked, _chunks) = (false, false, 0);
        foreach (ref Target target in _targets.AsSpan())
        {
            _isInteger |= _pass.IsInteger(target.Experts[0]);
            _isPacked |= _pass.IsPacked(target.Experts[0]);
            target.EndChunk = _chunks += (target.Experts[0].Rows + ChunkRows - 1) / ChunkRows;
        }
        if (_isInteger || _isPacked) pass.Pool.Run(_routing.ActiveCount, _quantize);
        pass.Pool.Run(_routing.ActiveCount * _chunks, _multiply);
    }

    // An expert's rows are quantized by themselves: row r of a register has its place after r times a row's bytes.
    private QuantizedActivations QuantizedOf(int start, int count) =>
        new(_pass.Registers.Quantized + start * QuantizedActivations.ByteCount(1, _columns), count, _columns);

    private PackedActivations PackedOf(int start, int count) =>
        new(_pass.Registers.Packed + start * PackedActivations.ByteCount(1, _columns), count, _columns) { IsRotated = _isRotated };

    private void Quantize(int index, int thread)
    {
        int expert = _routing.Active[index], start = _routing.StartOf(expert), count = _routing.CountOf(expert);
        for (int row = 0; row < count; row++)
        {
            float* x = From.Start + (nint)(start + row) * _columns;
            if (_isInteger) _pass.Kernel.Quantize(x, QuantizedOf(start, count), row);
            if (_isPacked) _pass.Kernel.QuantizePacked(x, PackedOf(start, count), row);
        }
    }

    private void Multiply(int chunk, int thread)
    {
        int expert = _routing.Active[chunk / _chunks], index = 0, first = 0;
        chunk %= _chunks;
        while (chunk >= _targets[index].EndChunk) first = _targets[index++].EndChunk;
        ref readonly Target target = ref _targets[index];
        ref readonly WeightMatrix weight = ref target.Experts[expert];
        int start = _routing.StartOf(expert), count = _routing.CountOf(expert), firstRow = (chunk - first) * ChunkRows,
            endRow = Math.Min(firstRow + ChunkRows, weight.Rows);
        Kernel kernel = _pass.Kernel;
        byte* scratch = _pass.ScratchOf(thread);
        float* y = target.To.Start + (nint)start * weight.Rows;
        if (_pass.IsPacked(weight)) kernel.MultiplyPacked(weight, PackedOf(start, count), count, y, weight.Rows, firstRow, endRow, scratch);
        else if (_pass.IsInteger(weight))
            kernel.Multiply(weight, QuantizedOf(start, count), count, y, weight.Rows, firstRow, endRow, scratch);
        else kernel.Multiply(weight, From.Start + (nint)start * _columns, _columns, count, y, weight.Rows, firstRow, endRow, scratch);
        if (_pass.IsAdapted)
        {
            TensorUse use = Projections[index].Stack;
            for (int row = start; row < start + count; row++)
                _pass.Adapted.ChangeRow(_routing.TokenOf(row), use, expert, From.Start + (nint)row * _columns,
                    target.To.Start + (nint)row * weight.Rows, firstRow, endRow, scratch);
        }
        if (target.Bias == null) return;
        float* bias = target.Bias + (nint)expert * weight.Rows + firstRow;
        for (int row = 0; row < count; row++) kernel.Add(y + (nint)row * weight.Rows + firstRow, bias, endRow - firstRow);
    }

    private struct Target
    {
        public WeightMatrix[] Experts;

        /// <summary>[experts, rows], or null.</summary>
        public float* Bias;

        public Operand To;

        /// <summary>The chunk after the last of this stack, counted over all stacks of the step.</summary>
        public int EndChunk;
    }
}
