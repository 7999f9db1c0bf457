using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// A step of the network whose results depend on some rows to each side. Rows come in pieces, and each gives the results that it completes:
/// whatever the pieces, every row is computed once and from the same numbers. What is outside the sentence is zeros.
/// </summary>
internal abstract unsafe class WindowStage : IDisposable
{
    private readonly AlignedBuffer _window; // [2 reach + most rows + reach][input width]
    private readonly AlignedBuffer _output;
    private readonly int _inputWidth;
    private int _rows;

    /// <param name="reach">Rows to each side that a result depends on.</param>
    /// <param name="mostRows">Most rows that come at a time.</param>
    protected WindowStage(VoiceMachine machine, int inputWidth, int outputWidth, int reach, int mostRows)
    {
        (Machine, _inputWidth, OutputWidth, Reach, MostRows) = (machine, inputWidth, outputWidth, reach, mostRows);
        _window = new AlignedBuffer((3L * reach + mostRows) * inputWidth * sizeof(float));
        _output = new AlignedBuffer((long)MostResults * outputWidth * sizeof(float));
    }

    public int OutputWidth { get; }

    /// <summary>The last results [count][OutputWidth].</summary>
    public float* Output => (float*)_output.Start;

    /// <summary>Most results at a time: the last rows bring those that waited.</summary>
    public int MostResults => MostRows + Reach;

    protected VoiceMachine Machine { get; }

    protected int Reach { get; }

    protected int MostRows { get; }

    /// <summary>Begins a sentence.</summary>
    public void Begin()
    {
        _rows = Reach;
        Clear(0);
    }

    /// <summary>Takes the next rows, and says how many results there are.</summary>
    /// <param name="isLast">Whether they end the sentence.</param>
    public int Push(float* x, int count, bool isLast)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MostRows);
        Copy(x, Row(_rows), count);
        _rows += count;
        if (isLast)
        {
            Clear(_rows);
            _rows += Reach;
        }
        int results = _rows - 2 * Reach;
        if (results <= 0) return 0;
        Compute((float*)_window.Start, results, Output);
        Copy(Row(results), Row(0), 2 * Reach);
        _rows = 2 * Reach;
        return results;
    }

    public void Dispose()
    {
        _window.Dispose();
        _output.Dispose();
        DisposeMore();
    }

    /// <summary>Computes `results` rows; result i is made of window rows i to i + 2 reach.</summary>
    protected abstract void Compute(float* window, int results, float* output);

    protected virtual void DisposeMore()
    {
    }

    private float* Row(int row) => (float*)_window.Start + (nint)row * _inputWidth;

    private void Copy(float* from, float* to, int rows)
    {
        long bytes = (long)rows * _inputWidth * sizeof(float);
        Buffer.MemoryCopy(from, to, bytes, bytes);
    }

    private void Clear(int row) => new Span<float>(Row(row), Reach * _inputWidth).Clear();
}

/// <summary>A convolution over all channels as one product: its rows overlap in memory.</summary>
/// <param name="taps">Odd.</param>
internal sealed unsafe class ConvolutionStage(VoiceMachine machine, LinearMap map, int taps, int mostRows)
    : WindowStage(machine, map.Columns / taps, map.Rows, taps / 2, mostRows)
{
    private readonly int _width = map.Columns / taps;

    protected override void Compute(float* window, int results, float* output) => Machine.Multiply(map, window, _width, results, output);
}

/// <summary>
/// The decoder's first convolution. Frames of a phoneme have its row of text in common, which is multiplied once for all of them; rows that
/// come are pitch and energy.
/// </summary>
internal sealed unsafe class DecoderInputStage(VoiceMachine machine, DecoderInputWeights weights, int mostRows)
    : WindowStage(machine, 2, weights.Width, DecoderInputWeights.Taps / 2, mostRows)
{
    private AlignedBuffer? _texts; // [phonemes][Taps][Width]
    private int[] _idOfStep = [];
    private int _frame;

    /// <summary>Begins a sentence.</summary>
    /// <param name="texts">The phonemes' rows.</param>
    /// <param name="count">How many they are.</param>
    /// <param name="idOfStep">The phoneme of each step of two frames.</param>
    public void Begin(float* texts, int count, int[] idOfStep)
    {
        Begin();
        (_idOfStep, _frame) = (idOfStep, 0);
        var map = new LinearMap(weights.Text, null);
        long bytes = (long)count * map.Rows * sizeof(float);
        if (_texts is null || _texts.Bytes < bytes)
        {
            _texts?.Dispose();
            _texts = new AlignedBuffer(bytes);
        }
        Machine.Multiply(map, texts, map.Columns, count, (float*)_texts.Start);
    }

    protected override void Compute(float* window, int results, float* output)
    {
        const int Taps = DecoderInputWeights.Taps;
        int width = weights.Width, frames = 2 * _idOfStep.Length;
        for (int t = 0; t < results; t++, _frame++, window += 2, output += width)
        {
            Machine.Kernel.Recall(weights.Prosody, window, output, 2 * Taps, width);
            Machine.Kernel.Add(output, weights.Bias, width);
            for (int tap = 0; tap < Taps; tap++)
            {
                int frame = _frame + tap - Reach;
                if (frame >= 0 && frame < frames)
                    Machine.Kernel.Add(output, (float*)_texts!.Start + ((nint)_idOfStep[frame / 2] * Taps + tap) * width, width);
            }
        }
    }

    protected override void DisposeMore() => _texts?.Dispose();
}

/// <summary>A ConvNeXt block.</summary>
internal sealed unsafe class BlockStage(VoiceMachine machine, BlockWeights weights, int mostRows)
    : WindowStage(machine, weights.Width, weights.Width, weights.Taps / 2 * weights.Dilation, mostRows)
{
    protected override void Compute(float* window, int results, float* output)
    {
        int width = weights.Width;
        for (int first = 0; first < results; first += VoiceMachine.MostRows)
            ComputeRows(window + (nint)first * width, Math.Min(VoiceMachine.MostRows, results - first), output + (nint)first * width);
    }

    private void ComputeRows(float* window, int rows, float* output)
    {
        int width = weights.Width, hiddenWidth = weights.Up.Rows;
        float* row = Machine.Normed, hidden = Machine.Hidden;
        for (nint t = 0; t < rows; t++)
        {
            Machine.Kernel.ConvolveRow(window + t * width, (nint)weights.Dilation * width, weights.Convolution,
                weights.ConvolutionBias, row + t * width, weights.Taps, width);
        }
        Machine.Normalize(weights.Norm, row, row, width, rows);
        Machine.Multiply(weights.Up, row, width, rows, hidden);
        Machine.Kernel.Activate(Activation.Gelu, hidden, null, rows * hiddenWidth);
        Machine.Multiply(weights.Down, hidden, hiddenWidth, rows, row);
        float* input = window + (nint)Reach * width;

        // Gamma times the result plus the input: a convolution with one tap.
        for (nint t = 0; t < rows * (nint)width; t += width)
            Machine.Kernel.ConvolveRow(row + t, 0, weights.Gamma, input + t, output + t, 1, width);
    }
}
