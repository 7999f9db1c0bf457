using System.Numerics.Tensors;
using EdgeLlm.Models.Layers;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Training;

/// <summary>Rows [tokens, width] one after the other, from an element of an array on.</summary>
internal readonly record struct FloatRows(float[] Data, int Start)
{
    public Span<float> Span(int count) => Data.AsSpan(Start, count);

    public Span<float> Row(int token, int width) => Data.AsSpan(Start + token * width, width);

    public MatrixView AsMatrix(int tokens, int width) => new(Data, Start, tokens, width, width, 1);
}

/// <summary>
/// Arrays that a pass needs only while it runs: derivatives, and values that are computed again. Passes that do not run at the same time
/// share them.
/// </summary>
internal sealed class PassArrays(int tokens)
{
    private readonly Dictionary<int, Stack<float[]>> _free = [];
    private readonly Dictionary<int, float[]> _recomputed = [];
    private readonly Dictionary<int, LayerValue> _owners = [];

    /// <summary>[tokens, width]</summary>
    public float[] Rent(int width) =>
        _free.TryGetValue(width, out Stack<float[]>? free) && free.Count > 0 ? free.Pop() : new float[tokens * width];

    public void Return(float[] array)
    {
        int width = array.Length / tokens;
        if (!_free.TryGetValue(width, out Stack<float[]>? free)) _free[width] = free = new Stack<float[]>();
        free.Push(array);
    }

    /// <summary>The array for recomputed values of a width, which is this value's from now on.</summary>
    public float[] Own(LayerValue value)
    {
        if (!_recomputed.TryGetValue(value.Width, out float[]? array)) _recomputed[value.Width] = array = new float[tokens * value.Width];
        _owners[value.Width] = value;
        return array;
    }

    /// <summary>Whether a recomputed value is there.</summary>
    public bool Has(LayerValue value) => _owners.GetValueOrDefault(value.Width) == value;

    public void Forget() => _owners.Clear();
}

/// <summary>A layer on some windows: forwards, with what is needed to go backwards kept.</summary>
/// <param name="mostTokens">Tokens of a pass, at most.</param>
internal sealed class LayerPass(LayerArithmetic arithmetic, int mostTokens, PassArrays arrays)
{
    private const long MostBatchBytes = 64 << 20;

    private readonly List<float[]> _kept = [];
    private readonly List<float[]> _rented = [];
    private FloatRows[] _rows = [];
    private float[]?[] _gradients = [];
    private FloatRows _stream;

    public LayerArithmetic Arithmetic => arithmetic;

    /// <summary>The layer at hand.</summary>
    public LayerWeights Weights { get; private set; } = new();

    public int Tokens { get; private set; }

    /// <summary>Sees what goes into matrices, [tokens, columns].</summary>
    public Action<ProjectStep, FloatRows>? Observer { get; set; }

    /// <summary>Memory that a pass takes.</summary>
    public static long ByteCount(LayerProgram program, int tokens) => 4L * tokens * program.KeptWidth;

    /// <summary>Windows, 1 to 4, whose pass at a time does not take too much memory.</summary>
    /// <param name="length">Tokens of a window.</param>
    public static int BatchWindows(IEnumerable<LayerProgram> programs, int length) =>
        (int)Math.Clamp(MostBatchBytes / programs.Max(program => ByteCount(program, length)), 1, 4);

    /// <summary>The residual stream x goes through a layer, or through some of its operations.</summary>
    /// <param name="x">Before the first of the operations; after the layer's last one it is the layer's output.</param>
    /// <param name="first">The first operation; where it is not the layer's, only the stream is read of what earlier ones write, and
    /// <paramref name="known"/>.</param>
    /// <param name="end">The operation after the last.</param>
    /// <param name="known">A value that is there already.</param>
    public void Forward(LayerProgram program, LayerWeights weights, FloatRows x, int tokens, int first = 0, int end = int.MaxValue,
        (LayerValue Value, FloatRows Rows)? known = null)
    {
        (Weights, Tokens, _stream) = (weights, tokens, x);
        arrays.Forget();
        if (_rows.Length < program.Values.Count) _rows = new FloatRows[program.Values.Count];
        _rows[(first == 0 ? program.Input : program.StreamAfter(first - 1)).Index] = x;
        if (known is var (value, rows))
        {
            if (value.IsRecomputed) arrays.Own(value);
            _rows[value.Index] = rows;
        }
        for (int i = first; i < Math.Min(end, program.Operations.Count); i++) program.Operations[i].Forward(this);
    }

    /// <summary>
    /// Derivatives by the layer's output become those by its input, right after the forward pass, whose queries and keys are used up.
    /// </summary>
    /// <param name="input">The residual stream before the forward pass: [tokens, width].</param>
    /// <param name="d">[tokens, width]</param>
    public void Backward(LayerProgram program, LayerWeights weights, float[] input, float[] d, ILayerGradient gradient)
    {
        Weights = weights; // arrays of one layer serve all of them: this one's numbers were read again
        arrays.Forget();
        int count = Tokens * program.Input.Width;
        _rows[program.Input.Index] = new FloatRows(input, 0);
        _gradients = new float[]?[program.Values.Count];
        d.AsSpan(0, count).CopyTo(GradientOf(program.Output, out _));
        for (int i = program.Operations.Count - 1; i >= 0; i--) program.Operations[i].Backward(this, gradient);
        float[] result = TakeGradient(program.Input);
        result.AsSpan(0, count).CopyTo(d);
        Return(result);
        foreach (float[] array in _rented) Return(array);
        _rented.Clear();
    }

    /// <summary>A value's rows; computed again where they gave way to others.</summary>
    public FloatRows Read(LayerValue value)
    {
        if (value.IsRecomputed && !arrays.Has(value)) value.Producer!.Forward(this);
        return _rows[value.Index];
    }

    /// <summary>Where a value goes.</summary>
    public FloatRows Write(LayerValue value)
    {
        FloatRows rows = value.IsOutput ? _stream : new FloatRows(value.IsRecomputed ? arrays.Own(value) : Kept(value), 0);
        _rows[value.Index] = rows;
        return rows;
    }

    /// <summary>Says where a value is.</summary>
    public void Place(LayerValue value, FloatRows rows) => _rows[value.Index] = rows;

    /// <summary>[tokens, width] until the pass backwards ends.</summary>
    public float[] Rent(int width)
    {
        float[] array = arrays.Rent(width);
        _rented.Add(array);
        return array;
    }

    /// <summary>The derivatives by a value, to add to; new ones have any numbers.</summary>
    public float[] GradientOf(LayerValue value, out bool isNew)
    {
        isNew = _gradients[value.Index] is null;
        return _gradients[value.Index] ??= arrays.Rent(value.Width);
    }

    public float[] PeekGradient(LayerValue value) =>
        _gradients[value.Index] ?? throw new InvalidOperationException("a value that nothing depends on");

    /// <summary>The derivatives by a value, which nobody asks for again; the caller gives the array back.</summary>
    public float[] TakeGradient(LayerValue value)
    {
        float[] gradient = PeekGradient(value);
        _gradients[value.Index] = null;
        return gradient;
    }

    /// <summary>Adds derivatives, or takes the array where there are none yet.</summary>
    public void AddGradient(LayerValue value, float[] derivatives)
    {
        if (_gradients[value.Index] is not { } sum)
        {
            _gradients[value.Index] = derivatives;
            return;
        }
        int count = Tokens * value.Width;
        TensorPrimitives.Add(sum.AsSpan(0, count), derivatives.AsSpan(0, count), sum.AsSpan(0, count));
        Return(derivatives);
    }

    public void Return(float[] array) => arrays.Return(array);

    private float[] Kept(LayerValue value)
    {
        while (_kept.Count <= value.Index) _kept.Add([]);
        if (_kept[value.Index].Length < mostTokens * value.Width) _kept[value.Index] = new float[mostTokens * value.Width];
        return _kept[value.Index];
    }
}
