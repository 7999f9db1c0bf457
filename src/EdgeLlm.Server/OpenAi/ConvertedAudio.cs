using System.Diagnostics;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Server.OpenAi;

/// <summary>Recordings in formats that are not read here, made WAV by the program that the setting ffmpeg names.</summary>
internal static class ConvertedAudio
{
    private static readonly TimeSpan LongestConversion = TimeSpan.FromMinutes(5);

    /// <summary>Converts a file.</summary>
    /// <exception cref="IOException">The program is not there, or does not know the format.</exception>
    public static AudioReader Open(string program, string path)
    {
        string converted = path + ".wav";
        try
        {
            var start = new ProcessStartInfo(program,
                ["-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", path, "-vn", "-ac", "1", "-ar", "16000", "-c:a",
                    "pcm_s16le", "-f", "wav", converted])
            {
                RedirectStandardError = true,
                RedirectStandardInput = true,
            };
            using Process process = Process.Start(start) ?? throw new FileException(program, "can't be started");
            process.StandardInput.Close();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(LongestConversion))
            {
                process.Kill(entireProcessTree: true);
                throw new FileException("file", $"took longer than {LongestConversion.TotalMinutes} minutes to convert");
            }
            string problem = errors.GetAwaiter().GetResult();
            if (process.ExitCode != 0)
                throw new FileException("file",
                    $"is not sound in a format that is known here ({Printable.Line(problem.Split('\n')[0], 200)})");
            return AudioReader.Open(converted);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            throw new FileException(program, $"can't be started: {exception.Message} (setting ffmpeg)");
        }
        finally
        {
            File.Delete(converted); // what is open stays readable
        }
    }
}
