using System.Text.Json;
using EdgeLlm.Files;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// Tokenizers of folders without tokenizer.json: vocab.json with merges.txt, or vocab.txt. They don't say how text is cut; transformers
/// knows it by the tokenizer's class, and so is it here: as the tokenizer.json into which transformers would convert them (its
/// convert_slow_tokenizer.py).
/// </summary>
internal static class OlderTokenizer
{
    private const int MostBytes = 64 << 20;

    private const string Qwen2Words =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly string[] SpecialNames =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Equivalent tokenizer.json of a folder's older files, or null where the folder has no such files.</summary>
    /// <param name="config">tokenizer_config.json.</param>
    /// <param name="specialTokens">special_tokens_map.json.</param>
    /// <exception cref="ModelException">A file is damaged, or the tokenizer's class is not known here.</exception>
    public static JsonPart? Read(string folder, JsonPart? config, JsonPart? specialTokens)
    {
        string vocabulary = Path.Combine(folder, "vocab.json"), merges = Path.Combine(folder, "merges.txt"),
            words = Path.Combine(folder, "vocab.txt");
        string name = config?.Find("tokenizer_class")?.Text() ?? "";
        string kind = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^"Fast".Length] : name;
        string file = File.Exists(vocabulary) && File.Exists(merges) ? vocabulary : words;
        if (!File.Exists(file)) return null;
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            if (file == words)
            {
                if (kind is not ("BertTokenizer" or "")) throw Unknown(config!.Value);
                WriteBert(json, words, config, specialTokens);
            }
            else
            {
                if (kind is not ("GPT2Tokenizer" or "CodeGenTokenizer" or "RobertaTokenizer" or "Qwen2Tokenizer"))
                    throw config is null
                        ? new ModelException(folder, "has vocab.json and no tokenizer_config.json that says how text is cut")
                        : Unknown(config.Value);
                WriteBytePairs(json, kind, vocabulary, merges, config, specialTokens);
            }
            json.WriteEndObject();
        }
        return JsonPart.Parse(file, stream.ToArray(), "");
    }

    private static ModelException Unknown(JsonPart config) =>
        config.Find("tokenizer_class") is { } name
            ? name.Error($"is '{FolderFile.Printable(name.Text())}', which is not known here without a tokenizer.json")
            : config.Error("has no tokenizer_class, and the folder no tokenizer.json: how text is cut is not known");

    private static void WriteBert(Utf8JsonWriter json, string file, JsonPart? config, JsonPart? specialTokens)
    {
        string[] tokens = [.. FolderFile.ReadText(file, MostBytes).Split('\n').Select(line => line.TrimEnd('\r'))];
        if (tokens is [.., ""]) tokens = tokens[..^1];
        Dictionary<string, int> ids = [];
        for (int id = 0; id < tokens.Length; id++) ids[tokens[id]] = id;
        string unknown = Named("unk_token", "[UNK]"), cls = Named("cls_token", "[CLS]"), separator = Named("sep_token", "[SEP]");
        json.WriteStartObject("normalizer");
        json.WriteString("type", "BertNormalizer");
        json.WriteBoolean("clean_text", true);
        json.WriteBoolean("handle_chinese_chars", config?.Find("tokenize_chinese_chars")?.Flag() ?? true);
        if (config?.Find("strip_accents") is { } strips) json.WriteBoolean("strip_accents", strips.Flag());
        json.WriteBoolean("lowercase", config?.Find("do_lower_case")?.Flag() ?? true);
        json.WriteEndObject();
        WriteType(json, "pre_tokenizer", "BertPreTokenizer");
        json.WriteStartObject("decoder");
        json.WriteString("type", "WordPiece");
        json.WriteString("prefix", "##");
        json.WriteBoolean("cleanup", true);
        json.WriteEndObject();
        WritePostProcessor(json, "BertProcessing", cls, separator);
        json.WriteStartObject("model");
        json.WriteString("type", "WordPiece");
        json.WriteString("unk_token", unknown);
        json.WriteString("continuing_subword_prefix", "##");
        json.WriteStartObject("vocab");
        foreach ((string token, int id) in ids) json.WriteNumber(token, id);
        json.WriteEndObject();
        json.WriteEndObject();
        WriteAdded(json, [unknown, cls, separator, Named("pad_token", "[PAD]"), Named("mask_token", "[MASK]")],
            token => ids.TryGetValue(token, out int id) ? id : null, leftStripped: null);

        string Named(string name, string usual) => NameOf(name, config, specialTokens) ?? usual;
    }

    private static void WriteBytePairs(Utf8JsonWriter json, string kind, string vocabularyFile, string mergesFile,
        JsonPart? config, JsonPart? specialTokens)
    {
        JsonPart vocabulary = JsonPart.Read(vocabularyFile, MostBytes);
        if (kind == "Qwen2Tokenizer") WriteType(json, "normalizer", "NFC");
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        if (kind == "Qwen2Tokenizer")
        {
            json.WriteStartObject();
            json.WriteString("type", "Split");
            json.WriteStartObject("pattern");
            json.WriteString("Regex", Qwen2Words);
            json.WriteEndObject();
            json.WriteString("behavior", "Isolated");
            json.WriteEndObject();
        }
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", config?.Find("add_prefix_space")?.Flag() ?? false);
        json.WriteBoolean("use_regex", kind != "Qwen2Tokenizer");
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        WriteType(json, "decoder", "ByteLevel");
        if (kind == "RobertaTokenizer")
        {
            WritePostProcessor(json, "RobertaProcessing", NameOf("cls_token", config, specialTokens) ?? "<s>",
                NameOf("sep_token", config, specialTokens) ?? "</s>");
        }
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WritePropertyName("vocab");
        vocabulary.Element.WriteTo(json);
        json.WriteStartArray("merges");
        foreach (string line in FolderFile.ReadText(mergesFile, MostBytes).Split('\n').Select(line => line.TrimEnd('\r')))
        {
            if (line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)) json.WriteStringValue(line);
        }
        json.WriteEndArray();
        json.WriteEndObject();
        string[] usual = kind == "RobertaTokenizer" ? ["<s>", "</s>", "<unk>", "<pad>", "<mask>"] : ["<|endoftext|>"];
        WriteAdded(json, [.. SpecialNames.Select(name => NameOf(name, config, specialTokens)).OfType<string>(), .. usual],
            token => vocabulary.Element.TryGetProperty(token, out JsonElement id) && id.TryGetInt32(out int number) ? number : null,
            leftStripped: kind == "RobertaTokenizer" ? NameOf("mask_token", config, specialTokens) ?? "<mask>" : null);
    }

    /// <summary>Special tokens that the vocabulary has.</summary>
    private static void WriteAdded(Utf8JsonWriter json, IEnumerable<string> tokens, Func<string, int?> idOf, string? leftStripped)
    {
        json.WriteStartArray("added_tokens");
        foreach (string token in tokens.Where(token => token.Length > 0).Distinct())
        {
            if (idOf(token) is not { } id) continue;
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", token);
            json.WriteBoolean("special", true);
            json.WriteBoolean("lstrip", token == leftStripped);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>The tokens that begin and end a text.</summary>
    private static void WritePostProcessor(Utf8JsonWriter json, string type, string cls, string separator)
    {
        json.WriteStartObject("post_processor");
        json.WriteString("type", type);
        json.WriteArray("cls", [cls], json.WriteStringValue);
        json.WriteArray("sep", [separator], json.WriteStringValue);
        json.WriteEndObject();
    }

    private static void WriteType(Utf8JsonWriter json, string field, string type)
    {
        json.WriteStartObject(field);
        json.WriteString("type", type);
        json.WriteEndObject();
    }

    /// <summary>The text of a special token that a file names: a text, or an object with it.</summary>
    private static string? NameOf(string name, JsonPart? config, JsonPart? specialTokens) =>
        (config?.Find(name) ?? specialTokens?.Find(name)) is not { } named ? null
            : named.Element.ValueKind == JsonValueKind.Object ? named.Require("content").Text() : named.Text();
}
