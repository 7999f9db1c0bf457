using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// Models of voice activity and wake words on this machine: NAME.onnx (Silero) and NAME.json with its NAME.tflite (microWakeWord), in the
/// folder `speech` of the user's and the system's models and beside the program.
/// </summary>
internal static class DetectorStore
{
    /// <summary>The detector that needs no model.</summary>
    public const string Energy = "energy";

    private static readonly string[] Extensions = [".onnx", ".json"];

    /// <summary>Where models are looked for, the user's first.</summary>
    public static IEnumerable<string> Folders
    {
        get
        {
            ModelStore store = ModelStore.OfThisMachine();
            return [Path.Combine(store.UserFolder, "speech"), Path.Combine(store.SystemFolder, "speech"),
                ModelStore.SpeechFolderOfThisMachine];
        }
    }

    /// <summary>Models by name; of one name the first folder's.</summary>
    public static IEnumerable<(string Name, string Path)> Models() => Folders.Where(Directory.Exists)
        .SelectMany(folder => Directory.EnumerateFiles(folder).Where(file => Extensions.Contains(Path.GetExtension(file)))
            .Order(StringComparer.Ordinal))
        .Select(file => (Name: Path.GetFileNameWithoutExtension(file), Path: file)).DistinctBy(model => model.Name);

    /// <summary>Files of all wake words: not of microWakeWord's model of voice activity, which any speech would wake.</summary>
    public static IEnumerable<string> WakeWords() =>
        Models().Select(model => model.Path).Where(static path => IsWakeWord(path) && !IsVoiceActivity(path));

    /// <summary>The file of a path or of a model's name in any case.</summary>
    /// <exception cref="IOException">There is no such model.</exception>
    public static string PathOf(string model)
    {
        FileStatus? status = FileStatus.Of(model);
        if (status?.Kind == FileKind.Regular) return model;
        if (status?.Kind == FileKind.Folder) throw new FileException(model, "is a folder, not a model of voice activity or a wake word");
        (string Name, string Path)[] all = [.. Models()];
        foreach ((string name, string path) in all)
        {
            if (name.Equals(model, StringComparison.OrdinalIgnoreCase)) return path;
        }
        string shown = Printable.Line(model, 100),
            known = all.Length == 0 ? ": `edgellm pull` takes their files"
                : $": there is {string.Join(", ", all.Select(one => Printable.Line(one.Name)))}";
        throw new FileNotFoundException($"there is no file and no model '{shown}' of voice activity or a wake word{known}");
    }

    /// <summary>Opens a detector of voice activity.</summary>
    /// <param name="model">A path or name, or `energy`; null: Silero where there is one, else energy.</param>
    /// <param name="sourceRate">Samples a second of the sound: Silero has a network for 8000, which others are brought to 16000.</param>
    /// <param name="kernel">What multiplies; null: the best.</param>
    /// <exception cref="IOException">There is no such model, it can't be read, or it is of another kind.</exception>
    public static SpeechDetector OpenSpeech(string? model, int sourceRate = 16000, Kernel? kernel = null)
    {
        model ??= Models().Select(one => one.Path).FirstOrDefault(path => path.EndsWith(".onnx", StringComparison.Ordinal)) ?? Energy;
        if (model.Equals(Energy, StringComparison.OrdinalIgnoreCase) && !File.Exists(model)) return new EnergyDetector();
        string file = PathOf(model);
        return IsWakeWord(file) ? new MicroSpeechDetector(WakeWordModel.Load(file))
            : SileroDetector.Load(file, sourceRate == 8000 ? 8000 : 16000, kernel);
    }

    /// <summary>Opens a detector of voice activity in sound at 16 kHz, for callers that know no kernels.</summary>
    /// <param name="model">A path or name, or `energy`; null: Silero where there is one, else energy.</param>
    /// <exception cref="IOException">There is no such model, it can't be read, or it is of another kind.</exception>
    public static SpeechDetector OpenLiveSpeech(string? model) => OpenSpeech(model);

    /// <summary>Opens a wake word.</summary>
    /// <exception cref="IOException">There is no such model, it can't be read, or it is of another kind.</exception>
    public static WakeWordModel OpenWakeWord(string model)
    {
        string file = PathOf(model);
        return IsWakeWord(file) ? WakeWordModel.Load(file)
            : throw new FileException(file, "is not a wake word: those are JSON with a TensorFlow Lite file beside it");
    }

    private static bool IsVoiceActivity(string path)
    {
        try
        {
            return WakeWordSettings.Read(path).IsVoiceActivity;
        }
        catch (IOException)
        {
            return false; // opening it says what is wrong with it
        }
    }

    private static bool IsWakeWord(string path) => Path.GetExtension(path).ToLowerInvariant() is ".json" or ".tflite";
}
