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
    public static string PathOf(ParseResult result)
    {
        if (result.GetValue(Model) is { } named) return ModelStore.OfThisMachine().PathOf(named);
        string[] names =
            [.. ModelStore.OfThisMachine().Models().Where(model => SpeechRecognizer.IsRecognizer(model.Path)).Select(model => model.Name)];
        return names.Length == 1 ? ModelStore.OfThisMachine().PathOf(names[0])
            : throw new UsageException(names.Length == 0
                ? "no model that hears is on this machine: name one with --model (a Whisper folder, or a file that `edgellm quantize` made of it)"
                : $"several models hear ({string.Join(", ", names)}): name one with --model");
    }

    /// <summary>How it is opened, out of --threads and --kernel.</summary>
    public static SpeechOptions OptionsOf(ParseResult result)
    {
        ModelOptions options = SharedOptions.ModelOptionsOf(result);
        return new SpeechOptions { Threads = options.Threads, Kernel = options.Kernel };
    }
}
