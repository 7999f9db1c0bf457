using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A product of a register with a matrix, and what becomes of its results.</summary>
internal unsafe struct Product
{
    public Linear Linear;

    /// <summary>[tokens, rows].</summary>
    public float* To;

    /// <summary>[tokens, rows] that the results are added to; null: none.</summary>
    public float* Residual;

    /// <summary>Activation applied to the results first.</summary>
    public Activation Activation;
}

/// <summary>
/// The operations that recognizers are made of, over rows of numbers, on a kernel and its threads. Rows are computed each by itself: the
/// bits don't depend on how many come together, nor on the threads. One caller at a time.
/// </summary>
internal sealed unsafe class SpeechCompute : IDisposable
{
    /// <summary>Rows of one call to <see cref="Kernel.Attend"/> at most.</summary>
    public const int AttentionRows = 64;

    private const int MostProducts = 4;

    private readonly Product[] _products = new Product[MostProducts];
    private readonly int[] _endChunks = new int[MostProducts];
    private readonly Action<int, int> _multiply;
    private readonly Action<int, int> _quantize;
    private readonly Action<int, int> _quantizePacked;
    private readonly Action<int, int> _norm;
    private AlignedBuffer _scratch = new(64);
    private AlignedBuffer _activations = new(64);
    private long _scratchStride;
    private float* _x;
    private nint _stride;
    private int _tokens;
    private int _chunkRows;
    private QuantizedActivations _quantized;
    private PackedActivations _packed;
    private NormWeights _normWeights;
    private float* _normed;
    private int _normWidth;
    private float _epsilon;
    private volatile bool _isNotFinite;

    public SpeechCompute(Kernel kernel, int threads)
    {
        Kernel = kernel;
        Pool = new WorkerPool(threads);
        _multiply = MultiplyRows;
        _quantize = (token, _) => Kernel.Quantize(_x + token * _stride, _quantized, token);
        _quantizePacked = (token, _) => Kernel.QuantizePacked(_x + token * _stride, _packed, token);
        _norm = (token, _) =>
        {
            float* x = _x + (nint)token * _normWidth;
            if (!Kernel.LayerNorm(x, (float*)_normWeights.Weight, (float*)_normWeights.Bias,
                _normed + (nint)token * _normWidth, _normWidth, _epsilon))
                _isNotFinite = true;
        };
    }

    public Kernel Kernel { get; }

    public WorkerPool Pool { get; }

    /// <summary>Multiply packed and quantized weights with float activations: slow and exact.</summary>
    public bool FloatActivations { get; init; }

    /// <summary>Bytes of scratch.</summary>
    public long AllocatedBytes => _scratch.Bytes + _activations.Bytes;

    /// <summary>The calling thread's scratch.</summary>
    public byte* ScratchOf(int thread) => _scratch.Start + thread * _scratchStride;

    /// <summary>Makes room for products of this many rows and columns, and for attention of this dimension.</summary>
    public void Reserve(int tokens, int columns, int dimension, int groupSize)
    {
        int padded = (columns + 31) & ~31;
        long stride = Math.Max(Kernel.ScratchBytes(columns), Kernel.AttentionScratchBytes(dimension, AttentionRows, groupSize)) + 63 & ~63L;
        if (stride > _scratchStride)
        {
            _scratch.Dispose();
            (_scratch, _scratchStride) = (new AlignedBuffer(stride * Pool.Threads), stride);
        }
        long bytes = Math.Max(PackedActivations.ByteCount(tokens, padded), QuantizedActivations.ByteCount(tokens, padded));
        if (bytes <= _activations.Bytes) return;
        _activations.Dispose();
        _activations = new AlignedBuffer(bytes);
    }

    /// <summary>Layer norm of each row.</summary>
    /// <param name="x">[tokens, width].</param>
    /// <param name="y">[tokens, width]; may be x.</param>
    public void Norm(NormWeights weights, float* x, float* y, int tokens, int width, float epsilon)
    {
        (_normWeights, _normWidth, _epsilon) = (weights, width, epsilon);
        _x = x;
        _normed = y;
        ForEach(tokens, _norm);
    }

    /// <summary>Products of the same rows with up to four matrices.</summary>
    /// <param name="x">[tokens][columns], <paramref name="stride"/> from one row to the next.</param>
    public void Multiply(float* x, nint stride, int tokens, params ReadOnlySpan<Product> products)
    {
        (_stride, _tokens) = (stride, tokens);
        _x = x;
        products.CopyTo(_products);
        int rows = 0, columns = products[0].Linear.Weight.Columns;
        bool areInteger = false, arePacked = false;
        foreach (ref readonly Product product in products)
        {
            WeightMatrix weight = product.Linear.Weight;
            rows += weight.Rows;
            areInteger |= IsInteger(weight);
            arePacked |= IsPacked(weight);
        }
        int threads = Pool.Threads;
        _chunkRows = threads == 1 ? (rows + 31) / 32 * 32
            : Math.Clamp(rows / (threads * (tokens > 8 ? 3 : 4)) / 32 * 32, 32, tokens > 8 ? 128 : 256);
        int chunks = 0;
        for (int i = 0; i < products.Length; i++) _endChunks[i] = chunks += (products[i].Linear.Weight.Rows + _chunkRows - 1) / _chunkRows;
        if (areInteger)
        {
            _quantized = new QuantizedActivations(_activations.Start, tokens, columns);
            ForEach(tokens, _quantize);
        }
        if (arePacked)
        {
            _packed = new PackedActivations(_activations.Start, tokens, columns);
            ForEach(tokens, _quantizePacked);
        }
        Pool.Run(chunks, _multiply);
    }

    /// <summary>Calls an operation for each of a few rows, or of many, on all threads.</summary>
    public void ForEach(int count, Action<int, int> operation)
    {
        if (count >= 4)
        {
            Pool.Run(count, operation);
            return;
        }
        for (int i = 0; i < count; i++) operation(i, 0);
    }

    /// <summary>Notes a number that is infinite or not a number; any thread may.</summary>
    public void NoteNotFinite() => _isNotFinite = true;

    /// <exception cref="NotFiniteException">One was noted.</exception>
    public void ThrowIfNotFinite(string place)
    {
        if (!_isNotFinite) return;
        _isNotFinite = false;
        throw new NotFiniteException(
            $"an activation of the {place} is infinite or not a number: the model's weights are damaged, or the sound has a sample that "
                + "is no number");
    }

    public void Dispose()
    {
        Pool.Dispose();
        _scratch.Dispose();
        _activations.Dispose();
    }

    private bool IsInteger(in WeightMatrix weight) => !FloatActivations && !weight.IsFloat && !weight.IsPacked;

    private bool IsPacked(in WeightMatrix weight) => !FloatActivations && weight.IsPacked;

    private void MultiplyRows(int chunk, int thread)
    {
        int firstChunk = 0, index = 0;
        while (chunk >= _endChunks[index]) firstChunk = _endChunks[index++];
        ref readonly Product product = ref _products[index];
        WeightMatrix weight = product.Linear.Weight;
        int first = (chunk - firstChunk) * _chunkRows, end = Math.Min(first + _chunkRows, weight.Rows), count = end - first;
        byte* scratch = ScratchOf(thread);
        if (IsPacked(weight)) Kernel.MultiplyPacked(weight, _packed, _tokens, product.To, weight.Rows, first, end, scratch);
        else if (IsInteger(weight)) Kernel.Multiply(weight, _quantized, _tokens, product.To, weight.Rows, first, end, scratch);
        else Kernel.Multiply(weight, _x, _stride, _tokens, product.To, weight.Rows, first, end, scratch);
        for (int t = 0; t < _tokens; t++)
        {
            float* y = product.To + (nint)t * weight.Rows + first;
            if (product.Linear.Bias != 0) Kernel.Add(y, (float*)product.Linear.Bias + first, count);
            if (product.Activation != Activation.Identity) Kernel.Activate(product.Activation, y, null, count);
            if (product.Residual != null) Kernel.Add(product.Residual + (nint)t * weight.Rows + first, y, count);
        }
    }
}
