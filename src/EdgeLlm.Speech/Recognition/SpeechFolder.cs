using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Folders;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// A recognizer in a Hugging Face folder as a file with GGUF's keys and names: matrices stay where they are, vectors become F32.
/// </summary>
internal static class SpeechFolder
{
    private const int MostConfigBytes = 4 << 20;

    /// <summary>The `model_type` of a folder's config.json where it is one of a recognizer, else null.</summary>
    public static string? KindOf(string path)
    {
        string config = Path.Combine(path, "config.json");
        if (!File.Exists(config)) return null;
        try
        {
            return JsonPart.Read(config, MostConfigBytes).Find("model_type")
                is { Element.ValueKind: System.Text.Json.JsonValueKind.String } type && IsKind(type.Text()) ? type.Text() : null;
        }
        catch (ModelException)
        {
            return null; // the reader of language models says what is wrong with it
        }
    }

    /// <summary>Whether an architecture is one of a recognizer.</summary>
    public static bool IsKind(string architecture) =>
        architecture is WhisperConfig.Architecture or MoonshineConfig.Architecture or MoonshineConfig.StreamingArchitecture;

    /// <exception cref="ModelException">A file is missing, damaged or not understood.</exception>
    public static GgufFile Map(string path)
    {
        HuggingFaceFolder folder = HuggingFaceFolder.Open(path);
        try
        {
            string generationFile = Path.Combine(path, "generation_config.json");
            JsonPart? generation = File.Exists(generationFile) ? JsonPart.Read(generationFile, MostConfigBytes) : null;
            string kind = folder.Config.Require("model_type").Text();
            if (!IsKind(kind))
                throw folder.Config.Require("model_type")
                    .Error($"is '{FolderFile.Printable(kind)}', not one that hears (whisper, moonshine, moonshine_streaming)");
            if (kind != WhisperConfig.Architecture)
            {
                MoonshineConfig moonshine = MoonshineConfig.Of(folder.Config);
                return Join(folder, kind, moonshine.Vocabulary, moonshine.Keys(), MoonshineTensors.Of(moonshine));
            }
            WhisperConfig config = WhisperConfig.Of(folder.Config, generation);
            return Join(folder, kind, config.Vocabulary, config.Keys(), WhisperTensors.Of(config));
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    private static GgufFile Join(HuggingFaceFolder folder, string kind, int vocabulary, IEnumerable<(string, GgufValue)> own,
        IEnumerable<SpeechTensor> wanted)
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Read(folder.Path, folder.Config, vocabulary);
        var keys = new OrderedDictionary<string, GgufValue>
        {
            ["general.architecture"] = GgufValue.Of(kind),
            ["general.type"] = GgufValue.Of("model"),
        };
        foreach ((string key, GgufValue value) in ModelCard.Keys(folder.Path).Concat(own).Concat(TokenizerKeys.Of(tokenizer)))
            keys[key] = value;
        var tensors = new OrderedDictionary<string, GgufTensor>();
        Dictionary<WeightFile, int> numbers = folder.Files.Index().ToDictionary(file => file.Item, file => file.Index);
        foreach (SpeechTensor tensor in wanted)
        {
            if (Find(folder, tensor.Folder) is { } source) tensors.Add(tensor.Name, tensor.View(source, numbers[source.File]));
            else if (!tensor.IsOptional)
                throw new ModelException(folder.Path, $"has no tensor {tensor.Folder}, which config.json asks for");
        }
        return new GgufFile(folder.Path, keys, tensors, [.. folder.Files.Select(file => file.Map)]) { Notes = tokenizer.Notes };
    }

    private static FolderTensor? Find(HuggingFaceFolder folder, string name)
    {
        const string Prefix = "model.";
        if (folder.Tensors.TryGetValue(name, out FolderTensor? tensor)) return tensor;
        return name.StartsWith(Prefix, StringComparison.Ordinal) ? folder.Tensors.GetValueOrDefault(name[Prefix.Length..]) : null;
    }
}
