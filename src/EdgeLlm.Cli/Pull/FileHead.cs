using System.Text;

namespace EdgeLlm.Cli.Pull;

/// <summary>Detects by an answer's first bytes that it is not the file asked for.</summary>
internal static class FileHead
{
    /// <summary>Bytes that are enough to tell.</summary>
    public const int Length = 64;

    private static readonly string[] PageStarts = ["<!doctype", "<html", "<head", "<!--"];

    /// <summary>Whether an answer is HTML, by its media type or by its first bytes.</summary>
    public static bool IsWebPage(string? mediaType, ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("GGUF"u8)) return false;
        if (mediaType is not null && mediaType.Contains("html", StringComparison.OrdinalIgnoreCase)) return true;
        if (head.StartsWith("\ufeff"u8)) head = head[3..];
        string text = Encoding.ASCII.GetString(head[..Math.Min(head.Length, Length)]).TrimStart();
        return PageStarts.Any(start => text.StartsWith(start, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Whether a file only names another in Git's large-file storage (git-lfs, docs/spec.md).</summary>
    public static bool IsPointer(ReadOnlySpan<byte> head) => head.StartsWith("version https://git-lfs.github.com/"u8);
}
