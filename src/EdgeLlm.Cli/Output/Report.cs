using Spectre.Console;

namespace EdgeLlm.Cli.Output;

/// <summary>
/// Headings, labelled values and tables: for a person on a terminal in colour and fitted to its width, elsewhere as aligned plain text.
/// </summary>
internal sealed class Report
{
    private readonly IAnsiConsole? _console;

    public Report()
    {
        if (StandardStreams.HasPersonOut())
            _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
    }

    public void Line(string text = "")
    {
        if (_console is null) Console.WriteLine(text);
        else _console.WriteLine(text);
    }

    /// <summary>Lines with a given number of spaces before each.</summary>
    public void Paragraph(string text, int indent)
    {
        if (_console is null) Console.WriteLine(new string(' ', indent) + text);
        else _console.Write(new Padder(new Text(text), new Padding(indent, 0, 0, 0)));
    }

    public void Heading(string text)
    {
        if (_console is null) Console.WriteLine(text);
        else _console.Write(new Text(text + "\n", new Style(decoration: Decoration.Bold)));
    }

    /// <summary>A label and its value a line.</summary>
    public void Fields(IEnumerable<(string Label, string Value)> fields)
    {
        string[][] rows = [.. fields.Select(field => new[] { field.Label, field.Value })];
        if (_console is null) WritePlain(rows, rightAligned: []);
        else WriteGrid(rows, rightAligned: [], headings: null);
    }

    /// <summary>Rows under headings; the columns numbered in <paramref name="rightAligned"/> hold numbers.</summary>
    public void Table(string[] headings, IEnumerable<string[]> rows, params int[] rightAligned)
    {
        if (_console is null) WritePlain([headings, .. rows], rightAligned);
        else WriteGrid([.. rows], rightAligned, headings);
    }

    private static void WritePlain(string[][] rows, int[] rightAligned)
    {
        if (rows.Length == 0) return;
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
        {
            IEnumerable<string> cells =
                row.Select((cell, column) => rightAligned.Contains(column) ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]));
            Console.WriteLine(("  " + string.Join("  ", cells)).TrimEnd());
        }
    }

    private void WriteGrid(string[][] rows, int[] rightAligned, string[]? headings)
    {
        var grid = new Grid();
        int columns = headings?.Length ?? (rows.Length == 0 ? 0 : rows[0].Length);
        for (int column = 0; column < columns; column++)
        {
            var style = new GridColumn { Padding = new Padding(2, 0, 0, 0), NoWrap = column == 0 || rightAligned.Contains(column) };
            grid.AddColumn(rightAligned.Contains(column) ? style.RightAligned() : style);
        }
        if (headings is not null) grid.AddRow([.. headings.Select(heading => new Text(heading, new Style(Color.Grey)))]);
        // The first column of a list without headings holds its labels.
        foreach (string[] row in rows)
            grid.AddRow([.. row.Select((cell, column) => new Text(cell, headings is null && column == 0 ? new Style(Color.Grey) : null))]);
        _console!.Write(grid);
    }
}
