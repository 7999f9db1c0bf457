using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Commands;

namespace EdgeLlm.Assistant.Sound;

/// <summary>
/// A program that hears: it reads a WAV file, 16 kHz mono, on standard input, and prints the text. Limits are those of all commands: 10 s,
/// 64 kB of text.
/// </summary>
internal sealed class CommandRecognizer(IReadOnlyList<string> command)
{
    private readonly ExternalCommand _command = new("hearing", CommandPresets.Of(command));

    /// <summary>Whether the program is there.</summary>
    /// <exception cref="FileException">It is not.</exception>
    public void Require() => _command.Require();

    /// <inheritdoc cref="Wyoming.Recognize"/>
    /// <exception cref="FileException">The program is not there, failed, took too long or wrote too much.</exception>
    public async Task<string> RecognizeAsync(float[] samples, string? language, CancellationToken cancellation)
    {
        using var wav = new MemoryStream();
        var writer = new WavWriter(wav, AudioReader.SpeechRate, samples.Length);
        writer.Write(samples);
        writer.Finish();
        CommandResult result = await _command.RunAsync(wav.ToArray(), cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new FileException(_command.Name, $"ended with code {result.ExitCode}: {Printable.Line(result.Errors, 200)}");
        return string.Join(' ', result.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }
}

/// <summary>Programs that speak or hear, by their names alone: the arguments that they need.</summary>
internal static class CommandPresets
{
    /// <summary>The whole command of a preset's name, of a program with its model's file; else the command as it is.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> command) => command switch
    {
        ["espeak-ng"] => ["espeak-ng", "-v", "en-us", "-b", "1", "--stdin", "--stdout"],
        ["espeak-ng", var voice] => ["espeak-ng", "-v", voice, "-b", "1", "--stdin", "--stdout"],
        ["piper", var model] => ["piper", "--model", model, "--output_file", "-"],
        ["pocketsphinx_continuous"] => ["pocketsphinx_continuous", "-infile", "/dev/stdin", "-logfn", "/dev/null"],
        ["whisper-cli", var model] => ["whisper-cli", "--model", model, "--no-timestamps", "--no-prints", "--file", "-"],
        _ => command,
    };
}
