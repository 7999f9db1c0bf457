using System.Diagnostics;
using System.Text.RegularExpressions;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Voice;

/// <summary>Somebody who speaks to the assistant: flite or espeak-ng, and recordings of people with wake words.</summary>
internal static partial class Person
{
    private static readonly string Folder = Directory.CreateTempSubdirectory("edgellm-person-").FullName;
    private static int _files;

    /// <summary>A sentence at 16 kHz, or the end of the test as skipped where neither program is installed.</summary>
    /// <param name="voice">A voice of flite (slt, rms) or of espeak-ng (en-us, en-gb).</param>
    public static float[] Say(string text, string voice = "slt")
    {
        string program = voice.StartsWith("en", StringComparison.Ordinal) ? "espeak-ng" : "flite";
        Assert.SkipUnless(File.Exists($"/usr/bin/{program}"), $"needs {program}, which is not on this machine");
        string file = Path.Combine(Folder, $"{Interlocked.Increment(ref _files)}.wav");
        string[] arguments = program == "flite" ? ["-voice", voice, "-t", text, "-o", file] : ["-v", voice, "-s", "150", "-w", file, text];
        using (Process process = Process.Start(new ProcessStartInfo($"/usr/bin/{program}", arguments))!) process.WaitForExit();
        float[] samples = Read(file);
        File.Delete(file);
        return samples;
    }

    /// <summary>A recording of somebody who says a wake word.</summary>
    public static float[] SayWakeWord(string recording) => Read(SharedFolder.Require("golden", "speech", "wake", recording + ".wav"));

    /// <summary>Silence.</summary>
    public static float[] Pause(double seconds) => new float[(int)(seconds * AudioReader.SpeechRate)];

    /// <summary>Words of a text as they are compared: lower case, without marks; digits as they are.</summary>
    public static string[] Words(string text) => [.. Word().Matches(text.ToLowerInvariant()).Select(static word => word.Value)];

    /// <summary>Least number of words that were put in, left out or replaced.</summary>
    public static int Errors(string[] wanted, string[] found)
    {
        int[] row = [.. Enumerable.Range(0, found.Length + 1)];
        for (int i = 1; i <= wanted.Length; i++)
        {
            (int diagonal, row[0]) = (row[0], i);
            for (int j = 1; j <= found.Length; j++)
                (diagonal, row[j]) =
                    (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (wanted[i - 1] == found[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }

    /// <summary>
    /// What whisper.cpp hears in a sound at 16 kHz, where EDGELLM_LISTENER is a program and its arguments that take a WAV file and print a
    /// line of text (tools/test-voice sets it); null: it is not set.
    /// </summary>
    public static async Task<string?> HearAsync(float[] sound)
    {
        if (Environment.GetEnvironmentVariable("EDGELLM_LISTENER") is not { Length: > 0 } listener) return null;
        string file = Path.Combine(Folder, $"{Interlocked.Increment(ref _files)}.wav");
        await using (FileStream stream = File.Create(file))
        {
            new WavWriter(stream, AudioReader.SpeechRate, sound.Length).Write(sound);
        }
        string[] command = listener.Split(' ');
        var start = new ProcessStartInfo(command[0], [.. command[1..], file]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string text = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, $"{listener} ended with {process.ExitCode}");
        File.Delete(file);
        return text.Trim();
    }

    private static float[] Read(string file)
    {
        using AudioReader reader = AudioReader.Open(file);
        return reader.ReadToEnd(600 * AudioReader.SpeechRate)!;
    }

    [GeneratedRegex(@"[a-z']+|\d+(?:[.:]\d+)*")]
    private static partial Regex Word();
}
