using System.Text;

namespace EdgeLlm.Cli.Terminal;

/// <summary>Actions of keys in the editor.</summary>
internal enum KeyKind
{
    Text, Paste, Enter, NewLine, Backspace, Delete, Left, Right, WordLeft, WordRight, Up, Down, Home, End,
    KillToEnd, KillToStart, KillWord, KillNextWord, Yank, Complete, Search, Cancel, ClearScreen, Interrupt, EndOfInput, Suspend, Other,
}

/// <param name="Text">Of <see cref="KeyKind.Text"/> and <see cref="KeyKind.Paste"/>.</param>
internal readonly record struct Key(KeyKind Kind, string Text = "");

/// <summary>
/// Keys out of a terminal's bytes: UTF-8, control characters as in readline(3), the sequences of xterm and its kin, and bracketed paste,
/// whose line ends are text and send nothing.
/// </summary>
/// <param name="nextByte">The next byte, waiting at most that number of milliseconds (-1: for ever); -1 where none comes.</param>
internal sealed class KeyReader(Func<int, int> nextByte)
{
    // A lone Escape is told from a sequence by what follows at once.
    private const int SequenceMilliseconds = 50;
    private const int LongestSequence = 32, LongestPaste = 1 << 24;
    private const int Escape = 27;

    private static readonly byte[] EndOfPaste = "\e[201~"u8.ToArray();

    private int _pushedBack = -1;

    /// <summary>The next key; null when the terminal is gone.</summary>
    public Key? Read()
    {
        int first = Next(-1);
        return first < 0 ? null : first == Escape ? ReadSequence() : first is < ' ' or 127 ? ControlKey(first) : ReadText(first);
    }

    private int Next(int milliseconds)
    {
        if (_pushedBack < 0) return nextByte(milliseconds);
        (int value, _pushedBack) = (_pushedBack, -1);
        return value;
    }

    private static Key ControlKey(int value) => new(value switch
    {
        1 => KeyKind.Home,
        2 => KeyKind.Left,
        3 => KeyKind.Interrupt,
        4 => KeyKind.EndOfInput,
        5 => KeyKind.End,
        6 => KeyKind.Right,
        7 => KeyKind.Cancel,
        8 or 127 => KeyKind.Backspace,
        9 => KeyKind.Complete,
        10 => KeyKind.NewLine,
        11 => KeyKind.KillToEnd,
        12 => KeyKind.ClearScreen,
        13 => KeyKind.Enter,
        14 => KeyKind.Down,
        16 => KeyKind.Up,
        18 => KeyKind.Search,
        21 => KeyKind.KillToStart,
        23 => KeyKind.KillWord,
        25 => KeyKind.Yank,
        26 => KeyKind.Suspend,
        _ => KeyKind.Other,
    });

    /// <summary>Characters, as many as are there already: what is pasted without brackets is shown at once.</summary>
    private Key ReadText(int first)
    {
        List<byte> bytes = [(byte)first];
        int missing = Following(first);
        while (true)
        {
            int next = Next(missing > 0 ? SequenceMilliseconds : 0);
            if (next < 0) break;
            if (next is < ' ' or 127)
            {
                _pushedBack = next;
                break;
            }
            missing = (next & 0xC0) == 0x80 ? missing - 1 : Following(next);
            bytes.Add((byte)next);
        }
        return new Key(KeyKind.Text, Encoding.UTF8.GetString([.. bytes]));
    }

    /// <summary>How many bytes of UTF-8 follow a first one.</summary>
    private static int Following(int first) => first switch { >= 0xF0 => 3, >= 0xE0 => 2, >= 0xC0 => 1, _ => 0 };

    private Key ReadSequence()
    {
        int next = Next(SequenceMilliseconds);
        switch (next)
        {
            case '[' or 'O':
                break;
            case '\r' or '\n':
                return new Key(KeyKind.NewLine); // Alt-Enter
            case 8 or 127:
                return new Key(KeyKind.KillWord);
            case 'b':
                return new Key(KeyKind.WordLeft);
            case 'f':
                return new Key(KeyKind.WordRight);
            case 'd':
                return new Key(KeyKind.KillNextWord);
            default:
                return new Key(KeyKind.Other);
        }
        var sequence = new StringBuilder();
        while (sequence.Length < LongestSequence)
        {
            next = Next(SequenceMilliseconds);
            if (next < 0) return new Key(KeyKind.Other);
            sequence.Append((char)next);
            if (next is >= '@' and <= '~') break; // a final byte
        }
        return sequence.ToString() switch
        {
            "A" => new Key(KeyKind.Up),
            "B" => new Key(KeyKind.Down),
            "C" => new Key(KeyKind.Right),
            "D" => new Key(KeyKind.Left),
            "H" or "1~" or "7~" => new Key(KeyKind.Home),
            "F" or "4~" or "8~" => new Key(KeyKind.End),
            "3~" => new Key(KeyKind.Delete),
            "1;5C" or "1;3C" or "5C" => new Key(KeyKind.WordRight),
            "1;5D" or "1;3D" or "5D" => new Key(KeyKind.WordLeft),
            "3;5~" or "3;3~" => new Key(KeyKind.KillNextWord),
            "200~" => new Key(KeyKind.Paste, ReadPaste()),
            _ => new Key(KeyKind.Other),
        };
    }

    private string ReadPaste()
    {
        var bytes = new List<byte>();
        while (bytes.Count < LongestPaste)
        {
            int next = Next(-1);
            if (next < 0) break;
            bytes.Add((byte)next);
            bool ends = next == '~' && bytes.Count >= EndOfPaste.Length && bytes[^EndOfPaste.Length..].SequenceEqual(EndOfPaste);
            if (!ends) continue;
            bytes.RemoveRange(bytes.Count - EndOfPaste.Length, EndOfPaste.Length);
            break;
        }
        string text = Encoding.UTF8.GetString([.. bytes]).Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return string.Concat(text.Where(c => !char.IsControl(c) || c is '\n' or '\t'));
    }
}
