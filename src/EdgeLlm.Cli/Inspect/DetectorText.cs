using System.Globalization;
using EdgeLlm.Cli.Output;
using EdgeLlm.Models;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Cli.Inspect;

/// <summary>Texts of `list` and `inspect` about models of voice activity and wake words, whose files have no metadata of GGUF's.</summary>
internal static class DetectorText
{
    /// <summary>The file of a detector that a text names, by its path or its name in a store; null: it names none.</summary>
    public static string? PathOf(string? text)
    {
        if (text is null) return null;
        if (File.Exists(text)) return Path.GetExtension(text).ToLowerInvariant() is ".onnx" or ".tflite" or ".json" ? text : null;
        return ModelStore.OfThisMachine().Find(text) is not null ? null
            : DetectorStore.Models().Where(model => model.Name.Equals(text, StringComparison.OrdinalIgnoreCase))
                .Select(model => model.Path).FirstOrDefault();
    }

    /// <summary>Kind and licence, as far as they are known: these files state none.</summary>
    public static string Kind(string path)
    {
        try
        {
            if (IsSilero(path)) return "voice activity (Silero), MIT";
            WakeWordSettings settings = WakeWordSettings.Read(Path.ChangeExtension(path, ".json"));
            return settings.IsVoiceActivity ? "voice activity (microWakeWord), licence not stated"
                : $"wake word \"{Printable.Line(settings.Word, 40)}\", licence not stated";
        }
        catch (IOException)
        {
            return "damaged";
        }
    }

    /// <summary>Prints what a detector is.</summary>
    /// <exception cref="IOException">It is damaged, or none.</exception>
    public static void Write(string path)
    {
        var report = new Report();
        string name = Path.GetFileNameWithoutExtension(path), quoted = ShellWord.Quote(Printable.Line(path));
        report.Heading(Printable.Line(name, 100));
        if (IsSilero(path))
        {
            SileroDetector.Load(path);
            report.Fields(
            [
                ("file", $"{Printable.Line(path)} ({Quantity.Bytes(new FileInfo(path).Length)}, ONNX)"),
                ("kind", "voice activity of Silero's network, 16 and 8 kHz"),
                ("licence", "MIT, as Silero publishes it; the file states none"),
            ]);
            report.Line();
            report.Line($"It finds speech: edgellm vad FILE --model {quoted}");
            return;
        }
        WakeWordSettings settings = WakeWordModel.Load(path).Settings;
        string model = Path.Combine(Path.GetDirectoryName(path) ?? "", settings.ModelFile);
        var fields = new List<(string, string)>
        {
            ("file",
                $"{Printable.Line(path)} with {Printable.Line(settings.ModelFile)} ({Quantity.Bytes(new FileInfo(model).Length)}, "
                    + "TensorFlow Lite)"),
            ("kind", settings.IsVoiceActivity ? "voice activity of microWakeWord" : "wake word of microWakeWord"),
            ("word", Printable.Line(settings.Word, 100)),
            ("cutoff",
                string.Create(CultureInfo.InvariantCulture, $"mean probability {settings.Cutoff} over {settings.Window} inferences")),
            ("languages", settings.Languages.Count == 0 ? "not stated" : Printable.Line(string.Join(", ", settings.Languages), 100)),
            ("licence", "not stated in the file (those of github.com/esphome/micro-wake-word-models are Apache-2.0)"),
        };
        if (settings.Author.Length + settings.Website.Length > 0)
            fields.Add(("origin", Printable.Line($"{settings.Author} {settings.Website}".Trim(), 200)));
        report.Fields(fields);
        report.Line();
        report.Line(settings.IsVoiceActivity ? $"It finds speech: edgellm vad FILE --model {quoted}"
            : $"It wakes: edgellm wake FILE --model {quoted}");
    }

    private static bool IsSilero(string path) => path.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase);
}
