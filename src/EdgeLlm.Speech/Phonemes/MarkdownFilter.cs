using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Takes the marks out of Markdown that comes character by character: emphasis, headings, lists, quotes, tables, tags, links (their text
/// stays), blocks of code (the word "code" stays). What can't be decided yet is held back, at most some hundred characters.
/// </summary>
internal sealed class MarkdownFilter
{
    private const int MostHeld = 400; // a construct that is longer is none

    private readonly StringBuilder _held = new();
    private bool _lineBegins = true;
    private bool _inTable;
    private string? _fence; // what closes the block of code
    private char _before = '\n'; // character before the held ones

    /// <summary>Takes a character; adds what is plain text to the output.</summary>
    public void Add(char c, StringBuilder plain)
    {
        if (c == '\r') return;
        _held.Append(c);
        Work(plain, final: false);
    }

    /// <summary>Ends the text.</summary>
    public void End(StringBuilder plain) => Work(plain, final: true);

    private void Work(StringBuilder plain, bool final)
    {
        while (_held.Length > 0)
        {
            string held = _held.ToString();
            bool decides = final || held.Length >= MostHeld;
            int used = _fence is not null ? InCode(held, final) : _lineBegins ? AtLineStart(held, decides, plain)
                : Inline(held, decides, plain);
            if (used == 0) return;
            _before = held[used - 1];
            _held.Remove(0, used);
        }
    }

    /// <summary>Lines of a block of code, until its fence; at the end of the text it is closed.</summary>
    private int InCode(string held, bool final)
    {
        int end = held.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0 && !final && held.Length < MostHeld) return 0;
        string line = end < 0 ? held : held[..end];
        if (_lineBegins && line.TrimStart().StartsWith(_fence!, StringComparison.Ordinal)
            && line.AsSpan().Trim().Trim(_fence![0]).Length == 0)
            _fence = null;
        _lineBegins = end >= 0;
        return end < 0 ? held.Length : end + 1;
    }

    private int AtLineStart(string held, bool decides, StringBuilder plain)
    {
        int start = 0;
        while (start < held.Length && held[start] is ' ' or '\t') start++;
        if (start == held.Length) return decides ? Plain(held.Length, plain, held) : 0;
        ReadOnlySpan<char> line = held.AsSpan(start);
        int lineEnd = line.IndexOf('\n');
        bool whole = decides || lineEnd >= 0;
        char c = line[0];
        if (c == '\n')
        {
            plain.Append('\n');
            return start + 1;
        }
        if (c is '`' or '~' && line.Length < 3 && !whole && line.IndexOfAnyExcept(c) < 0) return 0;
        if (c is '`' or '~' && line.Length >= 3 && line[1] == c && line[2] == c)
        {
            if (!whole) return 0; // the language's name
            _fence = new string(c, 3);
            plain.Append("Code.\n\n");
            return lineEnd < 0 ? held.Length : start + lineEnd + 1;
        }
        if (c is '-' or '=' or '*' or '_' or '+' or '|' or ':' && line.IndexOfAnyExcept("-=*_+|: ") < 0 && !whole) return 0;
        ReadOnlySpan<char> body = lineEnd < 0 ? line : line[..lineEnd];
        if (body.Length > 2 && body.IndexOfAnyExcept("-=*_+|: ") < 0)
        {
            if (!_inTable) plain.Append('\n'); // a rule; that below a table's head separates nothing
            return lineEnd < 0 ? held.Length : start + lineEnd + 1;
        }
        int mark = MarkLength(line, whole);
        if (mark < 0) return 0;
        if (mark > 0 && c is not '|')
        {
            if (char.IsAsciiDigit(c)) plain.Append(line[..(line.IndexOfAny('.', ')'))]).Append(", ");
            if (char.IsAsciiDigit(c)) _lineBegins = false;
            return start + mark; // another may follow: a quote's list
        }
        _inTable = c == '|';
        _lineBegins = false;
        if (mark > 0) return start + mark;
        return start > 0 ? Plain(start, plain, held) : Inline(held, decides, plain);
    }

    /// <summary>Length of the mark at a line's start with its space, 0 where there is none, -1 where more has to come.</summary>
    private static int MarkLength(ReadOnlySpan<char> line, bool whole)
    {
        if (line[0] == '|') return line.Length > 1 && line[1] == ' ' ? 2 : line.Length > 1 || whole ? 1 : -1;
        int length = line[0] switch
        {
            '#' => Run(line, '#'),
            '>' => 1,
            '-' or '*' or '+' or '•' => 1,
            _ => 0,
        };
        if (length == 0)
        {
            while (length < line.Length && length < 4 && char.IsAsciiDigit(line[length])) length++;
            if (length == 0) return 0;
            if (length == line.Length) return whole ? 0 : -1;
            if (line[length] is not ('.' or ')')) return 0;
            length++;
        }
        if (line[0] == '>') return length;
        if (length == line.Length) return whole ? 0 : -1;
        if (line[length] is not (' ' or '\t')) return 0;
        length++;
        // A task of a list: its box.
        if (line[0] is '-' or '*' or '+' && length < line.Length && line[length] == '[')
        {
            if (line.Length < length + 4) return whole ? length : -1;
            if (line[length + 1] is ' ' or 'x' or 'X' && line[length + 2] == ']' && line[length + 3] == ' ') return length + 4;
        }
        return length == line.Length && !whole && line[0] is '-' or '*' or '+' ? -1 : length;
    }

    private static int Run(ReadOnlySpan<char> line, char c)
    {
        int count = line.IndexOfAnyExcept(c);
        count = count < 0 ? line.Length : count;
        return count <= 6 ? count : 0;
    }

    private int Inline(string held, bool decides, StringBuilder plain)
    {
        char c = held[0];
        switch (c)
        {
            case '\n':
                _lineBegins = true;
                plain.Append('\n');
                return 1;
            case '`': return InlineCode(held, decides, plain);
            case '[': return Link(held, 0, decides, plain);
            case '!' when held.Length == 1 && !decides: return 0;
            case '!' when held.Length > 1 && held[1] == '[': return Link(held, 1, decides, plain);
            case '<': return Tag(held, decides, plain);
            case '\\' when held.Length == 1 && !decides: return 0;
            case '\\' when held.Length > 1 && char.IsPunctuation(held[1]) || held.Length > 1 && held[1] is '|' or '`' or '~' or '$':
                plain.Append(held[1]);
                return 2;
            case '*' or '_' or '~': return Emphasis(held, decides, plain);
            case '|' when _inTable:
                if (held.Length == 1 && !decides) return 0;
                if (held[^1] == ' ' && !decides) return 0;
                int bar = held.AsSpan(1).IndexOfAnyExcept(' ') + 1;
                if (bar > 0 && held[bar] != '\n') plain.Append(", ");
                return Math.Max(bar, 1);
            case ' ' when _inTable && held.Length == 1 && !decides: return 0;
            case ' ' when _inTable && held.Length > 1 && held[1] is '|' or '\n': return 1;
            default: return Plain(1, plain, held);
        }
    }

    private static int Plain(int count, StringBuilder plain, string held)
    {
        plain.Append(held, 0, count);
        return count;
    }

    /// <summary>Marks of emphasis go; signs between spaces or between letters and digits stay.</summary>
    private int Emphasis(string held, bool decides, StringBuilder plain)
    {
        int run = 1;
        while (run < held.Length && held[run] == held[0]) run++;
        if (run == held.Length && !decides) return 0;
        char after = run < held.Length ? held[run] : '\n';
        bool spaced = char.IsWhiteSpace(_before) && char.IsWhiteSpace(after);
        bool inside = char.IsLetterOrDigit(_before) && char.IsLetterOrDigit(after) && (held[0] != '*' || run == 1 && char.IsDigit(_before));
        bool single = held[0] == '~' && run == 1; // about
        if (spaced || inside || single) return Plain(run, plain, held);
        return run;
    }

    /// <summary>Text between backticks: read where it is words, else "code".</summary>
    private static int InlineCode(string held, bool decides, StringBuilder plain)
    {
        int ticks = 1;
        while (ticks < held.Length && held[ticks] == '`') ticks++;
        if (ticks == held.Length) return decides ? ticks : 0;
        string fence = held[..ticks];
        int end = held.IndexOf(fence, ticks, StringComparison.Ordinal), line = held.IndexOf('\n', StringComparison.Ordinal);
        if (line >= 0 && (end < 0 || line < end)) return ticks; // not closed in its line: no code
        if (end < 0) return decides ? ticks : 0;
        string code = held[ticks..end].Trim();
        bool isWords = code.Length is > 0 and <= 60
            && code.All(static c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '.' or '_' or '/' or '\'');
        plain.Append(isWords ? code : "code");
        return end + ticks;
    }

    /// <summary>`[text](target)`, `![text](target)`, `[text][name]`: the text. `[^1]`: nothing.</summary>
    private static int Link(string held, int open, bool decides, StringBuilder plain)
    {
        int depth = 0, close = -1;
        for (int i = open; i < held.Length && close < 0; i++)
        {
            if (held[i] == '\n' && i + 1 < held.Length && held[i + 1] == '\n') return Plain(open + 1, plain, held);
            if (held[i] == '[') depth++;
            else if (held[i] == ']' && --depth == 0) close = i;
        }
        if (close < 0 || close + 1 == held.Length && !decides) return decides ? Plain(open + 1, plain, held) : 0;
        string text = held[(open + 1)..close];
        if (text.StartsWith('^')) return close + 1;
        char after = close + 1 < held.Length ? held[close + 1] : '\n';
        if (after is not ('(' or '[')) return Plain(open + 1, plain, held);
        int end = TargetEnd(held, close + 1, after == '(' ? ')' : ']');
        if (end < 0) return decides || held.AsSpan(close).Contains('\n') ? Plain(open + 1, plain, held) : 0;
        foreach (char c in text)
        {
            if (c is not ('*' or '`' or '[' or ']' or '!' or '\n')) plain.Append(c);
            else if (c == '\n') plain.Append(' ');
        }
        return end + 1;
    }

    private static int TargetEnd(string held, int open, char close)
    {
        int depth = 0;
        for (int i = open; i < held.Length; i++)
        {
            if (held[i] == held[open]) depth++;
            else if (held[i] == close && --depth == 0) return i;
        }
        return -1;
    }

    /// <summary>`&lt;br&gt;` and other tags go; an address between the signs stays; a smaller-than stays.</summary>
    private static int Tag(string held, bool decides, StringBuilder plain)
    {
        if (held.Length == 1) return decides ? Plain(1, plain, held) : 0;
        if (!char.IsAsciiLetter(held[1]) && held[1] is not ('/' or '!' or '|')) return Plain(1, plain, held);
        int end = held.IndexOf('>', StringComparison.Ordinal), line = held.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0 || line >= 0 && line < end) return decides || line >= 0 || held.Length > 120 ? Plain(1, plain, held) : 0;
        string inside = held[1..end];
        if (inside.Contains("://", StringComparison.Ordinal) || inside.Contains('@', StringComparison.Ordinal)) plain.Append(inside);
        else if (inside.StartsWith("br", StringComparison.OrdinalIgnoreCase)) plain.Append(' ');
        return end + 1;
    }
}
