using System.Text;
using System.Text.Unicode;
using EdgeLlm.Files;

namespace EdgeLlm.HuggingFace;

/// <summary>Small files of a folder, read whole.</summary>
internal static class FolderFile
{
    /// <exception cref="ModelException">It has more bytes than it may.</exception>
    public static byte[] Read(string file, int mostBytes)
    {
        using FileStream stream = InputFile.Open(file);
        return InputFile.ReadAtMost(stream, mostBytes)
            ?? throw new ModelException(file, $"has more than the {mostBytes} bytes that such a file may have");
    }

    /// <exception cref="ModelException">It is not UTF-8, or too long.</exception>
    public static string ReadText(string file, int mostBytes)
    {
        byte[] bytes = Read(file, mostBytes);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw new ModelException(file, "is not valid UTF-8");
    }

    /// <summary>A name as messages have it: without control characters, and cut where it is long.</summary>
    public static string Printable(string name)
    {
        string shown = name.Length <= 100 ? name : name[..100] + "...";
        return string.Concat(shown.Select(letter => char.IsControl(letter) ? '?' : letter));
    }
}
