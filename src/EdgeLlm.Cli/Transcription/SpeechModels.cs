using System.CommandLine;
using EdgeLlm.Models;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>Which model hears: the one that is named, else the only one on this machine.</summary>
internal static class SpeechModels
{
    /// <summary>The option that names it.</summary>
    public static Option<string?> Model { get; } = new("--model", "-m")
    {
        Description =
            "A packed recognizer, a folder of Whisper or Moonshine, a ggml file, or the name of one on this machine (default: the only "
                + "one there)",
        HelpName = "MODEL",
    };

    /// <exception cref="IOException">There is no such model.</exception>
    /// <exception cref="UsageException">None was named, and this machine has none or several.</exception>
    public static string PathOf(ParseResult result) =>
        PathOrNull(result) ?? throw new UsageException("no model that hears is on this machine: `edgellm pull openai/whisper-tiny.en` gets "
            + "one (75 MB to fetch), --model names a folder of Whisper or Moonshine or a file elsewhere");

    /// <summary>Null where none was named and this machine has none.</summary>
    /// <exception cref="IOException">There is no such model.</exception>
    /// <exception cref="UsageException">None was named, and this machine has several.</exception>
    public static string? PathOrNull(ParseResult result)
    {
        if (result.GetValue(Model) is { } named) return ModelStore.OfThisMachine().PathOf(named);
        string[] names =
            [.. ModelStore.OfThisMachine().Models().Where(model => SpeechRecognizer.IsRecognizer(model.Path)).Select(model => model.Name)
                .Distinct()];
        return names.Length switch
        {
            0 => null,
            1 => ModelStore.OfThisMachine().PathOf(names[0]),
            _ => throw new UsageException($"several models hear ({string.Join(", ", names)}): name one with --model"),
        };
    }

    /// <summary>How it is opened, out of --threads and --kernel.</summary>
    public static SpeechOptions OptionsOf(ParseResult result)
    {
        ModelOptions options = SharedOptions.ModelOptionsOf(result);
        return new SpeechOptions { Threads = options.Threads, Kernel = options.Kernel };
    }
}
