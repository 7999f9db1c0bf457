using System.Text.Json.Nodes;

namespace EdgeLlm.Tests;

/// <summary>A temporary folder, and copies of golden checkpoints in it to be changed.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("edgellm-import").FullName;

    public string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>A copy of a folder of `golden/logits`, without what is no part of a checkpoint.</summary>
    public string CopyOf(string golden)
    {
        string source = SharedFolder.Require("golden", "logits", golden), copy = PathOf(golden);
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(source)
            .Where(file => !Path.GetFileName(file).StartsWith("expected", StringComparison.Ordinal)
                && !file.EndsWith(".gguf", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)), overwrite: true);
        foreach (string part in Directory.GetDirectories(source))
        {
            Directory.CreateDirectory(Path.Combine(copy, Path.GetFileName(part)));
            foreach (string file in Directory.GetFiles(part))
                File.Copy(file, Path.Combine(copy, Path.GetFileName(part), Path.GetFileName(file)), overwrite: true);
        }
        return copy;
    }

    public static void EditJson(string path, Action<JsonObject> edit)
    {
        JsonObject root = JsonNode.Parse(File.ReadAllBytes(path))!.AsObject();
        edit(root);
        File.WriteAllText(path, root.ToJsonString());
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
