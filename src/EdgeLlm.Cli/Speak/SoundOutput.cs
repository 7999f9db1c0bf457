using System.Globalization;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Cli.Speak;

/// <summary>Where spoken samples go: a file, standard output, or a player.</summary>
internal sealed class SoundOutput : IDisposable
{
    private readonly int _sampleRate;
    private readonly bool _shows;
    private readonly AtomicFile? _file;
    private readonly Stream? _stream;
    private readonly WavWriter? _wav;
    private readonly FlacWriter? _flac;
    private Player? _player;

    /// <param name="target">A file's name (`.wav` or `.flac`), `-` for standard output, or null for a player.</param>
    /// <param name="shows">Whether a line on standard error says how much there is.</param>
    /// <exception cref="FileException">The file can't be written.</exception>
    public SoundOutput(string? target, int sampleRate, bool shows = false)
    {
        (_sampleRate, _shows) = (sampleRate, shows && StandardStreams.HasPersonOut());
        if (target is null) return;
        if (target != "-") _file = AtomicFile.Create(target);
        _stream = _file is null ? StandardStreams.OpenOutput() : _file.Stream;
        if (IsFlac(target)) _flac = new FlacWriter(_stream, sampleRate);
        else _wav = new WavWriter(_stream, sampleRate);
    }

    /// <summary>Samples so far.</summary>
    public long Samples { get; private set; }

    /// <summary>Refuses names of other formats.</summary>
    /// <exception cref="UsageException">It is neither a WAV nor a FLAC file.</exception>
    public static void RequireFormat(string target)
    {
        if (target != "-" && !IsFlac(target) && !target.EndsWith(".wav", StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"{Printable.Line(target)}: a file of sound ends with .wav or .flac");
    }

    public async Task WriteAsync(ReadOnlyMemory<float> samples, CancellationToken cancellation)
    {
        Samples += samples.Length;
        if (_shows)
            await Console.Error.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"\r{Samples / (double)_sampleRate:0.0} s of sound"))
                .ConfigureAwait(false);
        if (_stream is null)
        {
            _player ??= Player.Start(_sampleRate);
            await _player.WriteAsync(samples, cancellation).ConfigureAwait(false);
            return;
        }
        cancellation.ThrowIfCancellationRequested();
        _wav?.Write(samples.Span);
        _flac?.Write(samples.Span);
        await _stream.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Puts the file into its place, or waits until all is played.</summary>
    public async Task FinishAsync(CancellationToken cancellation)
    {
        _wav?.Finish();
        _flac?.Finish();
        _file?.Complete();
        if (_player is not null) await _player.FinishAsync(cancellation).ConfigureAwait(false);
        if (_shows && Samples > 0) await Console.Error.WriteAsync("\r                         \r").ConfigureAwait(false);
    }

    public void Dispose()
    {
        _flac?.Dispose();
        _player?.Dispose();
        if (_file is not null) _file.Dispose();
        else _stream?.Dispose();
    }

    private static bool IsFlac(string target) => target.EndsWith(".flac", StringComparison.OrdinalIgnoreCase);
}
