using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>
/// Parts of a cache that others keep and give back: a page has keys and values of 32 positions of the entries that hold all of them, a
/// checkpoint the windows and states as they were after a length. Neither depends on the cache's capacity.
/// </summary>
public sealed unsafe partial class KvCache
{
    /// <summary>Positions of a page.</summary>
    internal const int PagePositions = KeyValueHead.TilePositions;

    private (int Length, Action Then) _stop;

    /// <summary>How pages and checkpoints are laid out.</summary>
    internal PageLayout Pages { get; }

    /// <summary>Copies a page [<see cref="PageLayout.PageBytes"/>] out.</summary>
    internal void CopyPage(int page, Span<byte> to)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        foreach ((long offset, long bytes) in PiecesOfPage(page))
        {
            new ReadOnlySpan<byte>(_memory.Start + offset, (int)bytes).CopyTo(to);
            to = to[(int)bytes..];
        }
    }

    /// <summary>Puts a page in place; its positions count once <see cref="Adopt"/> says so.</summary>
    internal void LoadPage(int page, ReadOnlySpan<byte> from)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        foreach ((long offset, long bytes) in PiecesOfPage(page))
        {
            from[..(int)bytes].CopyTo(new Span<byte>(_memory.Start + offset, (int)bytes));
            from = from[(int)bytes..];
        }
    }

    /// <summary>Lengths up to its own whose checkpoints it has; its own length is one of them.</summary>
    internal IEnumerable<int> CheckpointLengths => [.. _checkpoints.Lengths.Where(length => length < Length), Length];

    /// <summary>
    /// Copies the checkpoint of one of the <see cref="CheckpointLengths"/> out: at most <see cref="PageLayout.CheckpointBytes"/>.
    /// </summary>
    internal void CopyCheckpoint(int length, Span<byte> to)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        fixed (byte* start = to)
        {
            if (length == Length) CopyCheckpoint(length, start, restores: false);
            else Buffer.MemoryCopy(_memory.Start + _checkpoints.Find(length), start, to.Length, BytesOfCheckpoint(length));
        }
    }

    /// <summary>Takes what was loaded for its own: it holds <paramref name="length"/> positions now, more than before.</summary>
    /// <param name="checkpoint">Of this length; empty where pages are enough.</param>
    internal void Adopt(int length, ReadOnlySpan<byte> checkpoint)
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        fixed (byte* start = checkpoint)
        {
            CopyCheckpoint(length, start, restores: true);
        }
        foreach (CacheEntry entry in _entries)
        {
            if (entry.IsRing) entry.Restore(length);
        }
        (_previous, Length) = (-1, length);
    }

    /// <summary>Lets a pass end at a length, and does something when it has come there; 0: at none.</summary>
    internal void StopAt(int length, Action then) => _stop = (length, then);

    /// <summary>How many of the next tokens one pass may compute.</summary>
    internal int MostOfPass(int tokens) => _stop.Length > Length ? Math.Min(tokens, _stop.Length - Length) : tokens;

    private void NoteStop()
    {
        if (_stop.Length != Length || Length == 0) return;
        Action then = _stop.Then;
        _stop = default;
        then();
    }

    private IEnumerable<(long Offset, long Bytes)> PiecesOfPage(int page) =>
        _entries.Where(entry => entry.PageBytes > 0).SelectMany(entry => entry.Pieces(page, page + 1));
}
