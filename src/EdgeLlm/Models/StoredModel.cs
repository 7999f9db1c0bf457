using System.Text.RegularExpressions;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models;

/// <summary>The folder that a model is in.</summary>
public enum ModelPlace
{
    /// <summary>The user's folder.</summary>
    User,

    /// <summary>The folder that all users read.</summary>
    System,

    /// <summary>The program's folder.</summary>
    Program,
}

/// <summary>A model on this machine: one file, or all that are there of one that is split.</summary>
/// <param name="Name">The file's name without `.gguf`, and without the number where it is split.</param>
/// <param name="Place">The folder that it is in.</param>
/// <param name="Files">Full paths, in order.</param>
public sealed partial record StoredModel(string Name, ModelPlace Place, IReadOnlyList<string> Files)
{
    internal const string Extension = ".gguf";

    /// <summary>The file to open: the first.</summary>
    public string Path => Files[0];

    /// <summary>Bytes of its files, of those that links lead to.</summary>
    public long Size => Files.Select(Target).Where(file => file.Exists).Sum(file => file.Length);

    /// <summary>When the last of its files was written.</summary>
    public DateTime Modified => Files.Max(file => Target(file).LastWriteTimeUtc);

    /// <summary>Whether its files are only links to files elsewhere.</summary>
    public bool IsLink => Files.All(file => new FileInfo(file).LinkTarget is not null);

    /// <summary>Whether a text can name a model: a file name, not a path.</summary>
    internal static bool IsName(string text) =>
        text.Length > 0 && text[0] != '.' && text.AsSpan().IndexOfAny('/', '\\', ':') < 0 && !text.Any(char.IsControl);

    /// <summary>The name of the model that a file is, or is a part of, or that a folder has.</summary>
    internal static string NameOf(string path)
    {
        if (Directory.Exists(path)) return HuggingFaceFolder.NameOf(path).Name;
        string name = System.IO.Path.GetFileNameWithoutExtension(path);
        return SplitNumber().Match(name) is { Success: true } split ? name[..split.Index] : name;
    }

    /// <summary>The file itself, through links; a link that leads nowhere, itself.</summary>
    private static FileInfo Target(string path)
    {
        var file = new FileInfo(path);
        try
        {
            return file.LinkTarget is null ? file : (FileInfo)file.ResolveLinkTarget(returnFinalTarget: true)!;
        }
        catch (IOException)
        {
            return file; // links in a circle
        }
    }

    /// <summary>llama.cpp's numbering of a split file: `-00001-of-00003`.</summary>
    [GeneratedRegex("-[0-9]{5}-of-[0-9]{5}$")]
    private static partial Regex SplitNumber();
}
