using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Quantization.Import;

/// <summary>What a folder says of its model's name, licence and origin: its own path, and the head of README.md (Hugging Face's model card).</summary>
internal static class ModelCard
{
    private const int MostCardBytes = 4 << 20;
    private const int MostHeadLines = 500;

    /// <summary>Sets general.name and, where the folder has them, licence and origin.</summary>
    public static void Write(GgufWriter writer, string folder)
    {
        string[] parts = Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar).Split(Path.DirectorySeparatorChar);
        string name = parts[^1];
        // In Hugging Face's cache a model lies in models--OWNER--NAME/snapshots/COMMIT.
        if (parts is [.., var repository, "snapshots", var commit] && repository.Split("--") is ["models", var owner, var model])
        {
            name = model;
            writer.Set("general.organization", GgufValue.Of(owner));
            writer.Set("general.source.repo_url", GgufValue.Of($"https://huggingface.co/{owner}/{model}/tree/{commit}"));
        }
        writer.Set("general.name", GgufValue.Of(name));

        string card = Path.Combine(folder, "README.md");
        if (!File.Exists(card)) return;
        string[] lines = FolderFile.ReadText(card, MostCardBytes).Split('\n').Take(MostHeadLines).Select(line => line.TrimEnd()).ToArray();
        if (lines[0] != "---") return;
        foreach (string line in lines.Skip(1).TakeWhile(line => line != "---"))
        {
            if (line.Split(": ", 2) is not [var key, var value] || value.Trim() is not { Length: > 0 } text) continue;
            switch (key)
            {
                case "license": writer.Set("general.license", GgufValue.Of(Plain(text))); break;
                case "license_name": writer.Set("general.license.name", GgufValue.Of(Plain(text))); break;
                case "license_link": writer.Set("general.license.link", GgufValue.Of(Plain(text))); break;
                case "base_model":
                    writer.Set("general.base_model.count", GgufValue.Of(1u));
                    writer.Set("general.base_model.0.repo_url", GgufValue.Of("https://huggingface.co/" + Plain(text)));
                    break;
                default: break;
            }
        }
    }

    private static string Plain(string text) => text.Trim('"', '\'');
}
