using System.Diagnostics;
using EdgeLlm.Server.Http;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Server.OpenAi;

/// <summary>A form of sound that clients ask for.</summary>
/// <param name="ContentType">The type in HTTP.</param>
/// <param name="Arguments">What ffmpeg makes it with; null: we do.</param>
internal sealed record SoundFormat(string Name, string ContentType, string[]? Arguments = null)
{
    private static readonly SoundFormat[] All =
    [
        new("mp3", "audio/mpeg", ["-f", "mp3"]), new("opus", "audio/ogg", ["-c:a", "libopus", "-f", "ogg"]),
        new("aac", "audio/aac", ["-f", "adts"]),
        new("flac", "audio/flac"), new("wav", "audio/wav"), new("pcm", "audio/pcm"),
    ];

    /// <summary>The format of a name; of none, mp3 where there is an ffmpeg, else wav.</summary>
    /// <exception cref="ApiException">It is not known, or takes an ffmpeg that is not there.</exception>
    public static SoundFormat Of(string? name, string? ffmpeg)
    {
        name ??= ffmpeg is null ? "wav" : "mp3";
        if (All.FirstOrDefault(format => format.Name == name) is { } found && (found.Arguments is null || ffmpeg is not null)) return found;
        string taken = string.Join(", ", All.Where(format => format.Arguments is null || ffmpeg is not null).Select(format => format.Name));
        throw ApiException.Field("response_format",
            $"is '{Printable.Line(name, 40)}'; this service makes "
                + $"{taken}{(ffmpeg is null ? " (mp3, opus and aac take the setting ffmpeg)" : "")}");
    }
}

/// <summary>Turns samples into the bytes of a format, piece by piece.</summary>
internal sealed class SoundEncoder : IDisposable
{
    private static readonly TimeSpan LongestEnd = TimeSpan.FromSeconds(10);

    private readonly OneWayBuffer _buffer = new();
    private readonly WavWriter? _wav;
    private readonly FlacWriter? _flac;
    private readonly Process? _ffmpeg;
    private readonly Task _copying = Task.CompletedTask;
    private byte[] _samples = [];

    /// <exception cref="ApiException">ffmpeg can't be started.</exception>
    public SoundEncoder(SoundFormat format, int sampleRate, string? ffmpeg)
    {
        if (format.Arguments is { } arguments)
        {
            _ffmpeg =
                Start(ffmpeg!, ["-hide_banner", "-loglevel", "error", "-f", "s16le", "-ar", $"{sampleRate}", "-ac", "1", "-i", "pipe:0",
                    .. arguments, "pipe:1"]);
            _copying = CopyAsync(_ffmpeg);
        }
        else if (format.Name == "flac")
        {
            _flac = new FlacWriter(_buffer, sampleRate);
        }
        else if (format.Name == "wav")
        {
            _wav = new WavWriter(_buffer, sampleRate);
        }
    }

    /// <summary>Adds samples, and gives the bytes that are ready; ffmpeg's may come later.</summary>
    public async Task<byte[]> WriteAsync(ReadOnlyMemory<float> samples, CancellationToken cancellation)
    {
        if (_wav is not null)
        {
            _wav.Write(samples.Span);
            return _buffer.Take();
        }
        if (_flac is not null)
        {
            _flac.Write(samples.Span);
            return _buffer.Take();
        }
        if (_samples.Length < 2 * samples.Length) _samples = new byte[2 * samples.Length];
        SamplesOf16Bits.Write(samples.Span, _samples);
        if (_ffmpeg is null) return _samples[..(2 * samples.Length)];
        await _ffmpeg.StandardInput.BaseStream.WriteAsync(_samples.AsMemory(0, 2 * samples.Length), cancellation).ConfigureAwait(false);
        await _ffmpeg.StandardInput.BaseStream.FlushAsync(cancellation).ConfigureAwait(false);
        return _buffer.Take();
    }

    /// <summary>The last bytes.</summary>
    /// <exception cref="IOException">ffmpeg failed.</exception>
    public async Task<byte[]> FinishAsync(CancellationToken cancellation)
    {
        _flac?.Finish();
        if (_ffmpeg is not null)
        {
            _ffmpeg.StandardInput.Close();
            await _copying.WaitAsync(LongestEnd, cancellation).ConfigureAwait(false);
            await _ffmpeg.WaitForExitAsync(cancellation).WaitAsync(LongestEnd, cancellation).ConfigureAwait(false);
            if (_ffmpeg.ExitCode != 0) throw new IOException($"ffmpeg ended with code {_ffmpeg.ExitCode}");
        }
        return _buffer.Take();
    }

    public void Dispose()
    {
        _flac?.Dispose();
        if (_ffmpeg is null) return;
        if (!_ffmpeg.HasExited) _ffmpeg.Kill();
        _ffmpeg.Dispose();
    }

    private async Task CopyAsync(Process process)
    {
        byte[] bytes = new byte[1 << 14];
        for (int count; (count = await process.StandardOutput.BaseStream.ReadAsync(bytes).ConfigureAwait(false)) > 0;)
            _buffer.Write(bytes.AsSpan(0, count));
    }

    private static Process Start(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment.Clear();
        try
        {
            return Process.Start(start)!;
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or IOException)
        {
            throw new ApiException(500, "the ffmpeg of the settings can't be started", "ffmpeg_missing");
        }
    }

    /// <summary>Bytes from one side to the other; several threads may.</summary>
    private sealed class OneWayBuffer : Stream
    {
        private readonly MemoryStream _bytes = new();

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public byte[] Take()
        {
            lock (_bytes)
            {
                byte[] taken = _bytes.ToArray();
                _bytes.SetLength(0);
                return taken;
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            lock (_bytes) _bytes.Write(buffer);
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
