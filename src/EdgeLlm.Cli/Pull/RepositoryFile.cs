using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>A file of a repository.</summary>
/// <param name="Path">With `/` between folders.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">
/// In lower-case hexadecimal; null where the repository states none (files that are not in its large-file storage).
/// </param>
internal sealed partial record RepositoryFile(string Path, long Size, string? Sha256)
{
    private const int LongestName = 200; // bytes: file systems take 255, endings included

    /// <summary>The name under which it is stored: without its folders.</summary>
    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    /// <summary>
    /// Whether the whole path stays below any folder that it is put into, on any system, and its name is one that a person can read and
    /// a command line take. `%` could be a dot or slash to whatever decodes it once more.
    /// </summary>
    public bool IsSafe => Path.Split('/').All(IsSafePart) && Encoding.UTF8.GetByteCount(Name) <= LongestName && Name[0] != '-';

    /// <exception cref="PullException">The path is made to leave the folder.</exception>
    public void RequireSafe(string repository)
    {
        if (IsSafe) return;
        string path = Printable.Line(Path, 80);
        throw new PullException($"{repository} lists a file '{path}', a name that could leave the folder of models or mislead: refused");
    }

    private static bool IsSafePart(string part) =>
        StoredModel.IsName(part) && part[0] != ' ' && part[^1] is not ('.' or ' ')
        && part.IndexOfAny(['<', '>', '"', '|', '?', '*', '%']) < 0 && !part.EnumerateRunes().Any(IsHidden) && !Device().IsMatch(part);

    // Such characters move the cursor or turn the direction of text. (A lone surrogate, which no UTF-8 name has, comes as U+FFFD.)
    private static bool IsHidden(Rune rune) => rune == Rune.ReplacementChar || Rune.GetUnicodeCategory(rune) is
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    /// <summary>Names that Windows takes for devices, whatever is after their first dot.</summary>
    [GeneratedRegex(@"^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(?:\.|\z)", RegexOptions.IgnoreCase)]
    private static partial Regex Device();
}
