using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Takes off what a cheap microphone adds to every sample (an offset, "DC"): detectors of loudness hear it as sound, and log-mel's range
/// goes by it. Only where the sound's first tenth of a second says so: each quarter of it is on one side of zero by 1 % of full scale or
/// more, which no voice does. Other sound stays as it is, to the bit.
/// </summary>
/// <param name="read">Gives the sound.</param>
internal sealed class OffsetRemover(int sampleRate, ReadSamples read)
{
    private const int Quarters = 4;
    private const float Least = 0.01f;

    private readonly float[] first = new float[Math.Max(Quarters, sampleRate / 10)];
    private readonly float share = 1f / sampleRate; // the offset is followed within about a second
    private int held, given;
    private bool isDecided;
    private float mean;

    /// <summary>The offset at the beginning; 0: there is none.</summary>
    public float First { get; private set; }

    /// <summary>The next samples; at the beginning it waits for a tenth of a second.</summary>
    public int Read(Span<float> samples)
    {
        if (!isDecided) Decide();
        int count;
        if (given < held)
        {
            count = Math.Min(samples.Length, held - given);
            first.AsSpan(given, count).CopyTo(samples);
            given += count;
        }
        else
        {
            count = read(samples);
        }
        if (First == 0) return count;
        foreach (ref float sample in samples[..count])
        {
            mean += (sample - mean) * share;
            sample -= mean;
        }
        return count;
    }

    private void Decide()
    {
        for (int count; held < first.Length && (count = read(first.AsSpan(held))) > 0;) held += count;
        isDecided = true;
        if (held < first.Length) return;
        int quarter = first.Length / Quarters;
        Span<float> means = stackalloc float[Quarters];
        for (int i = 0; i < Quarters; i++)
        {
            double sum = 0;
            foreach (float sample in first.AsSpan(i * quarter, quarter)) sum += sample;
            means[i] = (float)(sum / quarter);
        }
        foreach (float one in means)
        {
            if (!(Math.Abs(one) >= Least) || Math.Sign(one) != Math.Sign(means[0])) return;
        }
        mean = First = (means[0] + means[1] + (means[2] + means[3])) / Quarters;
    }
}
