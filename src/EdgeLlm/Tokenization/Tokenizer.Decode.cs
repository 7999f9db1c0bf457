using System.Buffers;
using System.Globalization;
using System.Text;

namespace EdgeLlm.Tokenization;

public abstract partial class Tokenizer
{
    /// <summary>
    /// Writes the bytes that token <paramref name="id"/> stands for, in the middle of a text. They are UTF-8, but may be a part of a
    /// character only (<see cref="StreamingDetokenizer"/> puts such together).
    /// </summary>
    /// <param name="id">A token; one that is not in the vocabulary writes nothing.</param>
    /// <param name="output">Where the bytes go.</param>
    /// <param name="renderSpecial">Whether control tokens are written as their text; otherwise they write nothing.</param>
    public void Decode(int id, IBufferWriter<byte> output, bool renderSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(output);
        if ((uint)id >= (uint)VocabularySize) return;
        ReadOnlySpan<byte> token = Vocabulary[id];
        switch (Vocabulary.TypeOf(id))
        {
            case TokenType.Control or TokenType.Unknown:
                if (!renderSpecial) break;
                if (SpacesSpecial) output.Write(" "u8);
                DecodeAdded(token, output);
                break;
            case TokenType.UserDefined:
                DecodeAdded(token, output);
                break;
            case TokenType.Byte when ByteOf(token) is { } value:
                output.Write([value]);
                break;
            default:
                DecodeText(token, output);
                break;
        }
    }

    /// <summary>Writes the bytes of a whole text, without the space that encoding put before its first word.</summary>
    public void Decode(ReadOnlySpan<int> ids, IBufferWriter<byte> output, bool renderSpecial = false)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArrayBufferWriter<byte> first = new();
        bool atStart = HasSpacePrefix;
        foreach (int id in ids)
        {
            if (!atStart)
            {
                Decode(id, output, renderSpecial);
                continue;
            }
            Decode(id, first, renderSpecial);
            if (first.WrittenCount == 0) continue;
            output.Write(first.WrittenSpan is [(byte)' ', ..] && (SpacesSpecial || !IsControl(id))
                ? first.WrittenSpan[1..] : first.WrittenSpan);
            atStart = false;
        }
    }

    /// <summary>The text of <paramref name="ids"/>, invalid UTF-8 shown as U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool renderSpecial = false)
    {
        ArrayBufferWriter<byte> bytes = new();
        Decode(ids, bytes, renderSpecial);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <summary>Whether a control token that is written has a space before it, as if it were a word.</summary>
    private protected virtual bool SpacesSpecial => false;

    /// <summary>Writes the bytes that the entry <paramref name="token"/> of a control or user-defined token stands for.</summary>
    private protected virtual void DecodeAdded(ReadOnlySpan<byte> token, IBufferWriter<byte> output) => output.Write(token);

    /// <summary>Writes the bytes that the entry <paramref name="token"/> of an ordinary token stands for.</summary>
    private protected abstract void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output);

    /// <summary>The value of an entry <c>&lt;0xXX&gt;</c>.</summary>
    private static byte? ByteOf(ReadOnlySpan<byte> token) =>
        token is [(byte)'<', (byte)'0', (byte)'x', _, _, (byte)'>']
        && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : null;
}
