namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Raw samples that arrive in pieces of any size, cut anywhere, to mono floats at one rate. Not safe for several threads at once.
/// </summary>
internal sealed class PcmConverter
{
    private readonly PcmFormat format;
    private readonly Resampler resampler;
    private readonly byte[] part; // of a moment whose other bytes come with the next piece
    private readonly float[] frames, mono;
    private int partBytes;

    /// <param name="format">What arrives; its numbers are checked.</param>
    /// <param name="sampleRate">Samples a second that are wanted.</param>
    /// <exception cref="ArgumentException">A number of the format can't be.</exception>
    public PcmConverter(PcmFormat format, int sampleRate)
    {
        if (format.Problem is { } problem) throw new ArgumentException($"the sound {problem}");
        this.format = format;
        resampler = new Resampler(format.SampleRate, sampleRate);
        part = new byte[format.FrameBytes];
        mono = new float[1024];
        frames = new float[mono.Length * format.Channels];
    }

    /// <summary>Takes a piece; what it gives is to be read before the next.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (partBytes > 0)
        {
            int count = Math.Min(bytes.Length, part.Length - partBytes);
            bytes[..count].CopyTo(part.AsSpan(partBytes));
            partBytes += count;
            bytes = bytes[count..];
            if (partBytes < part.Length) return;
            Convert(part);
        }
        int whole = bytes.Length / part.Length * part.Length;
        Convert(bytes[..whole]);
        partBytes = bytes.Length - whole;
        bytes[whole..].CopyTo(part);
    }

    /// <summary>Says that no more comes.</summary>
    public void End() => resampler.End();

    /// <summary>Samples, as many as there are and fit, from -1 to 1.</summary>
    public int Read(Span<float> samples)
    {
        int count = resampler.Read(samples);
        for (int i = 0; i < count; i++) samples[i] = samples[i] > 1 ? 1 : samples[i] < -1 ? -1 : samples[i];
        return count;
    }

    private void Convert(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = Math.Min(bytes.Length / format.FrameBytes, mono.Length);
            format.Decode(bytes[..(count * format.FrameBytes)], frames);
            AudioReader.Mix(frames.AsSpan(0, count * format.Channels), mono, format.Channels);
            resampler.Write(mono.AsSpan(0, count));
            bytes = bytes[(count * format.FrameBytes)..];
        }
    }
}
