using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm list`: the models on this machine.</summary>
internal static class ListCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON; sizes in bytes" };

    private static readonly Option<bool> Names = new("--names") { Description = "Print the names only, one a line, for scripts" };

    public static Command Create()
    {
        var command = new Command("list",
            "List the models on this machine: what `pull` got, what the system offers, and the default.") { Json, Names };
        command.Aliases.Add("ls");
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult result)
    {
        if (result.GetValue(Names))
        {
            foreach (string name in ModelStore.OfThisMachine().Models().Select(model => model.Name).Distinct())
                Console.WriteLine(Printable.Line(name));
            return;
        }
        Entry[] entries = [.. ModelStore.OfThisMachine().Models().Select(Entry.Of), .. DetectorStore.Models().Select(Entry.OfDetector)];
        StoredAdapter[] adapters = [.. StoredAdapter.In(ModelStore.OfThisMachine())];
        if (result.GetValue(Json)) JsonOutput.Write(json => Write(json, entries, adapters));
        else if (entries.Length == 0 && adapters.Length == 0)
            Console.WriteLine("There are no models here. `edgellm pull REPO` gets one from Hugging Face.");
        else
        {
            new Report().Table(["name", "size", "family", "weights", "modified", "place"],
                entries.Select(entry => new[]
                {
                    Printable.Line(entry.Model.Name), Quantity.Bytes(entry.Model.Size),
                    Printable.Line(entry.Architecture ?? entry.Problem ?? "-", 60),
                    entry.Quantization ?? "-",
                    entry.Model.Modified.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                    PlaceName(entry.Model.Place),
                }).Concat(adapters.Select(adapter => new[]
                {
                    Printable.Line(adapter.Name), Quantity.Bytes(adapter.Size),
                    Printable.Line($"adapter of {adapter.Base ?? "a model that it does not name"}", 60), "-",
                    adapter.Modified.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), PlaceName(adapter.Place),
                })), 1);
        }
    }

    private static void Write(Utf8JsonWriter json, Entry[] entries, StoredAdapter[] adapters)
    {
        json.WriteStartArray();
        foreach (Entry entry in entries)
        {
            json.WriteStartObject();
            json.WriteString("name", entry.Model.Name);
            json.WriteString("path", entry.Model.Path);
            json.WriteNumber("size", entry.Model.Size);
            json.WriteString("architecture", entry.Architecture);
            json.WriteString("quantization", entry.Quantization);
            json.WriteString("modified", entry.Model.Modified);
            json.WriteString("place", PlaceName(entry.Model.Place));
            json.WriteString("problem", entry.Problem);
            json.WriteEndObject();
        }
        foreach (StoredAdapter adapter in adapters)
        {
            json.WriteStartObject();
            json.WriteString("name", adapter.Name);
            json.WriteString("path", adapter.Path);
            json.WriteNumber("size", adapter.Size);
            json.WriteString("architecture", "adapter");
            json.WriteString("base", adapter.Base);
            json.WriteString("modified", adapter.Modified);
            json.WriteString("place", PlaceName(adapter.Place));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>A model's architecture; of a voice its language and licence, of a recognizer its licence.</summary>
    private static string? ArchitectureOf(GgufMetadata data)
    {
        string? architecture = data.GetString("general.architecture", null);
        if (data.GetString("general.type", null) == "adapter")
            return $"adapter of {data.GetString("general.base_model.0.name", null) ?? $"a model of {architecture}"}";
        string licence = data.GetString("general.license", null) ?? "licence not stated";
        return architecture == VoiceStore.Architecture
            ? $"voice, {data.GetString(VoiceStore.LanguageKey, null) ?? "language not stated"}, {licence}"
            : architecture is not null && SpeechFolder.IsKind(architecture) ? $"{architecture} (hears), {licence}" : architecture;
    }

    private static string PlaceName(ModelPlace place) => place switch
    {
        ModelPlace.User => "user",
        ModelPlace.System => "system",
        _ => "program",
    };

    private sealed record Entry(StoredModel Model, string? Architecture, string? Quantization, string? Problem)
    {
        /// <summary>A model of voice activity or a wake word, in the folder `speech` of one of the store's folders.</summary>
        public static Entry OfDetector((string Name, string Path) detector)
        {
            ModelStore store = ModelStore.OfThisMachine();
            ModelPlace place = IsIn(store.UserFolder) ? ModelPlace.User : IsIn(store.SystemFolder) ? ModelPlace.System : ModelPlace.Program;
            string model = Path.ChangeExtension(detector.Path, ".tflite");
            string[] files = detector.Path.EndsWith(".json", StringComparison.Ordinal) && File.Exists(model)
                ? [detector.Path, model] : [detector.Path];
            return new Entry(new StoredModel(detector.Name, place, files), Inspect.DetectorText.Kind(detector.Path), null, null);

            bool IsIn(string folder) =>
                detector.Path.StartsWith(Path.Combine(folder, "speech") + Path.DirectorySeparatorChar, StringComparison.Ordinal);
        }

        public static Entry Of(StoredModel model)
        {
            try
            {
                using GgufFile file = GgufFile.Open(model.Path);
                return new Entry(model, ArchitectureOf(file.Metadata), Inspect.Quantization.Of(file), null);
            }
            catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException)
            {
                return new Entry(model, null, null, exception is GgufException gguf ? $"damaged: {gguf.Field}" : "can't be read");
            }
        }
    }
}
