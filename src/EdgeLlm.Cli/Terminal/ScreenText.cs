using System.Globalization;
using System.Text;
using Spectre.Console.Rendering;

namespace EdgeLlm.Cli.Terminal;

/// <summary>A prompt and the text after it as the rows of a screen, and where the cursor is among them.</summary>
/// <param name="Rows">What each row shows.</param>
/// <param name="Ends">What is written after each row but the last: a line end, or nothing where the terminal itself goes to the next row,
/// which it takes back when it becomes wider.</param>
internal sealed record ScreenText(IReadOnlyList<string> Rows, IReadOnlyList<string> Ends, int CursorRow, int CursorColumn)
{
    private const int TabColumns = 4;

    /// <param name="prompt">Before the first line.</param>
    /// <param name="continuation">Before the others.</param>
    /// <param name="cursor">Index into <paramref name="text"/>.</param>
    /// <param name="width">Columns of the screen.</param>
    public static ScreenText Of(string prompt, string continuation, string text, int cursor, int width)
    {
        List<string> rows = [], ends = [];
        var row = new StringBuilder(prompt);
        int column = WidthOf(prompt), cursorRow = 0, cursorColumn = 0;
        for (int place = 0; ; place += StringInfo.GetNextTextElementLength(text.AsSpan(place)))
        {
            string character = place < text.Length ? text.Substring(place, StringInfo.GetNextTextElementLength(text.AsSpan(place))) : "";
            bool endsLine = character is "\n" or "\r\n";
            if (character == "\t") character = new string(' ', TabColumns);
            int columns = endsLine ? 0 : WidthOf(character);
            // What has no room goes to the next row; so does the cursor after a full one.
            if (column + Math.Max(columns, place == cursor ? 1 : 0) > width)
            {
                rows.Add(row.ToString());
                ends.Add(columns == 0 ? "\n" : "");
                row.Clear();
                column = 0;
            }
            if (place == cursor) (cursorRow, cursorColumn) = (rows.Count, column);
            if (place >= text.Length) break;
            if (endsLine)
            {
                rows.Add(row.ToString());
                ends.Add("\n");
                row.Clear().Append(continuation);
                column = WidthOf(continuation);
            }
            else
            {
                row.Append(character);
                column += columns;
            }
        }
        rows.Add(row.ToString());
        return new ScreenText(rows, ends, cursorRow, cursorColumn);
    }

    /// <summary>The rows from <paramref name="first"/> to <paramref name="last"/>, as a terminal takes them.</summary>
    public string Text(int first, int last) =>
        string.Concat(Enumerable.Range(first, last - first + 1).Select(row => Rows[row] + (row < last ? Ends[row] : "")));

    /// <summary>Columns that a text of one line takes: 2 for a wide character (CJK, emoji), 0 for a combining one.</summary>
    public static int WidthOf(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~')) return text.Length;
        int columns = 0;
        for (int place = 0, length; place < text.Length; place += length)
        {
            length = StringInfo.GetNextTextElementLength(text.AsSpan(place));
            columns += Math.Min(2, new Segment(text.Substring(place, length)).CellCount());
        }
        return columns;
    }
}
