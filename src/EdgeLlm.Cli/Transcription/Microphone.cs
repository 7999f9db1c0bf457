using System.Diagnostics;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Cli.Transcription;

/// <summary>The microphone, through ALSA's `arecord`. Disposing of it ends the recording.</summary>
internal sealed class Microphone : IDisposable
{
    private const string Program = "arecord";

    private readonly Process _process;
    private readonly Task<string> _errors;

    private Microphone(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>Begins to record.</summary>
    /// <param name="device">As `arecord -L` lists them; null: arecord's own choice.</param>
    /// <exception cref="FileException">There is no arecord on this machine.</exception>
    public static Microphone Start(string? device)
    {
        string[] where = device is null ? [] : ["-D", device];
        try
        {
            return new Microphone(
                Process.Start(new ProcessStartInfo(Program, ["-q", .. where, "-r", "16000", "-c", "1", "-f", "S16_LE", "-t", "raw"])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    UseShellExecute = false,
                })!);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new FileException(Program, "is not on this machine: install alsa-utils, or hear a file with --input FILE");
        }
    }

    /// <summary>Its sound.</summary>
    public AudioReader Open() =>
        AudioReader.OpenPcm(_process.StandardOutput.BaseStream, Program, new PcmFormat(AudioReader.SpeechRate, 1, SampleEncoding.Signed16));

    /// <summary>After the sound's end: says what ended it.</summary>
    /// <exception cref="FileException">There is no microphone, or it was unplugged.</exception>
    public void Require()
    {
        _process.WaitForExit();
        string reason = _errors.GetAwaiter().GetResult().Trim().Split('\n')[0];
        throw new FileException(Program,
            $"ended ({Printable.Line(reason, 200)}): is there a microphone (`arecord -l`)? --device names another, --input FILE hears a "
                + "file");
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }
}
