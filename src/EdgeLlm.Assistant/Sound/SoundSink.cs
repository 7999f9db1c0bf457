using System.Diagnostics;
using System.Globalization;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Assistant.Sound;

/// <summary>Where an answer's sound goes. One answer at a time.</summary>
internal abstract class SoundSink
{
    /// <summary>Is told of each piece that is played: samples and their rate.</summary>
    public Action<ReadOnlyMemory<float>, int>? Played { get; set; }

    /// <summary>Is told that what was played and has not sounded will not.</summary>
    public Action? Stopped { get; set; }

    /// <summary>Plays samples after those before them; waits while enough is there.</summary>
    /// <param name="rate">Samples a second, the same for all of an answer.</param>
    public async Task WriteAsync(ReadOnlyMemory<float> samples, int rate, CancellationToken cancellation)
    {
        Played?.Invoke(samples, rate);
        await PlayAsync(samples, rate, cancellation).ConfigureAwait(false);
    }

    /// <summary>Is told that all that was played has sounded.</summary>
    public Action? Finished { get; set; }

    /// <summary>Waits until all is played.</summary>
    public async Task FinishAsync(CancellationToken cancellation)
    {
        await DrainAsync(cancellation).ConfigureAwait(false);
        Finished?.Invoke();
    }

    /// <summary>Silence, now.</summary>
    public void Stop()
    {
        Silence();
        Stopped?.Invoke();
    }

    /// <summary>Waits until all has sounded.</summary>
    protected abstract Task DrainAsync(CancellationToken cancellation);

    /// <summary>Ends what sounds.</summary>
    protected abstract void Silence();

    /// <summary>Plays.</summary>
    protected abstract Task PlayAsync(ReadOnlyMemory<float> samples, int rate, CancellationToken cancellation);
}

/// <summary>A program that plays samples from standard input, one process an answer: `aplay`, `pw-play`, or any other.</summary>
internal sealed class ProgramSink(IReadOnlyList<string> command) : SoundSink
{
    private Process? _process;
    private byte[] _bytes = [];

    /// <summary>The program of a config's words.</summary>
    public static IReadOnlyList<string> CommandOf(IReadOnlyList<string> config) => config switch
    {
        ["alsa"] => ["aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}", "-"],
        [var one] when one.StartsWith("alsa:", StringComparison.Ordinal) =>
            ["aplay", "-q", "-D", one["alsa:".Length..], "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "{rate}", "-"],
        ["pipewire"] => ["pw-play", "--raw", "--format", "s16", "--channels", "1", "--rate", "{rate}", "-"],
        _ => config,
    };

    protected override async Task DrainAsync(CancellationToken cancellation)
    {
        if (Interlocked.Exchange(ref _process, null) is not { } process) return;
        using (process)
        {
            using CancellationTokenRegistration stop = cancellation.Register(static state => ProgramSource.Kill((Process)state!), process);
            try
            {
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended: its exit code says how.
            }
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            if (process.ExitCode != 0)
                throw new FileException(command[0],
                    $"ended with code {process.ExitCode}: is there a sound card (`aplay -l`)? \"audio\": {{ \"output\": "
                        + "\"alsa:plughw:1,0\" }} names one");
        }
    }

    protected override void Silence()
    {
        if (Interlocked.Exchange(ref _process, null) is not { } process) return;
        ProgramSource.Kill(process);
        process.Dispose();
    }

    protected override async Task PlayAsync(ReadOnlyMemory<float> samples, int rate, CancellationToken cancellation)
    {
        Process process = _process ??= ProgramSource.Start(
            [.. command.Select(argument =>
                argument.Replace("{rate}", rate.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal))], redirectsInput: true);
        if (_bytes.Length < 2 * samples.Length) _bytes = new byte[2 * samples.Length];
        SamplesOf16Bits.Write(samples.Span, _bytes);
        // a full pipe would wait for the sound that is to end
        using CancellationTokenRegistration stop = cancellation.Register(static state => ProgramSource.Kill((Process)state!), process);
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(_bytes.AsMemory(0, 2 * samples.Length), cancellation).ConfigureAwait(false);
            await process.StandardInput.BaseStream.FlushAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException or ObjectDisposedException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new FileException(command[0], "ended before the sound did: is there a sound card (`aplay -l`)?", exception);
        }
    }
}

/// <summary>Keeps all samples, and takes as long as they would sound.</summary>
internal sealed class RecordingSink(TimeProvider time) : SoundSink
{
    private readonly List<float> _samples = [];
    private readonly Lock _turn = new();
    private CancellationTokenSource _stop = new();
    private long _began = -1;
    private long _count; // samples of this answer
    private int _waits;

    /// <summary>Samples so far, of all answers.</summary>
    public float[] Samples
    {
        get { lock (_turn) return [.. _samples]; }
    }

    /// <summary>Forgets the samples so far.</summary>
    public void Clear()
    {
        lock (_turn)
        {
            _samples.Clear();
            _samples.TrimExcess();
        }
    }

    /// <summary>Whether sound is being played, and not waited for.</summary>
    public bool IsAwaited => Volatile.Read(ref _waits) > 0;

    /// <summary>Their rate.</summary>
    public int Rate { get; private set; } = 24000;

    protected override async Task DrainAsync(CancellationToken cancellation)
    {
        if (_began < 0) return;
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _stop.Token);
            TimeSpan left = TimeSpan.FromSeconds(_count / (double)Rate) - time.GetElapsedTime(_began);
            await WaitAsync(left, either.Token).ConfigureAwait(false);
        }
        finally
        {
            (_began, _count) = (-1, 0);
        }
    }

    /// <summary>Stops, and drops sound that was to come later.</summary>
    protected override void Silence()
    {
        _stop.Cancel();
        _stop = new CancellationTokenSource();
        lock (_turn)
        {
            if (_began < 0) return;
            long sounded = (long)(time.GetElapsedTime(_began).TotalSeconds * Rate), extra = Math.Clamp(_count - sounded, 0, _samples.Count);
            _samples.RemoveRange(_samples.Count - (int)extra, (int)extra);
            (_began, _count) = (-1, 0);
        }
    }

    protected override async Task PlayAsync(ReadOnlyMemory<float> samples, int rate, CancellationToken cancellation)
    {
        const double Ahead = .2; // as a player's buffer
        if (_began < 0) _began = time.GetTimestamp();
        Rate = rate;
        lock (_turn) _samples.AddRange(samples.Span);
        _count += samples.Length;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _stop.Token);
        TimeSpan left = TimeSpan.FromSeconds(_count / (double)rate - Ahead) - time.GetElapsedTime(_began);
        await WaitAsync(left, either.Token).ConfigureAwait(false);
    }

    private async Task WaitAsync(TimeSpan left, CancellationToken cancellation)
    {
        if (left <= TimeSpan.Zero) return;
        Task wait = Task.Delay(left, time, cancellation);
        Interlocked.Increment(ref _waits);
        try
        {
            await wait.ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waits);
        }
    }
}
