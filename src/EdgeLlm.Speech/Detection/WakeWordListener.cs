namespace EdgeLlm.Speech.Detection;

/// <summary>A wake word was said.</summary>
/// <param name="Word">Which of the listener's models, by number.</param>
/// <param name="Inference">The first inference above the cutoff.</param>
/// <param name="Frame">Its last frame.</param>
/// <param name="Samples">Samples heard by then.</param>
internal readonly record struct WakeWordDetection(int Word, int Inference, int Frame, long Samples);

/// <summary>
/// Listens for several wake words at once: one front end, and each model on its features. A word that stays above its cutoff is one
/// detection, and for two seconds after it the same word does not count again.
/// </summary>
/// <remarks>What it hears does not depend on the pieces that the sound comes in. Not safe for several threads at once.</remarks>
internal sealed class WakeWordListener(IReadOnlyList<WakeWordModel> models)
{
    private const int PauseSamples = 2 * MicroFrontEnd.SampleRate;

    private readonly MicroFrontEnd frontEnd = new();
    private readonly ushort[] features = new ushort[MicroFrontEnd.Features];
    private readonly short[] integers = new short[1024];
    private readonly long[] silentUntil = new long[models.Count];
    private readonly bool[] wasAbove = new bool[models.Count];
    private int frames;

    /// <summary>The models that listen.</summary>
    public IReadOnlyList<WakeWordModel> Models => models;

    /// <summary>Samples heard so far.</summary>
    public long Position { get; private set; }

    /// <summary>Is told of each inference: the model's number and its result in 256ths.</summary>
    public Action<int, int>? Inferred { get; set; }

    /// <summary>Hears samples at 16 kHz.</summary>
    /// <param name="samples">Full scale 1.</param>
    /// <param name="detected">Is told of each word, in order.</param>
    public void Write(ReadOnlySpan<float> samples, Action<WakeWordDetection> detected)
    {
        for (; !samples.IsEmpty; samples = samples[Math.Min(samples.Length, integers.Length)..])
        {
            Span<short> part = integers.AsSpan(0, Math.Min(samples.Length, integers.Length));
            ToIntegers(samples[..part.Length], part);
            Write(part, detected);
        }
    }

    /// <summary>Hears 16-bit samples at 16 kHz.</summary>
    public void Write(ReadOnlySpan<short> samples, Action<WakeWordDetection> detected)
    {
        while (!samples.IsEmpty)
        {
            int taken = frontEnd.Take(samples, features, out bool isFrame);
            samples = samples[taken..];
            Position += taken;
            if (!isFrame) continue;
            for (int word = 0; word < models.Count; word++)
            {
                WakeWordModel model = models[word];
                if (!model.Add(features)) continue;
                Inferred?.Invoke(word, model.Probability);
                bool isAbove = model.IsAboveCutoff;
                if (isAbove && !wasAbove[word] && Position >= silentUntil[word])
                {
                    silentUntil[word] = Position + PauseSamples;
                    detected(new WakeWordDetection(word, model.Inferences - 1, frames, Position));
                }
                wasAbove[word] = isAbove;
            }
            frames++;
        }
    }

    /// <summary>Forgets the sound so far.</summary>
    public void Reset()
    {
        frontEnd.Reset();
        foreach (WakeWordModel model in models) model.Reset();
        Array.Clear(silentUntil);
        Array.Clear(wasAbove);
        (Position, frames) = (0, 0);
    }

    /// <summary>Samples from -1 to 1 as 16 bits: those that were 16 bits come back as they were.</summary>
    internal static void ToIntegers(ReadOnlySpan<float> samples, Span<short> integers)
    {
        for (int i = 0; i < samples.Length; i++)
            integers[i] = (short)Math.Clamp(MathF.Round(samples[i] * 32768), short.MinValue, short.MaxValue);
    }
}
