using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models.Folders;

/// <summary>What a folder says of its model's name, licence and origin: its own path, and the head of README.md (Hugging Face's model card).</summary>
internal static class ModelCard
{
    private const int MostCardBytes = 4 << 20;
    private const int MostHeadLines = 500;

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
        string[] lines = FolderFile.ReadText(card, MostCardBytes).Split('\n').Take(MostHeadLines).Select(line => line.TrimEnd()).ToArray();
        if (lines[0] != "---") yield break;
        foreach (string line in lines.Skip(1).TakeWhile(line => line != "---"))
        {
            if (line.Split(": ", 2) is not [var key, var value] || value.Trim() is not { Length: > 0 } text) continue;
            switch (key)
            {
                case "license": yield return ("general.license", GgufValue.Of(Plain(text))); break;
                case "license_name": yield return ("general.license.name", GgufValue.Of(Plain(text))); break;
                case "license_link": yield return ("general.license.link", GgufValue.Of(Plain(text))); break;
                case "base_model":
                    yield return ("general.base_model.count", GgufValue.Of(1u));
                    yield return ("general.base_model.0.repo_url", GgufValue.Of("https://huggingface.co/" + Plain(text)));
                    break;
                default: break;
            }
        }
    }

    private static string Plain(string text) => text.Trim('"', '\'');
}
