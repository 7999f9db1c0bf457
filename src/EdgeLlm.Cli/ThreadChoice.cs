using System.Text.Json;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;

namespace EdgeLlm.Cli;

/// <summary>
/// How many threads prompts and decoding take: what `bench` once measured to be fastest on this machine, kept in the user's state folder
/// (`$XDG_STATE_HOME/edgellm/threads.json`, else below `~/.local/state`). Nothing is measured where a person waits for a token.
/// </summary>
/// <param name="Prompt">Threads for prompts.</param>
/// <param name="Decode">Threads for decoding.</param>
internal sealed record ThreadChoice(int Prompt, int Decode)
{
    /// <summary>Choice measured on this machine (the same processor and number of cores), or null.</summary>
    public static ThreadChoice? Remembered
    {
        get
        {
            try
            {
                using JsonDocument document = JsonDocument.Parse(InputFile.Read(FilePath, InputFile.MostSettingsBytes));
                JsonElement root = document.RootElement;
                var choice = new ThreadChoice(root.GetProperty("prompt").GetInt32(), root.GetProperty("decode").GetInt32());
                bool fits = choice.Prompt is > 0 and <= 1024 && choice.Decode is > 0 and <= 1024;
                return fits && root.GetProperty("machine").GetString() == Machine ? choice : null;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException
                or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                return null;
            }
        }
    }

    /// <summary>
    /// A number of threads that somebody asked for, cut to the processors that there are with a line on standard error: more are slower
    /// without end.
    /// </summary>
    /// <param name="what">The option or setting.</param>
    public static int? AtMostProcessors(int? threads, string what)
    {
        int most = Environment.ProcessorCount;
        if (threads is not { } asked || asked <= most) return threads;
        Console.Error.WriteLine($"edgellm: {what} {asked}: this machine has {Quantity.Of(most, "processor")}, so {most} will do");
        return most;
    }

    private static string Machine => $"{Processor.Name(SystemFiles.OfThisMachine)}, {Environment.ProcessorCount} cores";

    /// <summary>Where it is kept. Removing the file forgets it.</summary>
    public static string FilePath => StateFolder.FileNamed("threads.json");

    /// <summary>Keeps it for later runs; where that can't be written, later runs take the defaults.</summary>
    /// <returns>Whether it could be written.</returns>
    public bool Remember()
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(FilePath)!);
            AtomicFile.Write(FilePath, stream =>
            {
                using var json = new Utf8JsonWriter(stream);
                json.WriteStartObject();
                json.WriteString("machine", Machine);
                json.WriteNumber("prompt", Prompt);
                json.WriteNumber("decode", Decode);
                json.WriteEndObject();
            });
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
