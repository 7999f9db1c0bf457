using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Models;

/// <summary>
/// Up to three linear maps of the same activations as one parallel operation: rows of all of them in chunks over the threads. Quantizes
/// the activations first where a weight is not float, in the form that its packing takes.
/// </summary>
internal sealed unsafe class MatrixProduct
{
    private readonly Kernel _kernel;
    private readonly WorkerPool _pool;
    private readonly Activations _memory;
    private readonly bool _floatActivations;
    private readonly Action<int, int> _multiply;
    private readonly Action<int, int> _quantize;
    private readonly Action<int, int> _quantizePacked;

    private Target _first;
    private Target _second;
    private Target _third;
    private float* _x;
    private nint _xStride;
    private int _tokens;
    private int _chunkRows;
    private QuantizedActivations _quantized;
    private PackedActivations _packed;

    public MatrixProduct(Kernel kernel, WorkerPool pool, Activations memory, bool floatActivations)
    {
        _kernel = kernel;
        _pool = pool;
        _memory = memory;
        _floatActivations = floatActivations;
        _multiply = Multiply;
        _quantize = (token, _) => _kernel.Quantize(_x + token * _xStride, _quantized, token);
        _quantizePacked = (token, _) => _kernel.QuantizePacked(_x + token * _xStride, _packed, token);
    }

    /// <summary>y [tokens, rows] = x [tokens, columns] times each weight, plus its bias; rows of x are <paramref name="xStride"/> floats apart, those of y as wide as the weight.</summary>
    public void Run(float* x, nint xStride, int tokens, Linear first, float* firstY, Linear second = default, float* secondY = null, Linear third = default, float* thirdY = null)
    {
        _x = x;
        _xStride = xStride;
        _tokens = tokens;
        _chunkRows = ChunkRows(first.Weight.Rows + second.Weight.Rows + third.Weight.Rows);
        _first = new Target(first, firstY, 0, _chunkRows);
        _second = new Target(second, secondY, _first.EndChunk, _chunkRows);
        _third = new Target(third, thirdY, _second.EndChunk, _chunkRows);
        if (IsInteger(first) || IsInteger(second) || IsInteger(third))
        {
            _quantized = new QuantizedActivations(_memory.Quantized, tokens, first.Weight.Columns);
            ForEachToken(_quantize);
        }
        if (IsPacked(first) || IsPacked(second) || IsPacked(third))
        {
            _packed = new PackedActivations(_memory.Packed, tokens, first.Weight.Columns);
            ForEachToken(_quantizePacked);
        }
        _pool.Run(_third.EndChunk, _multiply);
    }

    /// <summary>
    /// Rows that a thread takes at a time, a multiple of 32: many, since memory likes long streams and a kernel regroups a prompt's activations for each
    /// chunk, but enough chunks for threads of unequal speed to end together. One thread alone takes all.
    /// </summary>
    private int ChunkRows(int rows) => _pool.Threads == 1 ? (rows + 31) / 32 * 32 : _tokens > 8
        ? Math.Clamp(rows / (_pool.Threads * 3) / 32 * 32, 32, 128)
        : Math.Clamp(rows / (_pool.Threads * 4) / 32 * 32, 32, 256);

    private bool IsInteger(in Linear map) => !_floatActivations && map.Weight.Rows > 0 && !map.Weight.IsFloat && !map.Weight.IsPacked;

    private bool IsPacked(in Linear map) => !_floatActivations && map.Weight.IsPacked;

    /// <summary>A few tokens cost less than waking the other threads.</summary>
    private void ForEachToken(Action<int, int> operation)
    {
        if (_tokens >= 4)
        {
            _pool.Run(_tokens, operation);
            return;
        }
        for (int t = 0; t < _tokens; t++) operation(t, 0);
    }

    private void Multiply(int chunk, int thread)
    {
        if (chunk < _first.EndChunk) MultiplyRows(_first, chunk, thread);
        else if (chunk < _second.EndChunk) MultiplyRows(_second, chunk - _first.EndChunk, thread);
        else MultiplyRows(_third, chunk - _second.EndChunk, thread);
    }

    private void MultiplyRows(in Target target, int chunk, int thread)
    {
        WeightMatrix weight = target.Map.Weight;
        byte* scratch = _memory.Scratch + thread * _memory.ScratchStride;
        int firstRow = chunk * _chunkRows, endRow = Math.Min(firstRow + _chunkRows, weight.Rows);
        if (IsPacked(target.Map)) _kernel.MultiplyPacked(weight, _packed, _tokens, target.Y, weight.Rows, firstRow, endRow, scratch);
        else if (IsInteger(target.Map)) _kernel.Multiply(weight, _quantized, _tokens, target.Y, weight.Rows, firstRow, endRow, scratch);
        else _kernel.Multiply(weight, _x, _xStride, _tokens, target.Y, weight.Rows, firstRow, endRow, scratch);
        if (target.Map.Bias == null) return;
        for (int t = 0; t < _tokens; t++) _kernel.Add(target.Y + (nint)t * weight.Rows + firstRow, target.Map.Bias + firstRow, endRow - firstRow);
    }

    private readonly struct Target(Linear map, float* y, int firstChunk, int chunkRows)
    {
        public Linear Map { get; } = map;

        public float* Y { get; } = y;

        /// <summary>The chunk after the last of this map, counted over all maps of the operation.</summary>
        public int EndChunk { get; } = firstChunk + (map.Weight.Rows + chunkRows - 1) / chunkRows;
    }
}
