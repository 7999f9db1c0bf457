using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>A sentence of a text, as it is written.</summary>
/// <param name="Text">The sentence; not empty.</param>
/// <param name="Pause">Pause after it.</param>
public readonly record struct TextSentence(string Text, SpeechPause Pause);

/// <summary>
/// Cuts a text that comes in pieces into sentences: at a full stop and its kin, once the character after the space has come, and at each
/// line's end. How the text came in pieces makes no difference to the cut, and the work grows as the text does.
/// </summary>
public sealed class SentenceSplitter
{
    /// <summary>Most characters of a sentence; a longer one is cut after a clause, else at a space, else anywhere.</summary>
    public const int MostCharacters = 1000;

    private const string Stops = ".!?…", Closers = "\"”’')]»";

    private readonly MarkdownFilter? _markdown;
    private readonly StringBuilder _plain = new();
    private readonly char[] _buffer = new char[3 * MostCharacters];
    private int _count;
    private int _scanned; // no sentence ends before this
    private bool _lineBegins = true; // the buffer begins where a line does

    /// <param name="markdown">Whether the text is Markdown, as models write it: its marks are not read, links by their text, blocks of code
    /// as "code".</param>
    public SentenceSplitter(bool markdown = false) => _markdown = markdown ? new MarkdownFilter() : null;

    /// <summary>Takes more text.</summary>
    /// <returns>Sentences that have ended.</returns>
    public IReadOnlyList<TextSentence> Add(ReadOnlySpan<char> text)
    {
        var sentences = new List<TextSentence>();
        if (_markdown is null)
        {
            AddPlain(text, sentences);
            return sentences;
        }
        foreach (char c in text)
        {
            _markdown.Add(c, _plain);
            if (_plain.Length >= MostCharacters) PassOn(sentences);
        }
        PassOn(sentences);
        return sentences;
    }

    /// <summary>
    /// Ends a sentence whose full stop has come and nothing after it: what a caller does when no text has come for a while.
    /// </summary>
    public IReadOnlyList<TextSentence> Flush()
    {
        var sentences = new List<TextSentence>();
        int end = _count;
        while (end > 0 && char.IsWhiteSpace(_buffer[end - 1])) end--;
        bool hasLineEnd = _buffer.AsSpan(end, _count - end).Contains('\n'); // the next text may go on after anything else
        int stop = end;
        while (stop > 0 && Closers.Contains(_buffer[stop - 1])) stop--;
        if (end > 0 && (hasLineEnd || stop > 0 && Stops.Contains(_buffer[stop - 1]) && IsEnd(stop, end, 'A')))
        {
            Emit(end, _count, hasLineEnd ? PauseAt(end, _count) : SpeechPause.Sentence, sentences);
            _lineBegins = hasLineEnd;
        }
        return sentences;
    }

    /// <summary>Ends the text.</summary>
    /// <returns>The sentences that are left, the last without a pause.</returns>
    public IReadOnlyList<TextSentence> End()
    {
        var sentences = new List<TextSentence>();
        _markdown?.End(_plain);
        PassOn(sentences);
        Cut(sentences, final: true);
        if (sentences.Count > 0) sentences[^1] = sentences[^1] with { Pause = SpeechPause.None };
        return sentences;
    }

    /// <summary>The sentences of a whole text.</summary>
    public static IEnumerable<TextSentence> Split(string text, bool markdown = false)
    {
        var splitter = new SentenceSplitter(markdown);
        TextSentence? last = null; // held back: at the text's end it has no pause
        for (int start = 0; start <= text.Length; start += MostCharacters)
        {
            bool isLast = start + MostCharacters > text.Length;
            IEnumerable<TextSentence> ended = splitter.Add(text.AsSpan(start, Math.Min(MostCharacters, text.Length - start)));
            foreach (TextSentence sentence in isLast ? ended.Concat(splitter.End()) : ended)
            {
                if (last is { } before) yield return before;
                last = sentence;
            }
        }
        if (last is { } end) yield return end with { Pause = SpeechPause.None };
    }

    private void PassOn(List<TextSentence> sentences)
    {
        if (_plain.Length == 0) return;
        string text = _plain.ToString();
        _plain.Clear();
        AddPlain(text, sentences);
    }

    private void AddPlain(ReadOnlySpan<char> text, List<TextSentence> sentences)
    {
        while (text.Length > 0)
        {
            int count = Math.Min(text.Length, _buffer.Length - _count);
            text[..count].CopyTo(_buffer.AsSpan(_count));
            _count += count;
            text = text[count..];
            Cut(sentences, final: false);
        }
    }

    private void Cut(List<TextSentence> sentences, bool final)
    {
        SkipLeadingSpace();
        int i = _scanned;
        while (i < _count)
        {
            if (i >= MostCharacters)
            {
                int end = LengthCut();
                Emit(end, end, SpeechPause.None, sentences);
                _lineBegins = false;
                i = 0;
                continue;
            }
            char c = _buffer[i];
            if (c != '\n' && !Stops.Contains(c))
            {
                i++;
                continue;
            }
            int stop = i;
            while (stop < _count && Stops.Contains(_buffer[stop])) stop++;
            int closed = stop;
            while (closed > i && closed < _count && Closers.Contains(_buffer[closed])) closed++;
            if (closed > MostCharacters)
            {
                i = MostCharacters;
                continue;
            }
            int next = closed;
            while (next < _count && char.IsWhiteSpace(_buffer[next])) next++;
            if (next >= _buffer.Length) next = _buffer.Length; // more space than fits: what it separates has ended
            else if (next == _count && !final) break; // the next character decides
            bool hasLineEnd = _buffer.AsSpan(closed, next - closed).Contains('\n');
            bool ends = next == _count || hasLineEnd || next > closed && IsEnd(stop, closed, _buffer[next]);
            if (!ends)
            {
                i = Math.Max(closed, i + 1);
                continue;
            }
            Emit(closed, next, hasLineEnd ? PauseAt(closed, next) : SpeechPause.Sentence, sentences);
            _lineBegins = hasLineEnd;
            i = 0;
        }
        _scanned = i;
        if (final && _count > 0) Emit(_count, _count, SpeechPause.None, sentences);
    }

    private SpeechPause PauseAt(int start, int end) =>
        _buffer.AsSpan(start, end - start).Count('\n') > 1 ? SpeechPause.Paragraph : SpeechPause.Sentence;

    /// <summary>
    /// Where a sentence that is too long is cut: after its last comma or the like, else at its last space, else at its length.
    /// </summary>
    private int LengthCut()
    {
        int space = 0;
        for (int i = MostCharacters; i > MostCharacters / 4; i--)
        {
            if (!char.IsWhiteSpace(_buffer[i - 1])) continue;
            if (_buffer[i - 2] is ',' or ';' or ':' or '—' or '–') return i;
            if (space == 0) space = i;
        }
        if (space > 0) return space;
        return char.IsHighSurrogate(_buffer[MostCharacters - 1]) ? MostCharacters - 1 : MostCharacters;
    }

    private void SkipLeadingSpace()
    {
        if (_scanned > 0) return; // the buffer begins with a sentence
        int start = 0;
        while (start < _count && char.IsWhiteSpace(_buffer[start])) start++;
        if (start == 0) return;
        _lineBegins |= _buffer.AsSpan(0, start).Contains('\n');
        Remove(start);
    }

    private void Emit(int end, int next, SpeechPause pause, List<TextSentence> sentences)
    {
        string text = new(_buffer.AsSpan(0, end).Trim());
        Remove(next);
        SkipLeadingSpace();
        if (text.Length > 0) sentences.Add(new TextSentence(text, pause));
    }

    private void Remove(int count)
    {
        _buffer.AsSpan(count, _count - count).CopyTo(_buffer);
        _count -= count;
        _scanned = 0;
    }

    /// <summary>Whether a sentence ends after stops that a space follows.</summary>
    /// <param name="stop">Place after the last stop.</param>
    /// <param name="closed">Place after closing quotes and brackets.</param>
    /// <param name="next">Character after the space.</param>
    private bool IsEnd(int stop, int closed, char next)
    {
        if (char.IsLower(next)) return false;
        if (_buffer[stop - 1] != '.') return true;
        if (closed > stop || stop > 1 && Stops.Contains(_buffer[stop - 2])) return true; // closed, or an ellipsis
        int start = stop - 1;
        while (start > 0 && !char.IsWhiteSpace(_buffer[start - 1])) start--;
        ReadOnlySpan<char> word = _buffer.AsSpan(start, stop - 1 - start).TrimStart("(\"“'‘[");
        if (word.Length == 0) return true;
        bool beginsLine = start == 0 && _lineBegins;
        return !Abbreviations.GoesOn(word, next, beginsLine);
    }
}
