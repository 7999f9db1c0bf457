using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Pull;

/// <summary>A good model that hears or speaks.</summary>
/// <param name="From">What `pull` takes, or where to get what it takes.</param>
/// <param name="Megabytes">Of the download; null: not known.</param>
internal sealed record SpeechModelEntry(string From, double? Megabytes, string Licence, string Does);

/// <summary>
/// `edgellm pull` of models that hear, from files on this machine: recognizers are packed, Silero and wake words are checked and copied.
/// </summary>
internal static class SpeechPull
{
    private const string DetectorFolder = "speech";

    /// <summary>Sizes and licences as published on 2026-11-29 at the places that are named.</summary>
    public static IReadOnlyList<SpeechModelEntry> Known { get; } =
    [
        new("openai/whisper-tiny.en", 151, "apache-2.0", "hears English"),
        new("openai/whisper-base", 290, "apache-2.0", "hears 99 languages, translates into English"),
        new("UsefulSensors/moonshine-base", 246, "mit", "hears short English utterances fast"),
        new("UsefulSensors/moonshine-streaming-tiny", null, "mit", "hears English while it is spoken"),
        new("silero_vad.onnx", 2.3, "mit", "finds where somebody speaks; a file of github.com/snakers4/silero-vad"),
        new("okay_nabu.json", 0.06, "apache-2.0", "a wake word; files of github.com/esphome/micro-wake-word-models, models/v2"),
        new("voice-heart", 13, "apache-2.0", "speaks English; a folder of the package hibari-tts with its lexicon"),
    ];

    /// <summary>Whether a text is a file or folder of something that hears.</summary>
    public static bool Takes(string text)
    {
        if (Directory.Exists(text)) return SpeechRecognizer.IsRecognizer(text);
        return File.Exists(text) && (IsWakeWord(text) || IsSilero(text) || WhisperGgml.IsGgml(text));
    }

    /// <summary>Takes it to where models are.</summary>
    /// <param name="target">The folder of models.</param>
    /// <param name="name">The model's name; null: that of the file or folder.</param>
    /// <returns>The files that were written, and what can be done with them.</returns>
    /// <exception cref="IOException">It is damaged, or can't be written.</exception>
    public static (IReadOnlyList<string> Files, string Use) Take(string source, string target, string? name, CancellationToken cancellation)
    {
        name ??= Directory.Exists(source) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(source)))
            : Path.GetFileNameWithoutExtension(source);
        string quoted = ShellWord.Quote(Printable.Line(name));
        if (File.Exists(source) && IsWakeWord(source))
        {
            string json = Path.ChangeExtension(source, ".json");
            WakeWordSettings settings = WakeWordModel.Load(json).Settings; // what is wrong with it is said now
            string model = Path.Combine(Path.GetDirectoryName(json) ?? "", settings.ModelFile);
            return ([Copy(json, target), Copy(model, target)], settings.IsVoiceActivity
                ? $"It finds speech: edgellm vad FILE --model {quoted}"
                : $"It wakes by \"{Printable.Line(settings.Word, 60)}\": edgellm wake FILE --model {quoted}");
        }
        if (File.Exists(source) && IsSilero(source))
        {
            SileroDetector.Load(source);
            return ([Copy(source, target)], $"It finds speech: edgellm vad FILE --model {quoted}");
        }
        string path = Path.Combine(target, name + StoredModel.Extension);
        OutputFile.Require(path, force: true, Directory.Exists(source) ? Directory.GetFiles(source) : [source]);
        using GgufFile file = SpeechRecognizer.OpenFile(source);
        foreach (string note in file.Notes) Console.Error.WriteLine($"edgellm: {Printable.Line(note)}");
        var quantizer = new SpeechQuantizer(file);
        FreeSpace.Require(path, quantizer.OutputBytes);
        quantizer.Save(path, static (_, _) => { }, cancellation);
        using (GgufFile made = GgufFile.Open(path))
            ModelIdentity.Remember(path, ModelIdentity.Of(made, folder: null, cancellation), StateFolder.Identities);
        return ([path], $"It hears: edgellm transcribe FILE --model {quoted}");
    }

    private static bool IsWakeWord(string path)
    {
        if (Path.GetExtension(path).ToLowerInvariant() is not (".json" or ".tflite")) return false;
        string json = Path.ChangeExtension(path, ".json");
        return File.Exists(json) && new FileInfo(json).Length <= 1 << 16
            && File.ReadAllText(json).Contains("\"micro\"", StringComparison.Ordinal);
    }

    /// <summary>Whether an ONNX file can be Silero's by its name: Piper's voices are refused elsewhere.</summary>
    private static bool IsSilero(string path) =>
        path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)
            && Path.GetFileName(path).Contains("silero", StringComparison.OrdinalIgnoreCase);

    private static string Copy(string source, string target)
    {
        string folder = Path.Combine(target, DetectorFolder), path = Path.Combine(folder, Path.GetFileName(source));
        Directory.CreateDirectory(folder);
        if (Path.GetFullPath(source) == Path.GetFullPath(path)) return path;
        using AtomicFile file = AtomicFile.Create(path);
        using (FileStream from = InputFile.Open(source)) from.CopyTo(file.Stream);
        file.Complete();
        return path;
    }
}

/// <summary>A recognizer in a repository of Hugging Face: a folder of Whisper or Moonshine, or a ggml file of whisper.cpp.</summary>
internal static class SpeechRepository
{
    private const string Config = "config.json";

    private static readonly string[] Beside =
        ["generation_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "vocab.json", "merges.txt", "README.md"];

    /// <summary>The files of a recognizer, the one that says what it is first; none where the repository has none.</summary>
    /// <exception cref="PullException">A path would leave the folder.</exception>
    public static IReadOnlyList<RepositoryFile> FilesOf(IReadOnlyList<RepositoryFile> files, RepositoryReference reference)
    {
        RepositoryFile[] found = reference.File is { } named
            ? [.. files.Where(file => file.Path == named && file.Name.StartsWith("ggml-", StringComparison.Ordinal)
                && file.Name.EndsWith(".bin", StringComparison.Ordinal))]
            : files.Any(file => file.Path.EndsWith(StoredModel.Extension, StringComparison.Ordinal))
                || files.All(file => file.Path != Config) ? []
            : [.. files.Where(file => file.Path == Config), .. files.Where(file => Beside.Contains(file.Path) || IsWeights(file.Path))];
        if (reference.File is null && !found.Any(file => IsWeights(file.Path))) return [];
        foreach (RepositoryFile file in found) file.RequireSafe(reference.Repository);
        return found;
    }

    private static bool IsWeights(string path) =>
        !path.Contains('/', StringComparison.Ordinal) && path.StartsWith("model", StringComparison.Ordinal)
        && (path.EndsWith(".safetensors", StringComparison.Ordinal) || path.EndsWith(".safetensors.index.json", StringComparison.Ordinal));

    /// <summary>Fetches the files, and packs the model.</summary>
    /// <param name="get">Fetches a file to a path.</param>
    /// <exception cref="PullException">It is not a recognizer.</exception>
    public static async Task<(IReadOnlyList<string> Files, string Use)> TakeAsync(
        IReadOnlyList<RepositoryFile> files, RepositoryReference reference, string target, Func<RepositoryFile, string, Task> get,
        CancellationToken cancellation)
    {
        string name = reference.File is null ? reference.Repository.Split('/')[1] : Path.GetFileNameWithoutExtension(files[0].Name);
        string folder = Path.Combine(target, $".{name}.download"); // what is there already is not fetched again
        Directory.CreateDirectory(folder);
        foreach (RepositoryFile file in files)
        {
            string path = Path.Combine(folder, file.Name);
            if (!File.Exists(path)) await get(file, path).ConfigureAwait(false);
            if (file.Path != Config || SpeechFolder.KindOf(folder) is not null) continue;
            Directory.Delete(folder, recursive: true);
            throw new PullException(
                $"{reference.Repository} has no GGUF file: look for a repository of the same model with GGUF in its name");
        }
        string source = reference.File is null ? folder : Path.Combine(folder, files[0].Name);
        (IReadOnlyList<string> Files, string Use) taken =
            await Task.Run(() => SpeechPull.Take(source, target, name, cancellation), cancellation).ConfigureAwait(false);
        Directory.Delete(folder, recursive: true);
        return taken;
    }
}
