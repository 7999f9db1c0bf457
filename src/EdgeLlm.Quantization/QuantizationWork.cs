using System.Diagnostics;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Numerics;

namespace EdgeLlm.Quantization;

/// <summary>How much each part of a calibrated quantization takes, in multiplications: what progress and the time left go by.</summary>
internal sealed class QuantizationWork
{
    private readonly double _layers;
    private readonly double _source;
    private readonly double _tuning;
    private readonly int _layerCount;

    public QuantizationWork(ModelConfig config, CalibrationText text, QuantizationSettings settings)
    {
        double width = config.EmbeddingLength, query = config.QueryWidth, keyValue = config.KeyValueWidth, feedForward = config.FeedForwardLength;
        double attention = 2 * width * (query + keyValue) + 2 * query * text.Length / 2.0, mlp = 3 * width * feedForward;
        double moments = width * width + query * query / 2 + feedForward * feedForward / 2;
        // Rounding goes about 20 times through a matrix' curvature for each row, at half the speed of a product; what is behind the
        // attention's norm is rounded twice, with scaled inputs and without.
        double rounding = 40 * (width * width * (2 * query + 4 * keyValue + 2 * feedForward) + query * query * width + feedForward * feedForward * width);
        double tokens = text.Tokens.Length, head = width * config.VocabularySize;
        _layerCount = config.BlockCount;
        _layers = _layerCount * (tokens * (attention + 2 * mlp + moments) + rounding);
        if (settings.TuningEpochs == 0) return;
        _source = _layerCount * tokens * (attention + mlp);
        _tuning = settings.TuningEpochs * tokens * (2.2 * _layerCount * (attention + mlp) + 3 * head);
    }

    public double Total => _layers + _source + _tuning;

    /// <summary>About how long all of it takes on this machine, by the time of a product now.</summary>
    public TimeSpan Estimate()
    {
        const int Size = 768;
        var matrix = new MatrixView(new float[Size * Size], Size, Size);
        var product = new MatrixView(new float[Size * Size], Size, Size);
        long best = long.MaxValue, begin = Stopwatch.GetTimestamp();
        for (int run = 0; run < 4 || Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.5; run++) // the first ones find sleeping threads and slow clocks
        {
            long start = Stopwatch.GetTimestamp();
            MatrixMultiplier.Multiply(matrix, matrix, product);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).Ticks);
        }
        const double Efficiency = 0.55; // what is left of a product's speed beside everything else
        return new TimeSpan((long)(Total / ((double)Size * Size * Size) * best / Efficiency));
    }

    /// <summary>The share of the work that is done behind so many layers.</summary>
    public double Layers(int done) => _layers * done / _layerCount / Total;

    /// <summary>The same when the source's own predictions are there for so many layers.</summary>
    public double SourceLayers(double done) => (_layers + _source * done / _layerCount) / Total;

    /// <summary>The same in the tuning.</summary>
    public double Tuning(double share) => (_layers + _source + _tuning * share) / Total;
}
