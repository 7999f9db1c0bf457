using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using EdgeLlm.Cli.Terminal;

namespace EdgeLlm.Cli.Tests.Terminal;

/// <summary>
/// A terminal of a given size that shows what is written to it: as much of VT100 as the editor uses, with the automatic margin of xterm.
/// </summary>
internal sealed partial class VirtualScreen(int columns, int height) : TextWriter
{
    private readonly List<List<string>> _rows = [[]]; // [row][column]; a wide character has an empty cell after it
    private int _row, _column, _top;
    private bool _wrapsNext;

    public override Encoding Encoding => Encoding.UTF8;

    public bool TakesBracketedPaste { get; private set; }

    /// <summary>Rows on the screen, without spaces at their ends; empty ones at the end are left out.</summary>
    public string[] Visible => Trim(_rows.Skip(_top));

    /// <summary>All rows that were ever there.</summary>
    public string[] All => Trim(_rows);

    /// <summary>Row and column of the cursor, on the screen.</summary>
    public (int Row, int Column) Cursor => (_row - _top, _wrapsNext ? columns : _column);

    public override void Write(char value) => Write(value.ToString());

    public override void Write(string? text)
    {
        for (int place = 0; place < text!.Length;)
        {
            if (text[place] == '\e')
            {
                Match sequence = Sequence().Match(text, place);
                Assert.True(sequence.Success && sequence.Index == place, $"an unknown sequence: {Printable.Line(text[place..])}");
                Do(sequence.Groups[1].Value, sequence.Groups[2].Value[0]);
                place += sequence.Length;
                continue;
            }
            int length = StringInfo.GetNextTextElementLength(text.AsSpan(place));
            string character = text.Substring(place, length);
            place += length;
            switch (character)
            {
                case "\r":
                    (_column, _wrapsNext) = (0, false);
                    break;
                case "\n" or "\r\n": // the terminal's driver puts a carriage return before it
                    NextRow();
                    break;
                default:
                    Put(character);
                    break;
            }
        }
    }

    private void Put(string character)
    {
        Assert.DoesNotContain(character, char.IsControl);
        int width = ScreenText.WidthOf(character);
        if (_wrapsNext || _column + width > columns) NextRow();
        List<string> row = _rows[_row];
        while (row.Count < _column + width) row.Add(" ");
        row[_column] = character;
        for (int i = 1; i < width; i++) row[_column + i] = "";
        _column += width;
        if (_column >= columns) (_column, _wrapsNext) = (columns - 1, true);
    }

    private void NextRow()
    {
        (_column, _wrapsNext) = (0, false);
        if (++_row == _rows.Count) _rows.Add([]);
        _top = Math.Max(_top, _row - height + 1);
    }

    private void Do(string argument, char command)
    {
        int count = int.TryParse(argument, out int number) ? number : 1;
        _wrapsNext = false;
        switch (command)
        {
            case 'A': _row = Math.Max(_top, _row - count); break;
            case 'B': _row = Math.Min(_top + height - 1, _row + count); break;
            case 'C': _column = Math.Min(columns - 1, _column + count); break;
            case 'H': (_row, _column) = (_top, 0); break;
            case 'J' when argument == "2": _rows.RemoveRange(_top, _rows.Count - _top); break;
            case 'J':
                _rows.RemoveRange(_row + 1, _rows.Count - _row - 1);
                if (_rows[_row].Count > _column) _rows[_row].RemoveRange(_column, _rows[_row].Count - _column);
                break;
            case 'h': TakesBracketedPaste = argument == "?2004"; break;
            case 'l': TakesBracketedPaste &= argument != "?2004"; break;
            default: Assert.Fail($"an unknown sequence: {argument}{command}"); break;
        }
        while (_rows.Count <= _row) _rows.Add([]);
    }

    private static string[] Trim(IEnumerable<List<string>> rows)
    {
        List<string> texts = [.. rows.Select(row => string.Concat(row).TrimEnd())];
        while (texts.Count > 0 && texts[^1].Length == 0) texts.RemoveAt(texts.Count - 1);
        return [.. texts];
    }

    [GeneratedRegex(@"\e\[([?0-9;]*)([A-Za-z])")]
    private static partial Regex Sequence();
}
