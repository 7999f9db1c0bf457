using System.Text.RegularExpressions;

namespace EdgeLlm;

/// <summary>Names in command lines that are printed to be typed or pasted.</summary>
internal static partial class ShellWord
{
    /// <summary>A text as one word of a POSIX shell: in single quotes where it has a character that a shell acts on.</summary>
    public static string Quote(string text)
    {
        if (Plain().IsMatch(text)) return text;
        return "'" + text.Replace("'", @"'\''", StringComparison.Ordinal) + "'";
    }

    [GeneratedRegex(@"^[A-Za-z0-9_./:@%+,][A-Za-z0-9_./:@%+,=-]*\z")]
    private static partial Regex Plain();
}
