using System.Globalization;

namespace EdgeLlm.Cli.Terminal;

/// <summary>
/// The text that is being typed, which may have several lines, and the place where the next key goes. Places are between characters as
/// people see them.
/// </summary>
internal sealed class LineBuffer
{
    private string _killed = "";

    public string Text { get; private set; } = "";

    /// <summary>Index into <see cref="Text"/>.</summary>
    public int Cursor { get; private set; }

    public void Set(string text) => (Text, Cursor) = (text, text.Length);

    public void Insert(string text) => (Text, Cursor) = (Text.Insert(Cursor, text), Cursor + text.Length);

    /// <summary>Puts a text in the place of what is before the cursor.</summary>
    public void ReplaceBefore(string text) => (Text, Cursor) = (text + Text[Cursor..], text.Length);

    /// <summary>Does what a key says; false where the key is none that edits or moves.</summary>
    public bool Apply(Key key)
    {
        switch (key.Kind)
        {
            case KeyKind.Text or KeyKind.Paste: Insert(key.Text); break;
            case KeyKind.NewLine: Insert("\n"); break;
            case KeyKind.Backspace: Remove(Before(Cursor), Cursor); break;
            case KeyKind.Delete: Remove(Cursor, After(Cursor)); break;
            case KeyKind.Left: Cursor = Before(Cursor); break;
            case KeyKind.Right: Cursor = After(Cursor); break;
            case KeyKind.WordLeft: Cursor = WordBefore(); break;
            case KeyKind.WordRight: Cursor = WordAfter(); break;
            case KeyKind.Home: Cursor = LineStart(Cursor); break;
            case KeyKind.End: Cursor = LineEnd(Cursor); break;
            case KeyKind.KillToEnd: Kill(Cursor, LineEnd(Cursor) is var end && end > Cursor ? end : After(Cursor)); break;
            case KeyKind.KillToStart: Kill(LineStart(Cursor), Cursor); break;
            case KeyKind.KillWord: Kill(WordBefore(), Cursor); break;
            case KeyKind.KillNextWord: Kill(Cursor, WordAfter()); break;
            case KeyKind.Yank: Insert(_killed); break;
            default: return false;
        }
        return true;
    }

    /// <summary>Moves to the line above or below, to the same column; false where there is none.</summary>
    public bool MoveLine(bool up)
    {
        int start = LineStart(Cursor), column = Cursor - start;
        if (up ? start == 0 : LineEnd(Cursor) == Text.Length) return false;
        int target = up ? LineStart(start - 1) : LineEnd(Cursor) + 1;
        int place = Math.Min(target + column, LineEnd(target));
        Cursor = place == Text.Length ? place : Before(After(place)); // the beginning of a character
        return true;
    }

    private void Remove(int start, int end) => (Text, Cursor) = (Text.Remove(start, end - start), start);

    private void Kill(int start, int end)
    {
        if (end > start) _killed = Text[start..end];
        Remove(start, end);
    }

    private int After(int place) => place + StringInfo.GetNextTextElementLength(Text.AsSpan(place));

    private int Before(int place)
    {
        // Characters are found from a beginning only; a line's is one.
        int start = place > 0 && Text[place - 1] == '\n' ? place - 1 : LineStart(place);
        while (start < place && After(start) < place) start = After(start);
        return start;
    }

    private int LineStart(int place) =>
        Text.LastIndexOf('\n', place - 1 < 0 ? 0 : place - 1) is var at && at >= 0 && at < place ? at + 1 : 0;

    private int LineEnd(int place) => Text.IndexOf('\n', place) is var at && at >= 0 ? at : Text.Length;

    private int WordBefore()
    {
        int place = Cursor;
        while (place > 0 && !char.IsLetterOrDigit(Text[place - 1])) place--;
        while (place > 0 && (char.IsLetterOrDigit(Text[place - 1]) || char.IsSurrogate(Text[place - 1]))) place--;
        return place;
    }

    private int WordAfter()
    {
        int place = Cursor;
        while (place < Text.Length && !char.IsLetterOrDigit(Text[place])) place = After(place);
        while (place < Text.Length && char.IsLetterOrDigit(Text[place])) place = After(place);
        return place;
    }
}
