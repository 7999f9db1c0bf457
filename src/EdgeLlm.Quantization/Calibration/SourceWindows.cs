using EdgeLlm.Training;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>
/// The source's pass over a calibration text, a window at a time: its residual stream before each layer and after the last, and the
/// derivatives of -log p(y) by the latter, y drawn from its own predictions. Every window is kept in a file when it is done, so that a run
/// that was cut short continues after it. Windows to round by come first, those that are held out after them.
/// </summary>
internal sealed class SourceWindows
{
    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly SourceStreams _streams;
    private readonly int[] _order; // the text's windows in the file's order
    private readonly LayerArithmetic _arithmetic;
    private readonly LayerPass _pass;
    private readonly float[] _stream;
    private readonly float[] _hidden;
    private LayerWeights? _buffer;
    private int _layer = -1; // whose weights the buffer has

    public SourceWindows(SourceModel source, CalibrationText text, SourceStreams streams)
    {
        (_source, _text, _streams) = (source, text, streams);
        _order = [.. Enumerable.Range(0, text.Count).OrderBy(CalibrationText.IsHeldOut)];
        Count = TrainingCount(text);
        _arithmetic = new LayerArithmetic(text.Length);
        _pass = new LayerPass(_arithmetic, text.Length, new PassArrays(text.Length));
        _stream = new float[text.Length * source.Model.Width];
        _hidden = new float[_stream.Length];
    }

    /// <summary>Windows to round by.</summary>
    public int Count { get; }

    public CancellationToken Cancellation { get; init; }

    /// <summary>Records that a file has in the end: each window at each layer and after the last; the derivatives.</summary>
    public static long RecordCount(SourceModel source, CalibrationText text) =>
        (source.LayerCount + 1L) * text.Count + TrainingCount(text);

    /// <summary>The source goes forwards.</summary>
    /// <param name="progress">Receives what was done, and the layers done.</param>
    public void Forward(Action<string, double> progress)
    {
        int windows = _text.Count, end = (_source.LayerCount + 1) * windows;
        // A record that turns out to be damaged takes the count back to it.
        for (int record = _streams.Count; record < end; record = _streams.Count)
        {
            Cancellation.ThrowIfCancellationRequested();
            int layer = record / windows - 1;
            if (layer < 0) _source.Embed(_text[_order[record]], _stream);
            else if (!_streams.TryRead(record - windows, _stream)) continue;
            else _pass.Forward(_source.Programs[layer], Read(layer), new FloatRows(_stream, 0), _text.Length);
            _streams.Append(_stream);
            if (layer >= 0)
                progress($"layer {layer + 1}, window {record % windows + 1} of {windows}", (record + 1.0) / windows - 1);
        }
    }

    /// <summary>The loss's derivatives by the last layer's output.</summary>
    public void Differentiate(Action<string, double> progress)
    {
        int first = (_source.LayerCount + 1) * _text.Count;
        if (_streams.Count >= first + Count) return;
        var loss = new SampledLoss(_source.ReadMatrix(_source.HeadName), _source.Model.Width);
        float[] byHidden = new float[_stream.Length], derivatives = new float[_stream.Length], weight = _source.OutputNorm;
        for (int window = _streams.Count - first; window < Count; window++)
        {
            Cancellation.ThrowIfCancellationRequested();
            loss.Differentiate(Hidden(window), _text.Length, window * _text.Length, byHidden, static (_, _) => { });
            Array.Clear(derivatives);
            _arithmetic.NormalizeBackward(_source.OutputNormStep.Norm, new FloatRows(_stream, 0), weight, byHidden, derivatives, null,
                _text.Length);
            _streams.Append(derivatives);
            progress($"window {window + 1} of {Count}", (window + 1.0) / Count);
        }
    }

    /// <summary>A window's residual stream before a layer, or after the last: [length, width].</summary>
    public void ReadStream(int layer, int window, Span<float> stream) => Read(layer * _text.Count + window, stream);

    /// <summary>The loss's derivatives by the last layer's output, of all windows to round by.</summary>
    public void ReadDerivatives(float[] derivatives)
    {
        for (int window = 0; window < Count; window++)
            Read((_source.LayerCount + 1) * _text.Count + window, derivatives.AsSpan(window * _stream.Length, _stream.Length));
    }

    /// <summary>A window's normed last hidden states [length, width], until the next one is asked for.</summary>
    public float[] Hidden(int window)
    {
        ReadStream(_source.LayerCount, window, _stream);
        _arithmetic.Normalize(_source.OutputNormStep.Norm, new FloatRows(_stream, 0), _source.OutputNorm, new FloatRows(_hidden, 0),
            _text.Length, _source.OutputNormBias);
        return _hidden;
    }

    /// <summary>All normed last hidden states, in the text's order: [tokens, width].</summary>
    public void ReadHidden(float[] hidden)
    {
        for (int window = 0; window < _order.Length; window++) Hidden(window).CopyTo(hidden, _order[window] * _hidden.Length);
    }

    /// <exception cref="IOException">It was damaged since it was written.</exception>
    private void Read(int record, Span<float> floats)
    {
        if (!_streams.TryRead(record, floats))
            throw new IOException("what this run wrote beside the output was changed by something else: run the command again");
    }

    private LayerWeights Read(int layer)
    {
        if (layer != _layer) _buffer = _source.ReadLayer(_layer = layer, _buffer);
        return _buffer!;
    }

    private static int TrainingCount(CalibrationText text) =>
        Enumerable.Range(0, text.Count).Count(static window => !CalibrationText.IsHeldOut(window));
}
