using System.Buffers;
using System.Text;

namespace EdgeLlm.Tokenization;

/// <summary>
/// Token ids in, text out, as they come. A character whose bytes are spread over several tokens comes with the last of them; bytes
/// that are not UTF-8 come as U+FFFD. Allocates nothing once its buffers have grown to the longest token.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
/// <param name="renderSpecial">Whether control tokens come as their text; otherwise they give none.</param>
/// <param name="visible">Control tokens that come as their text in any case; null: none.</param>
public sealed class StreamingDetokenizer(Tokenizer tokenizer, bool renderSpecial = false, IReadOnlyList<int>? visible = null)
{
    private readonly int[] _visible = [.. visible ?? []];
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly ArrayBufferWriter<byte> _bytes = new(64);
    private char[] _characters = new char[64];

    /// <summary>The text that token <paramref name="id"/> completes, often none; valid until the next call.</summary>
    public ReadOnlySpan<char> Add(int id)
    {
        _bytes.ResetWrittenCount();
        tokenizer.Decode(id, _bytes, renderSpecial || Array.IndexOf(_visible, id) >= 0);
        return Convert(flush: false);
    }

    /// <summary>At the end: U+FFFD for a character that was begun and not completed, or nothing. After it a new text can follow.</summary>
    public ReadOnlySpan<char> Flush()
    {
        _bytes.ResetWrittenCount();
        return Convert(flush: true);
    }

    private ReadOnlySpan<char> Convert(bool flush)
    {
        // Up to three bytes may be held back from before; no byte gives more than one UTF-16 unit.
        int needed = _bytes.WrittenCount + 3;
        if (_characters.Length < needed) _characters = new char[needed * 2];
        return _characters.AsSpan(0, _decoder.GetChars(_bytes.WrittenSpan, _characters, flush));
    }
}
