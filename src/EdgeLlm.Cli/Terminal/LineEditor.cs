using System.Text;

namespace EdgeLlm.Cli.Terminal;

/// <summary>
/// A line editor for a terminal: the keys of readline(3), history with Ctrl-R, Tab, bracketed paste, several lines, wide characters, a text
/// that is longer than the screen. What is shown is drawn anew from the prompt on with each key, but for a character that is typed at the
/// end.
/// </summary>
/// <param name="keys">Where keys come from.</param>
/// <param name="output">The terminal.</param>
/// <param name="size">Columns and rows of the terminal.</param>
internal sealed class LineEditor(KeyReader keys, TextWriter output, LineHistory history, Func<(int Columns, int Rows)> size)
{
    private const string PasteOn = "\e[?2004h", PasteOff = "\e[?2004l", ClearBelow = "\e[J", ClearAll = "\e[H\e[2J";

    private readonly Lock _turn = new();
    private LineBuffer _buffer = new();
    private (string First, string Next) _prompt;
    private ScreenText? _shown; // null: nothing is being edited
    private int _top; // the first of the shown rows that is on the screen
    private int _place; // in the history
    private string _draft = "";
    private HistorySearch? _search; // null: none is going on

    /// <summary>The texts by which Tab may replace the text before the cursor.</summary>
    public Func<string, IReadOnlyList<string>> Completions { get; set; } = static _ => [];

    /// <summary>Current line, or the last one.</summary>
    internal LineBuffer Buffer => _buffer;

    /// <summary>Lets somebody type. Enter ends it, Ctrl-C and, at an empty text, Ctrl-D.</summary>
    /// <param name="suspend">What Ctrl-Z does: stops the program and returns when it continues.</param>
    public LineEntry Read(string prompt, string continuation, Action suspend)
    {
        lock (_turn)
        {
            (_buffer, _prompt, _place, _draft, _search) = (new LineBuffer(), (prompt, continuation), history.Lines.Count, "", null);
            output.Write(PasteOn);
            Draw();
        }
        while (true)
        {
            Key? key = keys.Read();
            lock (_turn)
            {
                if (key is null) return End(new LineEntry(LineEnd.EndOfInput, ""));
                if (!Search(key.Value) && Apply(key.Value, suspend) is { } entry) return entry;
                Draw();
            }
        }
    }

    /// <summary>Does what a key says; gives the entry that it ends.</summary>
    private LineEntry? Apply(Key key, Action suspend)
    {
        switch (key.Kind)
        {
            case KeyKind.Enter:
                return End(new LineEntry(LineEnd.Line, _buffer.Text));
            case KeyKind.Interrupt:
                return End(new LineEntry(LineEnd.Interrupt, _buffer.Text), "^C");
            case KeyKind.EndOfInput when _buffer.Text.Length == 0:
                return End(new LineEntry(LineEnd.EndOfInput, ""));
            case KeyKind.EndOfInput:
                _buffer.Apply(new Key(KeyKind.Delete));
                break;
            case KeyKind.Up:
                if (!_buffer.MoveLine(up: true)) Recall(_place - 1);
                break;
            case KeyKind.Down:
                if (!_buffer.MoveLine(up: false)) Recall(_place + 1);
                break;
            case KeyKind.Complete:
                Complete();
                break;
            case KeyKind.ClearScreen:
                output.Write(ClearAll);
                (_shown, _top) = (null, 0);
                break;
            case KeyKind.Suspend:
                Leave();
                output.Write(PasteOff);
                suspend();
                output.Write(PasteOn);
                break;
            default:
                _buffer.Apply(key);
                break;
        }
        return null;
    }

    /// <summary>Begins, continues or ends a search of the history; whether that is all that the key does.</summary>
    private bool Search(Key key)
    {
        if (_search is null && key.Kind != KeyKind.Search) return false;
        if (_search is null && _place == history.Lines.Count) _draft = _buffer.Text;
        _search ??= new HistorySearch(history.Lines, _buffer.Text);
        bool isAll = _search.Apply(key);
        if (_buffer.Text != _search.Text) _buffer.Set(_search.Text);
        if (!_search.HasEnded) return isAll;
        if (_search.Place < history.Lines.Count) _place = _search.Place; // Up goes on from there
        _search = null;
        if (!isAll) Draw(fully: true); // with the usual prompt, in case the key leaves it so
        return isAll;
    }

    /// <summary>Tab: what is certain of the completions is written, and where nothing is, they are listed.</summary>
    private void Complete()
    {
        string typed = _buffer.Text[.._buffer.Cursor];
        IReadOnlyList<string> texts = Completions(typed);
        if (texts.Count == 0) return;
        string common = texts.Aggregate(static (a, b) => a[..a.AsSpan().CommonPrefixLength(b)]);
        if (common.Length > typed.Length || texts.Count == 1)
        {
            _buffer.ReplaceBefore(common);
            return;
        }
        Leave();
        var list = new WordWrap(output, () => size().Columns);
        list.Write(string.Join("  ", texts.Select(text => text.TrimEnd()[(typed.LastIndexOf(' ') + 1)..])) + "\n");
        list.End();
    }

    /// <summary>Draws again, on a screen of another size or after another program used it.</summary>
    public void Redraw(bool sameScreen)
    {
        lock (_turn)
        {
            if (_shown is null) return;
            // A terminal that changes its width breaks the rows anew; the cursor stays with its character.
            _shown = sameScreen ? Layout() : new ScreenText([""], [], 0, 0);
            _top = Math.Min(_top, _shown.CursorRow);
            Draw(fully: true);
        }
    }

    private void Recall(int place)
    {
        if (place < 0 || place > history.Lines.Count) return;
        if (_place == history.Lines.Count) _draft = _buffer.Text;
        _place = place;
        _buffer.Set(place == history.Lines.Count ? _draft : history.Lines[place]);
    }

    private ScreenText Layout() =>
        ScreenText.Of(_search?.Prompt ?? _prompt.First, _prompt.Next, _buffer.Text, _buffer.Cursor, Math.Max(4, size().Columns));

    private void Draw(bool fully = false)
    {
        ScreenText next = Layout();
        int height = Math.Max(1, size().Rows), rows = next.Rows.Count;
        if (!fully && _shown is { } shown && IsTypedAtEnd(shown, next))
        {
            output.Write(next.Rows[^1][shown.Rows[^1].Length..]);
            _shown = next;
            return;
        }
        var text = new StringBuilder();
        if (_shown is not null) text.Append(Up(_shown.CursorRow - _top)).Append('\r').Append(ClearBelow);
        // Of a text that is longer than the screen, the part with the cursor.
        _top = Math.Clamp(_top, Math.Max(0, next.CursorRow - height + 1), next.CursorRow);
        _top = Math.Min(_top, Math.Max(0, rows - height));
        int last = Math.Min(rows, _top + height) - 1;
        text.Append(next.Text(_top, last)).Append(Up(last - next.CursorRow)).Append('\r');
        if (next.CursorColumn > 0) text.Append($"\e[{next.CursorColumn}C");
        output.Write(text.ToString());
        _shown = next;
    }

    /// <summary>Whether the only difference is more text at the end of the last row.</summary>
    private static bool IsTypedAtEnd(ScreenText shown, ScreenText next) =>
        shown.Ends.SequenceEqual(next.Ends) && shown.CursorRow == shown.Rows.Count - 1 && next.CursorRow == next.Rows.Count - 1
        && shown.CursorColumn == ScreenText.WidthOf(shown.Rows[^1]) && next.CursorColumn == ScreenText.WidthOf(next.Rows[^1])
        && next.Rows[^1].Length > shown.Rows[^1].Length && next.Rows[^1].StartsWith(shown.Rows[^1], StringComparison.Ordinal);

    private LineEntry End(LineEntry entry, string mark = "")
    {
        Leave(mark);
        output.Write(PasteOff);
        return entry;
    }

    /// <summary>Leaves the whole text on the screen and goes to the row after it.</summary>
    private void Leave(string mark = "")
    {
        if (_shown is { } shown)
        {
            bool isCut = shown.Rows.Count > size().Rows;
            if (isCut) output.Write($"{Up(shown.CursorRow - _top)}\r{ClearBelow}{shown.Text(0, shown.Rows.Count - 1)}{mark}\n");
            else output.Write($"{Down(shown.Rows.Count - 1 - shown.CursorRow)}\r{Right(ScreenText.WidthOf(shown.Rows[^1]))}{mark}\n");
        }
        (_shown, _top) = (null, 0);
    }

    private static string Up(int rows) => rows > 0 ? $"\e[{rows}A" : "";

    private static string Down(int rows) => rows > 0 ? $"\e[{rows}B" : "";

    private static string Right(int columns) => columns > 0 ? $"\e[{columns}C" : "";
}
