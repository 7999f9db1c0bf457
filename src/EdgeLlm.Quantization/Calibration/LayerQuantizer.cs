using System.Numerics.Tensors;
using EdgeLlm.Models.Layers;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// Goes through the layers from the first to the last with the calibration text's tokens. Each matrix is rounded for the inputs that it
/// receives from what is packed before it, in its own layer too.
/// </summary>
internal abstract class LayerQuantizer
{
    private const long BatchBytes = 24 << 20;

    private readonly int _batchWindows;
    private readonly float[] _weighted;

    protected LayerQuantizer(SourceModel source, CalibrationText text, OperationRounder rounder)
    {
        Widest =
            Math.Max(source.Model.Width, source.Steps.Layers.SelectMany(layer => layer).OfType<ProjectStep>().Max(step => step.From.Width));
        (Source, Rounder, Width, Length, Windows) = (source, rounder, source.Model.Width, text.Length, text.Count);
        int[] order = [.. Enumerable.Range(0, Windows).OrderBy(CalibrationText.IsHeldOut)];
        TrainingWindows = order.Count(window => !CalibrationText.IsHeldOut(window));
        Tokens = [.. order.SelectMany(window => text[window].ToArray())];
        _batchWindows = (int)Math.Clamp(BatchBytes / ((long)Length * Widest * sizeof(float)), 1, 4);
        Stream = new float[Tokens.Length * Width];
        Written = new float[BatchTokens * Width];
        _weighted = new float[BatchTokens * Widest];
    }

    protected SourceModel Source { get; }

    protected OperationRounder Rounder { get; }

    /// <summary>Width of the residual stream.</summary>
    protected int Width { get; }

    /// <summary>Columns of the widest matrix of a layer.</summary>
    protected int Widest { get; }

    /// <summary>Tokens of a window.</summary>
    protected int Length { get; }

    protected int Windows { get; }

    /// <summary>Windows that are not held out; they come first.</summary>
    protected int TrainingWindows { get; }

    /// <summary>Tokens of a batch of windows, at most.</summary>
    protected int BatchTokens => _batchWindows * Length;

    /// <summary>Ids of all tokens, held-out windows last.</summary>
    protected int[] Tokens { get; }

    /// <summary>Addition of an operation to the stream of a batch's tokens [tokens, width].</summary>
    protected float[] Written { get; }

    /// <summary>The residual stream after the layers so far: [tokens, width].</summary>
    public float[] Stream { get; }

    /// <summary>Quantizes a layer's matrices one after the other and moves the stream through it.</summary>
    public abstract QuantizedLayer Quantize(int layer);

    /// <summary>Moves the stream through a layer that is packed already.</summary>
    public abstract void Pass(int layer, QuantizedLayer packed);

    /// <summary>Second moments [width, width] of the last hidden states, after all layers.</summary>
    protected abstract float[] HiddenMoments();

    /// <summary>Packs embedding or head for the last hidden states, after all layers.</summary>
    /// <param name="weights">[vocabulary, width]</param>
    public PackedMatrix QuantizeHead(string name, float[] weights) => Rounder.RoundHead(name, weights, Width, HiddenMoments);

    /// <summary>Second moments [columns, columns] of what goes into a matrix, of the rounder's arena.</summary>
    /// <param name="inputs">Computes them for a batch: its first token, its number of tokens.</param>
    /// <param name="write">Puts what the matrix adds to the stream of a batch's tokens into <see cref="Written"/>; null: it writes
    /// elsewhere.</param>
    protected float[] Moments(int firstWindow, int endWindow, int columns, Func<int, int, MatrixView> inputs,
        Action<MatrixView>? write = null)
    {
        float[] moments = Rounder.Arena.RentZeros((long)columns * columns);
        ForBatches(firstWindow, endWindow, (first, tokens) =>
        {
            MatrixView x = inputs(first, tokens);
            MatrixMultiplier.Multiply(Weighted(x, first, write).Transposed, x, new MatrixView(moments, columns, columns),
                accumulate: true, upperOnly: true);
        });
        Curvature.Mirror(moments, columns);
        return moments;
    }

    protected void ForBatches(int firstWindow, int endWindow, Action<int, int> action)
    {
        for (int window = firstWindow; window < endWindow; window += _batchWindows)
        {
            Rounder.Cancellation.ThrowIfCancellationRequested();
            action(window * Length, Math.Min(_batchWindows, endWindow - window) * Length);
        }
    }

    /// <summary>
    /// Each token's numbers over the mean square of its residual stream: what comes next looks at the stream divided by its norm, so that
    /// an error counts relative to it. (Without this the first token, whose stream is huge in some models, would outweigh all others.)
    /// </summary>
    private MatrixView Weighted(MatrixView x, int firstToken, Action<MatrixView>? write)
    {
        int width = Width;
        if (write is not null) write(x);
        else Array.Clear(Written, 0, x.Rows * width);
        ParallelWork.ForAll(x.Rows, Rounder.Cancellation, t =>
        {
            Span<float> stream = Written.AsSpan(t * width, width);
            TensorPrimitives.Add(stream, Stream.AsSpan((firstToken + t) * width, width), stream);
            float weight = width / (Reductions.SumOfSquares(stream) + 1e-20f);
            TensorPrimitives.Multiply(x.Data.AsSpan(x.Offset + t * x.Columns, x.Columns), weight,
                _weighted.AsSpan(t * x.Columns, x.Columns));
        });
        return new MatrixView(_weighted, x.Rows, x.Columns);
    }
}
