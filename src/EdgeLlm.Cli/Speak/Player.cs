using System.Diagnostics;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Cli.Speak;

/// <summary>
/// Plays samples through the machine's own program: `aplay` (ALSA), else `pw-play` (PipeWire). Disposing of it before
/// <see cref="FinishAsync"/> stops the sound at once.
/// </summary>
internal sealed class Player : IDisposable
{
    private static readonly (string Program, Func<int, string[]> Arguments)[] Programs =
    [
        ("aplay", rate => ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", $"{rate}", "-"]),
        ("pw-play", rate => ["--raw", "--format", "s16", "--channels", "1", "--rate", $"{rate}", "-"]),
    ];

    private readonly Process _process;
    private byte[] _bytes = [];
    private bool _finished;

    private Player(string program, Process process) => (Program, _process) = (program, process);

    /// <summary>The program that plays.</summary>
    public string Program { get; }

    /// <summary>Starts a player.</summary>
    /// <exception cref="FileException">There is none on this machine.</exception>
    public static Player Start(int sampleRate)
    {
        foreach ((string program, Func<int, string[]> arguments) in Programs)
        {
            if (SearchPath.Find(program) is not { } path) continue;
            var start = new ProcessStartInfo(path, arguments(sampleRate)) { RedirectStandardInput = true, UseShellExecute = false };
            return new Player(program, Process.Start(start)!);
        }
        throw Missing();
    }

    /// <summary>Finds out now, before long work, whether there is a player.</summary>
    /// <exception cref="FileException">There is none on this machine.</exception>
    public static void Require()
    {
        if (!Programs.Any(player => SearchPath.Find(player.Program) is not null)) throw Missing();
    }

    /// <summary>Plays samples after those that were there before; waits while the player has enough.</summary>
    /// <exception cref="FileException">The player ended.</exception>
    public async Task WriteAsync(ReadOnlyMemory<float> samples, CancellationToken cancellation)
    {
        if (_bytes.Length < 2 * samples.Length) _bytes = new byte[2 * samples.Length];
        SamplesOf16Bits.Write(samples.Span, _bytes);
        using CancellationTokenRegistration stop =
            cancellation.Register(Stop); // a full pipe would make it wait for the sound that is to end
        try
        {
            await _process.StandardInput.BaseStream.WriteAsync(_bytes.AsMemory(0, 2 * samples.Length), cancellation).ConfigureAwait(false);
            await _process.StandardInput.BaseStream.FlushAsync(cancellation).ConfigureAwait(false);
        }
        catch (IOException)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new FileException(Program,
                "ended before the sound did: is there a sound card (`aplay -l`)? -o FILE.wav writes a file instead");
        }
    }

    /// <summary>Waits until all is played.</summary>
    /// <exception cref="FileException">The player could not play.</exception>
    public async Task FinishAsync(CancellationToken cancellation)
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended: its exit code says how.
        }
        await _process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        _finished = true;
        if (_process.ExitCode != 0)
            throw new FileException(Program,
                $"ended with code {_process.ExitCode}: is there a sound card (`aplay -l`)? -o FILE.wav writes a file instead");
    }

    public void Dispose()
    {
        Stop();
        _process.Dispose();
    }

    private void Stop()
    {
        if (!_finished && !_process.HasExited) _process.Kill();
    }

    private static FileException Missing() =>
        new("aplay",
            "is not on this machine, and neither is pw-play: install alsa-utils or pipewire-bin, or write a file with `edgellm say -o "
                + "FILE.wav`");
}
