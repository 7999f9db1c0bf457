using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>Machine of a voice: a kernel, threads, and the memory between operations.</summary>
internal sealed unsafe class VoiceMachine : IDisposable
{
    /// <summary>Rows that are computed at a time.</summary>
    public const int MostRows = 64;

    private readonly WorkerPool _pool;
    private readonly AlignedBuffer _packed;
    private readonly AlignedBuffer _scratch;
    private readonly AlignedBuffer _normed, _hidden;
    private readonly long _scratchStride;
    private readonly Action<int, int> _multiply;

    // The product at hand, which the threads read.
    private LinearMap _map;
    private PackedActivations _activations;
    private float* _x, _y;
    private nint _xStride;
    private int _rows, _chunkRows;

    /// <param name="widest">Most columns of a matrix.</param>
    /// <param name="floatActivations">Multiply packed matrices with float activations.</param>
    public VoiceMachine(Kernel kernel, int threads, int widest, bool floatActivations)
    {
        (Kernel, FloatActivations) = (kernel, floatActivations);
        _pool = new WorkerPool(threads);
        _packed = new AlignedBuffer(PackedActivations.ByteCount(MostRows, (widest + 31) / 32 * 32));
        long scratch = Math.Max(kernel.ScratchBytes(widest), kernel.AttentionScratchBytes(widest, MostRows, 1));
        _scratchStride = (scratch + 63) & ~63L;
        _scratch = new AlignedBuffer(_scratchStride * threads);
        long rows = (long)MostRows * widest * sizeof(float);
        (_normed, _hidden) = (new AlignedBuffer(rows), new AlignedBuffer(rows));
        _multiply = MultiplyChunk;
    }

    public Kernel Kernel { get; }

    /// <summary>
    /// Whether packed matrices are multiplied with float activations: slower, and nearer to the network as it was trained.
    /// </summary>
    public bool FloatActivations { get; }

    /// <summary>The caller's scratch for attention over heads as wide as the widest matrix.</summary>
    public byte* Scratch => _scratch.Start;

    /// <summary>Rows of a stage while it computes [<see cref="MostRows"/>][columns of the widest matrix], in which nothing stays.</summary>
    public float* Normed => (float*)_normed.Start;

    /// <summary>Rows of its inner, wider layer, of the same size.</summary>
    public float* Hidden => (float*)_hidden.Start;

    /// <summary>y [rows][map.Rows] = map of x, rows xStride apart.</summary>
    public void Multiply(in LinearMap map, float* x, nint xStride, int rows, float* y)
    {
        for (; rows > 0; rows -= MostRows, x += MostRows * xStride, y += (nint)MostRows * map.Rows)
        {
            (_map, _xStride, _rows) = (map, xStride, Math.Min(rows, MostRows));
            _x = x;
            _y = y;
            if (IsPacked)
            {
                _activations = new PackedActivations(_packed.Start, _rows, map.Columns) { IsRotated = map.Weight.IsRotated };
                for (int t = 0; t < _rows; t++) Kernel.QuantizePacked(x + t * xStride, _activations, t);
            }
            _chunkRows = _pool.Threads == 1 ? (map.Rows + 31) / 32 * 32 : Math.Clamp(map.Rows / (_pool.Threads * 3) / 32 * 32, 32, 128);
            _pool.Run((map.Rows + _chunkRows - 1) / _chunkRows, _multiply);
        }
    }

    /// <summary>Normalizes rows.</summary>
    /// <exception cref="NotFiniteException">One is not finite.</exception>
    public void Normalize(in LayerNorm norm, float* x, float* y, int width, int rows)
    {
        if (!Kernel.LayerNormRows(x, norm.Weight, norm.Bias, y, width, rows, LayerNorm.Epsilon))
            throw new NotFiniteException("an activation of the voice is infinite or not a number: its weights are damaged");
    }

    public void Dispose()
    {
        _pool.Dispose();
        foreach (AlignedBuffer buffer in (ReadOnlySpan<AlignedBuffer>)[_packed, _scratch, _normed, _hidden]) buffer.Dispose();
    }

    private bool IsPacked => _map.Weight.IsPacked && !FloatActivations;

    private void MultiplyChunk(int chunk, int thread)
    {
        int first = chunk * _chunkRows, end = Math.Min(first + _chunkRows, _map.Rows);
        byte* scratch = _scratch.Start + thread * _scratchStride;
        if (IsPacked) Kernel.MultiplyPacked(_map.Weight, _activations, _rows, _y, _map.Rows, first, end, scratch);
        else Kernel.Multiply(_map.Weight, _x, _xStride, _rows, _y, _map.Rows, first, end, scratch);
        if (_map.Bias == null) return;
        for (int t = 0; t < _rows; t++) Kernel.Add(_y + (nint)t * _map.Rows + first, _map.Bias + first, end - first);
    }
}
