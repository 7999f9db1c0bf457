using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Terminal;

/// <summary>
/// History of earlier conversations' lines, for the Up key: the last 1,000, in a file that only its owner can read. An entry is a line, its
/// own line ends and backslashes written as \n and \\.
/// </summary>
internal sealed class LineHistory
{
    public const int MostLines = 1000;

    // A pasted book is not worth keeping.
    private const int LongestLine = 10_000;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private string? _path;
    private readonly List<string> _lines;

    /// <param name="path">The file; null: nothing is read or kept.</param>
    public LineHistory(string? path)
    {
        _path = path;
        _lines = ReadFile();
    }

    /// <summary>`history` in the user's state folder.</summary>
    public static string UsualPath => StateFolder.FileNamed("history");

    public IReadOnlyList<string> Lines => _lines;

    /// <summary>Keeps later entries in the file, or for this conversation only.</summary>
    /// <param name="path">The file; null: none.</param>
    public void KeepIn(string? path) => _path = path;

    /// <summary>Keeps an entry, unless it repeats the last one. Where the file can't be written, for this conversation only.</summary>
    public void Add(string text)
    {
        if (text.Length is 0 or > LongestLine || (_lines.Count > 0 && _lines[^1] == text)) return;
        _lines.Add(text);
        if (_path is null) return;
        try
        {
            // Another conversation may have written meanwhile.
            string[] lines = [.. ReadFile(), text];
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            AtomicFile.Write(_path, file =>
            {
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
                file.Write(Encoding.UTF8.GetBytes(string.Concat(lines.TakeLast(MostLines).Select(line => Escape(line) + "\n"))));
            }, waitsForDisk: false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A home that can't be written, or another conversation that writes just now.
        }
    }

    private List<string> ReadFile()
    {
        if (_path is null || !File.Exists(_path)) return [];
        try
        {
            string text = InputFile.ReadText(_path, InputFile.MostSettingsBytes);
            return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Unescape).TakeLast(MostLines)];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static string Escape(string text) =>
        text.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);

    private static string Unescape(string line)
    {
        if (!line.Contains('\\')) return Clean(line);
        var text = new StringBuilder(line.Length);
        for (int i = 0; i < line.Length; i++)
        {
            bool escaped = line[i] == '\\' && i + 1 < line.Length;
            text.Append(!escaped ? line[i] : line[++i] == 'n' ? '\n' : line[i]);
        }
        return Clean(text.ToString());
    }

    /// <summary>A file that somebody else wrote can't move the cursor.</summary>
    private static string Clean(string text) =>
        text.Any(c => char.IsControl(c) && c is not ('\n' or '\t'))
            ? string.Concat(text.Where(c => !char.IsControl(c) || c is '\n' or '\t')) : text;
}
