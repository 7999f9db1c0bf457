using System.Diagnostics;

namespace EdgeLlm.Models;

/// <summary>Time that passes took, by operation. Quantizing a product's activations counts as part of the product.</summary>
internal sealed class OperationProfile
{
    private readonly long[] _ticks = new long[Enum.GetValues<Operation>().Length];
    private long _last;

    /// <summary>A pass begins.</summary>
    public void Start() => _last = Stopwatch.GetTimestamp();

    /// <summary>Adds the time since the last mark to <paramref name="operation"/>.</summary>
    public void Mark(Operation operation)
    {
        long now = Stopwatch.GetTimestamp();
        _ticks[(int)operation] += now - _last;
        _last = now;
    }

    public double Seconds(Operation operation) => (double)_ticks[(int)operation] / Stopwatch.Frequency;

    public void Reset() => Array.Clear(_ticks);
}
