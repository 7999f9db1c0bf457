using System.Buffers;
using System.Text;
using EdgeLlm.Tokenization.Patterns;

namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>A text that is being cut: pieces of it in order, the text between them is left out.</summary>
/// <param name="text">UTF-8.</param>
/// <param name="isFirst">Whether nothing comes before it.</param>
internal ref struct Pieces(ReadOnlySpan<byte> text, bool isFirst)
{
    public ReadOnlySpan<byte> Text { get; set; } = text;

    /// <summary>None is empty.</summary>
    public List<Piece> Items { get; set; } = text.IsEmpty ? [] : [new Piece(0, text.Length, isFirst)];
}

/// <summary>A piece of a text.</summary>
/// <param name="IsFirst">Whether the whole text begins with it.</param>
internal readonly record struct Piece(int Start, int End, bool IsFirst);

/// <summary>A step that cuts pieces into smaller ones, or changes them.</summary>
internal abstract class PieceStep
{
    public abstract void Apply(ref Pieces pieces);
}

/// <summary>Place of the matches of an expression at which pieces are cut.</summary>
internal enum SplitBehavior
{
    /// <summary>They are left out.</summary>
    Removed,

    /// <summary>Each is a piece.</summary>
    Isolated,

    /// <summary>Those that follow each other are one piece.</summary>
    Contiguous,

    /// <summary>Each goes to what comes before it.</summary>
    MergedWithPrevious,

    /// <summary>Each goes to what comes after it.</summary>
    MergedWithNext,
}

/// <summary>Cuts pieces at the matches of an expression.</summary>
/// <param name="isInverted">Whether the text between matches is taken for the matches.</param>
internal sealed class SplitStep(Pattern pattern, SplitBehavior behavior, bool isInverted) : PieceStep
{
    public override void Apply(ref Pieces pieces)
    {
        List<Piece> result = new(pieces.Items.Count);
        List<(int Start, int End)> matches = [];
        List<(int Start, int End, bool IsMatch)> parts = [];
        foreach (Piece piece in pieces.Items)
        {
            matches.Clear();
            parts.Clear();
            pattern.Find(pieces.Text[piece.Start..piece.End], matches);
            int done = 0, length = piece.End - piece.Start;
            foreach ((int start, int end) in matches)
            {
                if (start > done) parts.Add((done, start, isInverted));
                parts.Add((start, end, !isInverted));
                done = end;
            }
            if (done < length) parts.Add((done, length, isInverted));
            Join(parts, piece, result);
        }
        pieces.Items = result;
    }

    private void Join(List<(int Start, int End, bool IsMatch)> parts, Piece piece, List<Piece> result)
    {
        for (int i = 0; i < parts.Count;)
        {
            (int start, int end, bool isMatch) = parts[i++];
            if (behavior == SplitBehavior.Removed && isMatch) continue;
            // A match goes to what is no match: not to another match beside it.
            if (behavior == SplitBehavior.Contiguous) while (i < parts.Count && parts[i].IsMatch == isMatch) end = parts[i++].End;
            if (behavior == SplitBehavior.MergedWithPrevious && !isMatch && i < parts.Count && parts[i].IsMatch) end = parts[i++].End;
            if (behavior == SplitBehavior.MergedWithNext && isMatch && i < parts.Count && !parts[i].IsMatch) end = parts[i++].End;
            if (end > start) result.Add(new Piece(piece.Start + start, piece.Start + end, piece.IsFirst && start == 0));
        }
    }
}

/// <summary>A step that writes pieces anew.</summary>
internal abstract class RewriteStep : PieceStep
{
    public sealed override void Apply(ref Pieces pieces)
    {
        ArrayBufferWriter<byte> text = new(Math.Max(16, 2 * pieces.Text.Length));
        List<Piece> items = new(pieces.Items.Count);
        foreach (Piece piece in pieces.Items)
        {
            int start = text.WrittenCount;
            Rewrite(pieces.Text[piece.Start..piece.End], piece.IsFirst, text);
            items.Add(new Piece(start, text.WrittenCount, piece.IsFirst));
        }
        pieces.Text = text.WrittenSpan;
        pieces.Items = items;
    }

    private protected abstract void Rewrite(ReadOnlySpan<byte> piece, bool isFirst, ArrayBufferWriter<byte> output);
}

/// <summary>Whether a mark is put before pieces that don't begin with one.</summary>
internal enum PrependScheme
{
    Never,
    First,
    Always,
}

/// <summary>Marks spaces with another character, ▁, and the beginning of pieces.</summary>
internal sealed class MetaspaceStep(string mark, PrependScheme scheme) : RewriteStep
{
    private readonly byte[] _mark = Encoding.UTF8.GetBytes(mark);

    private protected override void Rewrite(ReadOnlySpan<byte> piece, bool isFirst, ArrayBufferWriter<byte> output)
    {
        bool isMarked = piece[0] == (byte)' ' || piece.StartsWith(_mark);
        if (!isMarked && (scheme == PrependScheme.Always || scheme == PrependScheme.First && isFirst)) output.Write(_mark);
        foreach (byte value in piece)
        {
            if (value == (byte)' ') output.Write(_mark);
            else output.Write([value]);
        }
    }
}

/// <summary>Puts a space before pieces that don't begin with one.</summary>
internal sealed class SpacePrefixStep : RewriteStep
{
    private protected override void Rewrite(ReadOnlySpan<byte> piece, bool isFirst, ArrayBufferWriter<byte> output)
    {
        if (piece[0] != (byte)' ') output.Write(" "u8);
        output.Write(piece);
    }
}

/// <summary>Writes bytes as GPT-2's letters.</summary>
internal sealed class ByteLettersStep : RewriteStep
{
    private protected override void Rewrite(ReadOnlySpan<byte> piece, bool isFirst, ArrayBufferWriter<byte> output) =>
        output.Advance(ByteLetters.Write(piece, output.GetSpan(piece.Length * ByteLetters.MaximumLength)));
}
