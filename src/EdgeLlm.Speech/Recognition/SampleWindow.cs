namespace EdgeLlm.Speech.Recognition;

/// <summary>Reads the next samples (16 kHz, one channel, -1 to 1).</summary>
/// <returns>How many were read; 0: there are no more.</returns>
public delegate int ReadSamples(Span<float> samples);

/// <summary>
/// The part of a recording that is at hand: what a window needs, with some samples before it. Memory doesn't grow with the recording.
/// </summary>
internal sealed class SampleWindow(ReadSamples read)
{
    /// <summary>Samples before a window that its first frames see.</summary>
    private const int Before = Audio.LogMel.Reach;

    private float[] _samples = new float[1 << 16];
    private long _first; // number of the sample that comes first in the buffer
    private int _count;

    /// <summary>Whether the recording's last sample is at hand.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>Samples of the recording up to the last one that is at hand.</summary>
    public long Read => _first + _count;

    /// <summary>All that is at hand.</summary>
    public ReadOnlyMemory<float> Samples => _samples.AsMemory(0, _count);

    /// <summary>Index of a sample of the recording in <see cref="Samples"/>.</summary>
    public int IndexOf(long sample) => checked((int)(sample - _first));

    /// <summary>
    /// Reads until a given number of samples from one on are at hand, or the recording ends, and forgets what comes well before.
    /// </summary>
    /// <returns>How many there are from it on.</returns>
    public int Fill(long from, int count)
    {
        int drop = (int)Math.Clamp(from - Before - _first, 0, _count);
        if (drop > 0)
        {
            _samples.AsSpan(drop, _count - drop).CopyTo(_samples);
            (_first, _count) = (_first + drop, _count - drop);
        }
        long wanted = from - _first + count;
        if (wanted > _samples.Length) Array.Resize(ref _samples, checked((int)Math.Max(wanted, 2L * _samples.Length)));
        while (_count < wanted && !IsAtEnd)
        {
            int got = read(_samples.AsSpan(_count, (int)wanted - _count));
            foreach (ref float sample in _samples.AsSpan(_count, got))
            {
                if (!float.IsFinite(sample)) sample = 0; // a recorder's gap
            }
            _count += got;
            IsAtEnd = got == 0;
        }
        return (int)Math.Clamp(Read - from, 0, count);
    }
}
