using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// An encoder's layers: attention over all frames or a window of them, then a feed-forward part, each after a norm and added to its input.
/// </summary>
internal sealed unsafe class EncoderStack : IDisposable
{
    /// <summary>Frames of one product: their numbers stay in the processor's caches.</summary>
    public const int ChunkFrames = 128;

    private readonly StackSpec _spec;
    private readonly LayerWeights[] _layers;
    private readonly NormWeights _last;
    private readonly SpeechCompute _compute;
    private readonly NeighbourRotation? _rotation;
    private readonly Action<int, int> _attend;
    private readonly Action<int, int> _store;
    private HeadCaches? _keys; // of one layer at a time
    private AlignedBuffer? _memory;
    private int _capacity;
    private HeadCaches _seen = null!; // keys and values of the layer that runs
    private int _seenLayer;
    private int _frames; // of the sound so far
    private int _rows; // that run
    private int _firstRow; // frame of the first of them
    private int _firstFresh; // frame of the first whose keys and values are not there yet
    private int _firstKept; // frame of the first position of the keys
    private int _layer;
    private int _chunk;
    private float* _queries; // [frames][query width]
    private float* _attended; // [frames][query width]
    private float* _normed; // [chunk][width]
    private float* _wide; // [chunk][widest]
    private float* _key; // [chunk][key width]
    private float* _value; // [chunk][key width]

    public EncoderStack(StackSpec spec, SpeechWeights weights, SpeechCompute compute)
    {
        (_spec, _compute) = (spec, compute);
        _layers = LayerWeights.Read(weights, spec);
        _last = weights.Norm(spec.Prefix + ".output_norm", spec.Width);
        _rotation = spec.RopeDimension > 0 ? new NeighbourRotation(spec) : null;
        compute.Reserve(ChunkFrames, spec.Widest, spec.HeadDimension, spec.GroupSize);
        _attend = Attend;
        _store = Store;
    }

    /// <summary>Bytes of its buffers.</summary>
    public long AllocatedBytes => (_memory?.Bytes ?? 0) + (_keys?.AllocatedBytes ?? 0);

    /// <summary>Bytes of the buffers for a given number of frames.</summary>
    public static long ByteCount(StackSpec spec, int frames) =>
        MemoryBytes(spec, frames) + HeadCaches.ByteCount(KeyValueType.F32, 1, spec.KeyValueHeads, spec.HeadDimension, frames);

    /// <summary>Runs all layers and the last norm in place.</summary>
    /// <param name="x">[frames, width].</param>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public void Run(float* x, int frames, CancellationToken cancellation)
    {
        Reserve(frames, isWhole: true);
        (_frames, _rows, _firstRow, _firstFresh, _firstKept, _seen, _seenLayer) = (frames, frames, 0, 0, 0, _keys!, 0);
        for (_layer = 0; _layer < _layers.Length; _layer++) RunLayer(x, cancellation);
        End(x);
    }

    /// <summary>
    /// Runs all layers and the last norm over the next frames of a sound, and again over those before them that change with them.
    /// </summary>
    /// <param name="x">[frames, width], with room for the rows of the encoder's lag before it, which are written, too.</param>
    /// <returns>Number of the first frame that was computed; its row is so much before those of <paramref name="x"/>.</returns>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public int Run(float* x, int frames, EncoderMemory memory, CancellationToken cancellation)
    {
        int before = memory.Frames, lag = 0;
        Reserve(frames + memory.Lag, isWhole: false);
        memory.Begin(frames);
        (_frames, _rows, _firstRow, _firstKept, _seen) = (before + frames, frames, before, memory.FirstKept, memory.Keys);
        for (_layer = 0; _layer < _layers.Length; _layer++)
        {
            int pending = memory.TakePending(_layer, x), final = Math.Max(0, _frames - lag);
            (_firstFresh, _firstRow, _rows, _seenLayer) = (_firstRow, _firstRow - pending, _rows + pending, _layer);
            x -= (nint)pending * _spec.Width;
            lag += _spec.Windows[_layer].After;
            int kept = Math.Max(0, _frames - lag);
            memory.KeepPending(_layer, x + (nint)(kept - _firstRow) * _spec.Width, final - kept);
            RunLayer(x, cancellation);
        }
        End(x);
        memory.End(frames);
        return _firstRow;
    }

    private void RunLayer(float* x, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        LayerWeights layer = _layers[_layer];
        int width = _spec.Width;
        for (_chunk = 0; _chunk < _rows; _chunk += ChunkFrames)
        {
            int count = Math.Min(ChunkFrames, _rows - _chunk);
            _compute.Norm(layer.AttentionNorm, x + (nint)_chunk * width, _normed, count, width, _spec.Epsilon);
            _compute.Multiply(_normed, width, count, Plain(layer.Query, _queries + (nint)_chunk * _spec.QueryWidth), Plain(layer.Key, _key),
                Plain(layer.Value, _value));
            _compute.ForEach(count, _store);
        }
        _compute.Pool.Run(_spec.KeyValueHeads * Blocks(_rows), _attend);
        for (int chunk = 0; chunk < _rows; chunk += ChunkFrames)
        {
            int count = Math.Min(ChunkFrames, _rows - chunk);
            float* rows = x + (nint)chunk * width;
            _compute.Multiply(_attended + (nint)chunk * _spec.QueryWidth, _spec.QueryWidth, count, Added(layer.Output, _normed, rows));
            FeedForward(_spec, _compute, layer, rows, _normed, _wide, count);
        }
        _compute.ThrowIfNotFinite($"encoder's layer {_layer}");
    }

    private void End(float* x)
    {
        _compute.Norm(_last, x, x, _rows, _spec.Width, _spec.Epsilon);
        _compute.ThrowIfNotFinite("encoder's last norm");
    }

    /// <summary>A norm, then two products with a function between them, added to the rows.</summary>
    /// <param name="normed">[tokens, width] of scratch.</param>
    /// <param name="wide">[tokens, rows of the first product] of scratch.</param>
    public static void FeedForward(StackSpec spec, SpeechCompute compute, LayerWeights layer, float* rows,
        float* normed, float* wide, int tokens)
    {
        compute.Norm(layer.FeedForwardNorm, rows, normed, tokens, spec.Width, spec.Epsilon);
        if (!spec.IsGated)
        {
            compute.Multiply(normed, spec.Width, tokens, new Product { Linear = layer.Up, To = wide, Activation = spec.Activation });
            compute.Multiply(wide, spec.FeedForward, tokens, Added(layer.Down, normed, rows));
            return;
        }
        compute.Multiply(normed, spec.Width, tokens, Plain(layer.Up, wide));
        int size = spec.FeedForward;
        // value * f(gate), where the gates are.
        for (int t = 0; t < tokens; t++)
            compute.Kernel.Activate(spec.Activation, wide + (2 * t + 1) * (nint)size, wide + 2 * t * (nint)size, size);
        compute.Multiply(wide + size, 2 * size, tokens, Added(layer.Down, normed, rows));
    }

    public static Product Plain(in Linear linear, float* to) => new() { Linear = linear, To = to, Activation = Activation.Identity };

    public static Product Added(in Linear linear, float* to, float* residual) =>
        new() { Linear = linear, To = to, Residual = residual, Activation = Activation.Identity };

    public void Dispose()
    {
        _keys?.Dispose();
        _memory?.Dispose();
    }

    private static int Blocks(int frames) => (frames + SpeechCompute.AttentionRows - 1) / SpeechCompute.AttentionRows;

    private void Reserve(int frames, bool isWhole)
    {
        if (isWhole && (_keys is null || _keys.Positions < frames))
        {
            _keys?.Dispose();
            _keys = new HeadCaches(KeyValueType.F32, 1, _spec.KeyValueHeads, _spec.HeadDimension, frames);
        }
        if (frames <= _capacity) return;
        _memory?.Dispose();
        _capacity = frames;
        long all = (long)frames * _spec.QueryWidth, chunk = ChunkFrames;
        _memory = new AlignedBuffer(MemoryBytes(_spec, frames));
        _queries = (float*)_memory.Start;
        _attended = _queries + all;
        _normed = _attended + all;
        _wide = _normed + chunk * _spec.Width;
        _key = _wide + chunk * _spec.Widest;
        _value = _key + chunk * _spec.KeyWidth;
    }

    private static long MemoryBytes(StackSpec spec, int frames) =>
        checked(sizeof(float) * (2L * frames * spec.QueryWidth + ChunkFrames * (spec.Width + (long)spec.Widest + 2 * spec.KeyWidth)));

    private void Store(int row, int thread)
    {
        int frame = _firstRow + _chunk + row, dimension = _spec.HeadDimension;
        float* key = _key + (nint)row * _spec.KeyWidth, value = _value + (nint)row * _spec.KeyWidth;
        if (_rotation is not null)
        {
            float* angles = (float*)_compute.ScratchOf(thread);
            _rotation.Angles(frame, angles, angles + _rotation.Pairs);
            _compute.Kernel.Rotate(key, _spec.KeyValueHeads, dimension, angles, angles + _rotation.Pairs, _rotation.Pairs, false);
            _compute.Kernel.Rotate(_queries + (nint)(_chunk + row) * _spec.QueryWidth, _spec.Heads, dimension, angles,
                angles + _rotation.Pairs, _rotation.Pairs, false);
        }
        if (frame < _firstFresh) return;
        for (int head = 0; head < _spec.KeyValueHeads; head++)
        {
            if (!_compute.Kernel.Store(_seen.Head(_seenLayer, head), frame - _firstKept, key + head * dimension, value + head * dimension))
                _compute.NoteNotFinite();
        }
    }

    private void Attend(int job, int thread)
    {
        int blocks = Blocks(_rows), head = job / blocks, first = job % blocks * SpeechCompute.AttentionRows;
        (int before, int after) = _spec.Windows.Count > 0 ? _spec.Windows[_layer] : (0, int.MaxValue);
        nint offset = (nint)first * _spec.QueryWidth + head * _spec.GroupSize * _spec.HeadDimension;
        var query = new AttentionQuery
        {
            Queries = _queries + offset,
            Output = _attended + offset,
            Stride = _spec.QueryWidth,
            Tokens = Math.Min(SpeechCompute.AttentionRows, _rows - first),
            GroupSize = _spec.GroupSize,
            FirstPosition = _firstRow - _firstKept + first,
            Window = before,
            After = after,
            Keys = _frames - _firstKept,
            Scale = _spec.Scale,
        };
        _compute.Kernel.Attend(_seen.Head(_seenLayer, head), query, _compute.ScratchOf(thread));
    }
}
