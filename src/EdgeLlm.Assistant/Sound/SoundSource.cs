using System.Diagnostics;
using System.Runtime.CompilerServices;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Assistant.Sound;

/// <summary>Where sound comes from: pieces of 20 ms at 16 kHz, as they are spoken.</summary>
internal abstract class SoundSource
{
    /// <summary>Samples of a piece.</summary>
    public const int Piece = AudioReader.SpeechRate / 50;

    /// <summary>Samples from -1 to 1 until the sound ends or it is cancelled.</summary>
    public abstract IAsyncEnumerable<float[]> ReadAsync(CancellationToken cancellation);
}

/// <summary>A program that writes samples to standard output: `arecord`, `pw-record`, or any other.</summary>
internal sealed class ProgramSource(IReadOnlyList<string> command) : SoundSource
{
    /// <summary>The program of a config's words.</summary>
    public static IReadOnlyList<string> CommandOf(IReadOnlyList<string> config) => config switch
    {
        ["alsa"] => ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "16000"],
        [var one] when one.StartsWith("alsa:", StringComparison.Ordinal) =>
            ["arecord", "-q", "-D", one["alsa:".Length..], "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", "16000"],
        ["pipewire"] => ["pw-record", "--raw", "--format", "s16", "--channels", "1", "--rate", "16000", "-"],
        _ => config,
    };

    public override async IAsyncEnumerable<float[]> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        using Process process = Start(command, redirectsInput: false);
        using CancellationTokenRegistration stop = cancellation.Register(static state => Kill((Process)state!), process);
        byte[] bytes = new byte[2 * Piece];
        long total = 0;
        while (true)
        {
            int got = await process.StandardOutput.BaseStream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false,
                CancellationToken.None).ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            if (got < bytes.Length) break;
            total += got;
            yield return ToFloats(bytes);
        }
        await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        throw new FileException(command[0],
            $"ended with code {process.ExitCode} after {total / 32000.0:0.0} s: is there a microphone (`arecord -l`)? \"audio\": {{ "
                + "\"input\": \"alsa:plughw:1,0\" }} names one");
    }

    /// <summary>Starts a program of config.</summary>
    /// <exception cref="FileException">It is not on this machine.</exception>
    public static Process Start(IReadOnlyList<string> command, bool redirectsInput)
    {
        var start = new ProcessStartInfo(command[0])
        {
            RedirectStandardOutput = !redirectsInput,
            RedirectStandardInput = redirectsInput,
            UseShellExecute = false,
        };
        foreach (string argument in command.Skip(1)) start.ArgumentList.Add(argument);
        try
        {
            return Process.Start(start)!;
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or IOException)
        {
            throw new FileException(command[0],
                "can't be started: install alsa-utils (arecord and aplay), or name another program in \"audio\"", exception);
        }
    }

    /// <summary>Ends a program.</summary>
    public static void Kill(Process process)
    {
        try
        {
            if (!process.HasExited) process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It is gone.
        }
    }

    private static float[] ToFloats(ReadOnlySpan<byte> bytes)
    {
        float[] samples = new float[bytes.Length / 2];
        SamplesOf16Bits.Read(bytes, samples);
        return samples;
    }
}

/// <summary>Samples of a recording, in real time by a clock, and silence after them until it is told to end.</summary>
internal sealed class RecordedSource(ReadOnlyMemory<float> samples, TimeProvider time, Func<bool> mayEnd) : SoundSource
{
    /// <summary>Seconds of silence after which it ends whether it may or not.</summary>
    public double MostSilence { get; init; } = 120;

    public override async IAsyncEnumerable<float[]> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        long began = time.GetTimestamp();
        for (long at = 0; ; at += Piece)
        {
            TimeSpan due = TimeSpan.FromSeconds((at + Piece) / (double)AudioReader.SpeechRate) - time.GetElapsedTime(began);
            if (due > TimeSpan.Zero) await Task.Delay(due, time, cancellation).ConfigureAwait(false);
            float[] piece = new float[Piece];
            if (at < samples.Length) samples.Span.Slice((int)at, (int)Math.Min(Piece, samples.Length - at)).CopyTo(piece);
            else if (mayEnd() || at - samples.Length > MostSilence * AudioReader.SpeechRate) yield break;
            yield return piece;
        }
    }
}
