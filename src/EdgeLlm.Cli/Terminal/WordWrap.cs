using System.Globalization;
using System.Text;

namespace EdgeLlm.Cli.Terminal;

/// <summary>
/// Breaks lines between words instead of within them, for text that comes piece by piece: a word is written when it has ended. Spaces at a
/// line's beginning stay, those at a break are dropped; characters of two columns may be broken anywhere.
/// </summary>
/// <param name="output">The terminal.</param>
/// <param name="width">Its columns, asked for again with every word.</param>
internal sealed class WordWrap(TextWriter output, Func<int> width)
{
    private const int TabStop = 8;

    private readonly StringBuilder _spaces = new(), _word = new();
    private int _column, _wordWidth;
    private bool _continues; // the word is longer than a line, and its beginning is written

    /// <summary>Writes a piece, but for a word that may continue.</summary>
    public void Write(string text)
    {
        for (int place = 0, length; place < text.Length; place += length)
        {
            length = StringInfo.GetNextTextElementLength(text.AsSpan(place));
            string character = text.Substring(place, length);
            switch (character)
            {
                case "\n" or "\r\n":
                    EndWord();
                    _spaces.Clear();
                    output.Write('\n');
                    _column = 0;
                    break;
                case " " or "\t":
                    EndWord();
                    _spaces.Append(character);
                    break;
                default:
                    int columns = ScreenText.WidthOf(character);
                    bool isTooLong = _wordWidth + columns > width();
                    if (columns > 1 || isTooLong) EndWord();
                    _continues |= isTooLong;
                    _word.Append(character);
                    _wordWidth += columns;
                    if (columns > 1) EndWord();
                    break;
            }
        }
    }

    /// <summary>Writes the word that was held back.</summary>
    public void End()
    {
        EndWord();
        _spaces.Clear();
        output.Flush();
    }

    private void EndWord()
    {
        if (_word.Length == 0) return;
        int columns = width(), after = _column;
        foreach (char space in _spaces.ToString()) after = space == '\t' ? (after / TabStop + 1) * TabStop : after + 1;
        if (after + _wordWidth > columns && _column > 0 && !_continues)
        {
            output.Write('\n');
            _column = 0;
        }
        else
        {
            output.Write(_spaces.ToString());
            _column = after;
        }
        output.Write(_word.ToString());
        _column += _wordWidth;
        if (_continues) _column %= columns; // the terminal breaks it
        _continues = false;
        _spaces.Clear();
        _word.Clear();
        _wordWidth = 0;
    }
}
