using System.Globalization;

namespace EdgeLlm.Cli.Terminal;

/// <summary>The search of Ctrl-R: the latest earlier line that has what is typed in it, in small or capital letters.</summary>
/// <param name="lines">The earlier lines, the oldest first.</param>
/// <param name="draft">The text that was being typed, which Ctrl-G brings back.</param>
internal sealed class HistorySearch(IReadOnlyList<string> lines, string draft)
{
    private readonly string _draft = draft;
    private string _sought = "";
    private bool _isFound = true;

    /// <summary>The line that was found, or the draft.</summary>
    public string Text { get; private set; } = draft;

    /// <summary>Its place among the lines; their number for the draft.</summary>
    public int Place { get; private set; } = lines.Count;

    public string Prompt => $"({(_isFound ? "search" : "not found")}: {_sought}) ";

    public bool HasEnded { get; private set; }

    /// <summary>
    /// Does what a key says: text and Backspace change what is sought, Ctrl-R goes to the line before, Ctrl-G gives up. Every other key
    /// ends the search.
    /// </summary>
    /// <returns>Whether the key was the search's; another has to be done by the editor.</returns>
    public bool Apply(Key key)
    {
        switch (key.Kind)
        {
            case KeyKind.Text:
                _sought += key.Text;
                Find(Place);
                return true;
            case KeyKind.Backspace:
                _sought = StringInfo.ParseCombiningCharacters(_sought) is [.., var last] ? _sought[..last] : "";
                Find(lines.Count);
                return true;
            case KeyKind.Search:
                Find(Place - 1);
                return true;
            case KeyKind.Cancel:
                (Text, Place, HasEnded) = (_draft, lines.Count, true);
                return true;
            default:
                HasEnded = true;
                return false;
        }
    }

    private void Find(int from)
    {
        _isFound = true;
        if (_sought.Length == 0)
        {
            (Text, Place) = (_draft, lines.Count);
            return;
        }
        for (int place = Math.Min(from, lines.Count - 1); place >= 0; place--)
        {
            bool isAnother = place == Place || lines[place] != Text; // Ctrl-R shows no line twice in a row
            if (!isAnother || !lines[place].Contains(_sought, StringComparison.OrdinalIgnoreCase)) continue;
            (Text, Place) = (lines[place], place);
            return;
        }
        _isFound = false;
    }
}
