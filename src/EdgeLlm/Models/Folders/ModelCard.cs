using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models.Folders;

/// <summary>Name, licence and origin of a folder's model: its own path, and the head of README.md (Hugging Face's model card).</summary>
internal static class ModelCard
{
    private const int MostCardBytes = 4 << 20;
    private const int MostHeadLines = 500;
    private const int MostItems = 50;

    /// <summary>general.name and, where the folder has them, licence and origin.</summary>
    public static IEnumerable<(string Key, GgufValue Value)> Keys(string folder)
    {
        (string name, string? owner, string? commit) = HuggingFaceFolder.NameOf(folder);
        if (owner is not null)
        {
            yield return ("general.organization", GgufValue.Of(owner));
            yield return ("general.source.repo_url", GgufValue.Of($"https://huggingface.co/{owner}/{name}/tree/{commit}"));
        }
        yield return ("general.name", GgufValue.Of(name));
        string card = Path.Combine(folder, "README.md");
        if (!File.Exists(card)) yield break;
        foreach ((string key, GgufValue value) in KeysOf(FolderFile.ReadText(card, MostCardBytes))) yield return (key, value);
    }

    /// <summary>Keys of a card's text: its head is YAML between two lines `---`.</summary>
    public static IEnumerable<(string Key, GgufValue Value)> KeysOf(string card)
    {
        string[] lines = [.. card.TrimStart('\uFEFF').Split('\n').Take(MostHeadLines).Select(line => line.TrimEnd())];
        if (lines[0] != "---") yield break;
        Dictionary<string, List<string>> fields = FieldsOf(lines.Skip(1).TakeWhile(line => line != "---"));
        if (Text("license") is { } licence) yield return ("general.license", GgufValue.Of(licence));
        if (Text("license_name") is { } named) yield return ("general.license.name", GgufValue.Of(named));
        if (Text("license_link") is { } link) yield return ("general.license.link", GgufValue.Of(link));
        foreach ((string field, string key) in new[] { ("base_model", "general.base_model"), ("datasets", "general.dataset") })
        {
            if (!fields.TryGetValue(field, out List<string>? items) || items.Count == 0) continue;
            yield return ($"{key}.count", GgufValue.Of((uint)items.Count));
            for (int i = 0; i < items.Count; i++)
                yield return ($"{key}.{i}.repo_url",
                    GgufValue.Of(field == "datasets" ? $"https://huggingface.co/datasets/{items[i]}"
                        : $"https://huggingface.co/{items[i]}"));
        }

        string? Text(string field) =>
            fields.TryGetValue(field, out List<string>? items) && items.Count > 0 ? string.Join(", ", items) : null;
    }

    /// <summary>Fields of YAML whose values are a text, a list in brackets, or lines that begin with a dash; others are left out.</summary>
    private static Dictionary<string, List<string>> FieldsOf(IEnumerable<string> lines)
    {
        var fields = new Dictionary<string, List<string>>();
        List<string>? at = null;
        foreach (string line in lines)
        {
            if (line.TrimStart().StartsWith("- ", StringComparison.Ordinal) || line.Trim() == "-")
            {
                if (at is { Count: < MostItems } && Plain(line.TrimStart()[1..]) is { Length: > 0 } item) at.Add(item);
                continue;
            }
            at = null;
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || char.IsWhiteSpace(line[0]) || (colon + 1 < line.Length && line[colon + 1] != ' ')) continue;
            string value = line[(colon + 1)..].Trim();
            if (value.IndexOf(" #", StringComparison.Ordinal) is >= 0 and var comment) value = value[..comment].TrimEnd();
            at = fields[line[..colon]] = [];
            if (value is ['[', .., ']']) at.AddRange(value[1..^1].Split(',').Take(MostItems).Select(Plain).Where(item => item.Length > 0));
            else if (Plain(value) is { Length: > 0 } text) at.Add(text);
        }
        return fields;
    }

    private static string Plain(string text) => text.Trim().Trim('"', '\'').Trim();
}
