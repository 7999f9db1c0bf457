using EdgeLlm.Files;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Sound as models hear it: one channel of floats at one sample rate, from a WAV or FLAC file or raw PCM, piece by piece in memory that
/// does not grow with the sound's length. Channels are mixed as their mean; samples beyond full scale are cut to [-1, 1].
/// </summary>
/// <remarks>The samples do not depend on the pieces that are asked for. Not safe for several threads at once.</remarks>
public sealed class AudioReader : IDisposable
{
    /// <summary>The sample rate of speech models.</summary>
    public const int SpeechRate = 16_000;

    private const int PieceSamples = 4096;

    private readonly Stream? owned;
    private readonly SampleSource source;
    private readonly Resampler resampler;
    private readonly float[] frames;
    private readonly float[] mono = new float[PieceSamples];
    private readonly OffsetRemover offset;
    private bool hasEnded;

    private AudioReader(SampleSource source, Func<int, int> sampleRate, Stream? owned)
    {
        this.source = source;
        this.owned = owned;
        SampleRate = sampleRate(source.SampleRate);
        resampler = new Resampler(source.SampleRate, SampleRate);
        frames = new float[PieceSamples * source.Channels];
        offset = new OffsetRemover(SampleRate, ReadResampled);
    }

    /// <summary>Samples a second that <see cref="Read"/> gives.</summary>
    public int SampleRate { get; }

    /// <summary>Samples a second of each channel in the file.</summary>
    public int SourceRate => source.SampleRate;

    /// <summary>Channels of the file.</summary>
    public int SourceChannels => source.Channels;

    /// <summary>Samples that <see cref="Read"/> gives in all, as the file's header says; null where it does not.</summary>
    public long? Length => source.Frames is { } known ? resampler.OutputLength(known) : null;

    /// <summary>Samples read so far.</summary>
    public long Position { get; private set; }

    /// <summary>
    /// Offset that the microphone added to every sample, and that is taken off; 0: none. Known after the first <see cref="Read"/>.
    /// </summary>
    public float Offset => offset.First;

    /// <summary>How many samples of the file, after mixing, were at full scale or beyond: a microphone that is set too loud.</summary>
    public long Clipped { get; private set; }

    /// <summary>Opens a WAV or FLAC file.</summary>
    /// <param name="path">A regular file.</param>
    /// <param name="sampleRate">Samples a second to be given.</param>
    /// <exception cref="IOException">There is no such file, it can't be read, or it is not sound in a form that is read; the message says
    /// which.</exception>
    public static AudioReader Open(string path, int sampleRate = SpeechRate) => Open(path, _ => sampleRate);

    /// <summary>Opens a WAV or FLAC file, whose own sample rate decides on the one to be given.</summary>
    /// <exception cref="IOException">As of <see cref="Open(string, int)"/>.</exception>
    internal static AudioReader Open(string path, Func<int, int> sampleRate)
    {
        FileStream file = InputFile.Open(path);
        try
        {
            return new AudioReader(Recognize(new ByteSource(file, path)), sampleRate, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a stream of a WAV or FLAC file. It is read forwards only, and stays open.</summary>
    /// <param name="stream">A file, a pipe or a request's body.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="sampleRate">Samples a second to be given.</param>
    /// <exception cref="IOException">It can't be read, or is not sound in a form that is read.</exception>
    public static AudioReader Open(Stream stream, string name, int sampleRate = SpeechRate) => Open(stream, name, _ => sampleRate);

    /// <summary>Opens a stream, whose own sample rate decides on the one to be given.</summary>
    /// <exception cref="IOException">As of <see cref="Open(Stream, string, int)"/>.</exception>
    internal static AudioReader Open(Stream stream, string name, Func<int, int> sampleRate) =>
        new(Recognize(new ByteSource(stream, name)), sampleRate, null);

    /// <summary>Opens a stream of samples without a header. It stays open.</summary>
    /// <param name="stream">A pipe, such as the one from a microphone.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="format">What the samples are.</param>
    /// <param name="sampleRate">Samples a second to be given.</param>
    /// <exception cref="ArgumentException">A number of the format can't be.</exception>
    public static AudioReader OpenPcm(Stream stream, string name, PcmFormat format, int sampleRate = SpeechRate)
    {
        if (format.Problem is { } problem) throw new ArgumentException($"{name}: {problem}");
        return new AudioReader(new PcmSource(new ByteSource(stream, name), format, null), _ => sampleRate, null);
    }

    /// <summary>
    /// The next samples, as many as have come and fit: a live stream is not waited for until the span is full. 0 only at the end.
    /// </summary>
    /// <param name="samples">Receives them, from -1 to 1.</param>
    /// <exception cref="IOException">The stream can't be read, or is damaged from here.</exception>
    public int Read(Span<float> samples)
    {
        if (samples.IsEmpty) return 0;
        int count = offset.Read(samples);
        // A filter overshoots beside a clipped sample.
        for (int i = 0; i < count; i++) samples[i] = samples[i] > 1 ? 1 : samples[i] < -1 ? -1 : samples[i];
        Position += count;
        return count;
    }

    private int ReadResampled(Span<float> samples)
    {
        for (; ; )
        {
            int count = resampler.Read(samples);
            if (count > 0) return count;
            if (hasEnded) return 0;
            int got = source.ReadFrames(frames);
            if (got == 0)
            {
                hasEnded = true;
                resampler.End();
                continue;
            }
            Mix(frames.AsSpan(0, got * source.Channels), mono, source.Channels);
            foreach (float sample in mono.AsSpan(0, got))
            {
                if (Math.Abs(sample) >= 32767f / 32768) Clipped++;
            }
            resampler.Write(mono.AsSpan(0, got));
        }
    }

    /// <summary>All that is left, at most <paramref name="mostSamples"/>; with more, null.</summary>
    /// <exception cref="IOException">The stream can't be read, or is damaged.</exception>
    public float[]? ReadToEnd(int mostSamples)
    {
        float[] all =
            new float[(int)Math.Clamp((Length ?? 0) - Position, PieceSamples,
                Math.Min(1 << 24, Math.Max(PieceSamples, (long)mostSamples + 1)))];
        int count = 0;
        for (int got; (got = Read(all.AsSpan(count))) > 0;)
        {
            count += got;
            if (count > mostSamples) return null;
            if (count == all.Length) Array.Resize(ref all, (int)Math.Min(2L * count, Array.MaxLength));
        }
        return all[..count];
    }

    /// <summary>Closes the file that <see cref="Open(string, int)"/> opened.</summary>
    public void Dispose() => owned?.Dispose();

    /// <summary>The mean of all channels, moment by moment.</summary>
    internal static void Mix(ReadOnlySpan<float> frames, Span<float> mono, int channels)
    {
        if (channels == 1)
        {
            frames.CopyTo(mono);
            return;
        }
        float share = 1f / channels;
        for (int i = 0; i * channels < frames.Length; i++)
        {
            float sum = 0;
            foreach (float sample in frames.Slice(i * channels, channels)) sum += sample;
            mono[i] = sum * share;
        }
    }

    private static SampleSource Recognize(ByteSource bytes)
    {
        ReadOnlySpan<byte> start = bytes.Peek(12);
        if (WavHeader.Recognizes(start)) return WavHeader.Read(bytes);
        if (FlacSource.Recognizes(start)) return FlacSource.Open(bytes);
        throw bytes.Damaged(start.IsEmpty ? "is empty" : $"is {NameOf(start)}; WAV and FLAC files are read");
    }

    private static string NameOf(ReadOnlySpan<byte> start) =>
        start.StartsWith("OggS"u8) ? "an Ogg file (Opus or Vorbis)"
        : start.StartsWith("ID3"u8) || (start.Length > 1 && start[0] == 0xFF && (start[1] & 0xE0) == 0xE0) ? "an MP3 file"
        : start.Length >= 8 && start[4..8].SequenceEqual("ftyp"u8) ? "an MP4 file"
        : start.StartsWith((ReadOnlySpan<byte>)[0x1A, 0x45, 0xDF, 0xA3]) ? "a WebM or Matroska file"
        : start.StartsWith("RIFX"u8) ? "a WAV file of big-endian numbers"
        : start.StartsWith("FORM"u8) ? "an AIFF file"
        : "not a sound file that is known here";
}
