using EdgeLlm.Kernels;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>
/// State of a model for one conversation: the entries that its steps ask for, one after the other, then room for checkpoints. Keys and
/// values of all positions can be cut anywhere; those of a window and recurrent states can't, and go back to a checkpoint.
/// </summary>
public sealed unsafe partial class KvCache : IDisposable
{
    /// <summary>A checkpoint is kept each time that a text passes a multiple of that number of positions.</summary>
    internal const int CheckpointPositions = 4096;

    private const int MostCheckpoints = 16;

    private readonly AlignedBuffer _memory;
    private readonly CacheEntry[] _entries;
    private readonly Checkpoints _checkpoints;
    private int _current; // which of the two of each state is that of Length
    private int _previous = -1; // the length that the other one is of; -1: none
    private volatile bool _disposed;

    /// <param name="specs">Those that the model's steps ask for.</param>
    /// <param name="capacity">Positions that it can hold.</param>
    /// <param name="chunk">Most tokens of a pass.</param>
    /// <param name="vocabulary">Logits of a token.</param>
    internal KvCache(IReadOnlyList<CacheSpec> specs, int capacity, int chunk, KeyValueType type, int vocabulary)
    {
        Type = type;
        Capacity = capacity;
        _entries = Place(specs, capacity, chunk, type, out long bytes);
        HasStates = _entries.Any(entry => entry.KeyValue is null);
        _checkpoints = new Checkpoints(_entries, bytes);
        Pages = new PageLayout(_entries, type);
        _memory = new AlignedBuffer(bytes + _checkpoints.ByteCount);
        Logits = GC.AllocateUninitializedArray<float>(vocabulary, pinned: true);
    }

    /// <summary>How its keys and values are stored.</summary>
    public KeyValueType Type { get; }

    /// <summary>Whether it has states of recurrent layers, which go back only to where they were kept.</summary>
    internal bool HasStates { get; }

    /// <summary>Positions that it can hold.</summary>
    public int Capacity { get; }

    /// <summary>Positions that it holds.</summary>
    public int Length { get; private set; }

    /// <summary>[vocabulary] of the last token that was computed. Managed (and pinned): a span of them outlives the cache.</summary>
    internal float[] Logits { get; }

    /// <summary>Adapters and control vectors of its conversation; null: none. State that was computed with others is forgotten.</summary>
    internal Adaptation? Adaptation
    {
        get;
        set
        {
            if (field?.Key != value?.Key) Truncate(0);
            field = value;
        }
    }

    /// <summary>Held by a pass, a save or a load, so that <see cref="Dispose"/> frees nothing under it.</summary>
    internal Lock InUse { get; } = new();

    /// <summary>Bytes that a cache of this capacity takes when full, its checkpoints among them.</summary>
    internal static long ByteCount(IReadOnlyList<CacheSpec> specs, int capacity, int chunk, KeyValueType type)
    {
        CacheEntry[] entries = Place(specs, capacity, chunk, type, out long bytes);
        return bytes + new Checkpoints(entries, bytes).ByteCount;
    }

    /// <summary>Layout of the pages of such a cache.</summary>
    internal static PageLayout LayoutOf(IReadOnlyList<CacheSpec> specs, int capacity, int chunk, KeyValueType type) =>
        new(Place(specs, capacity, chunk, type, out _), type);

    /// <summary>Bytes allocated for the entries and their checkpoints.</summary>
    internal long AllocatedBytes => _memory.Bytes;

    /// <summary>How many of its first positions would be left by <see cref="Truncate"/>.</summary>
    public int Keeps(int length)
    {
        if (length >= Length) return Length;
        if (length <= 0) return 0;
        return IsThere(length) ? length : _checkpoints.Before(length);
    }

    /// <summary>
    /// Forgets the positions from <paramref name="length"/> on. Where a model has windows or recurrent layers, more may have to go: only
    /// some positions are kept that it can go back to.
    /// </summary>
    /// <returns>How many positions are left; the others up to <paramref name="length"/> have to be computed again.</returns>
    public int Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        _stop = default;
        int kept = Keeps(length);
        if (kept == Length) return kept;
        if (kept == 0) Array.ForEach(_entries, entry => entry.Clear());
        else if (!IsThere(kept)) Restore(kept);
        else if (HasStates) _current = 1 - _current;
        _previous = -1;
        _checkpoints.Drop(kept);
        return Length = kept;
    }

    /// <summary>
    /// Keeps what it takes to go back to this length later: worth it at the end of a prompt. Where a length alone is enough, or there is no
    /// room in the plan, nothing is done.
    /// </summary>
    internal void Checkpoint()
    {
        using Lock.Scope use = InUse.EnterScope();
        ThrowIfDisposed();
        if (Length == 0 || _checkpoints.Place(Length) is not { } place) return;
        CopyCheckpoint(Length, _memory.Start + place, restores: false);
    }

    /// <summary>
    /// Gives the memory back. A pass that computes with it ends with <see cref="ObjectDisposedException"/> at its next layer, which is
    /// waited for.
    /// </summary>
    public void Dispose()
    {
        _disposed = true;
        if (InUse.IsHeldByCurrentThread) return; // from within a stream that Save writes to: the finalizer gives the memory back
        lock (InUse) _memory.Dispose();
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>
    /// A pass is going to write the next positions. Until <see cref="Advance"/> the length and states stay, so that a pass may end
    /// anywhere.
    /// </summary>
    internal void BeginPass(int tokens)
    {
        _previous = -1;
        foreach (CacheEntry entry in _entries)
        {
            if (entry.IsRing) entry.Write(Length + tokens);
        }
    }

    /// <summary>A pass has written these positions.</summary>
    internal void Advance(int tokens)
    {
        int before = Length;
        Length += tokens;
        if (HasStates) (_previous, _current) = (before, 1 - _current);
        NoteStop();
    }

    /// <summary>A head of an entry of keys and values.</summary>
    internal KeyValueHead Head(int entry, int head)
    {
        CacheEntry place = _entries[entry];
        byte* start = _memory.Start + place.Offset + head * place.HeadBytes;
        byte* values = start + place.KeyBytes;
        float* keyScales = (float*)(values + place.KeyBytes);
        return new KeyValueHead(Type, place.KeyValue!.Dimension, start, values, keyScales,
            keyScales + place.Tiles * KeyValueHead.TilePositions, (int)place.Tiles);
    }

    /// <summary>
    /// An entry's state before the pass at hand, null where nothing has been computed (all zeros), and where the pass leaves it.
    /// </summary>
    internal (nint Before, nint After) State(int entry)
    {
        CacheEntry place = _entries[entry];
        byte* start = _memory.Start + place.Offset;
        return (Length == 0 ? 0 : (nint)(start + _current * place.StateBytes), (nint)(start + (1 - _current) * place.StateBytes));
    }

    /// <summary>The numbers of an entry's state as the pass at hand leaves it.</summary>
    internal ReadOnlySpan<float> StateAfter(int entry) => new((void*)State(entry).After, _entries[entry].StateNumbers);

    /// <summary>
    /// Whether an earlier length is there without a checkpoint: all that a window sees, and the states of before the last pass.
    /// </summary>
    private bool IsThere(int length)
    {
        if (HasStates && length != _previous) return false;
        foreach (CacheEntry entry in _entries) // for each draft: nothing is allocated
        {
            if (entry.KeyValue is not null && !entry.Reaches(length)) return false;
        }
        return true;
    }

    private void Restore(int length)
    {
        CopyCheckpoint(length, _memory.Start + _checkpoints.Find(length), restores: true);
        foreach (CacheEntry entry in _entries)
        {
            if (entry.IsRing) entry.Restore(length);
        }
    }

    /// <summary>
    /// Copies what a checkpoint of this length has, to or from the entries. For each draft of a recurrent model: states allocate nothing.
    /// </summary>
    private void CopyCheckpoint(int length, byte* checkpoint, bool restores)
    {
        foreach (CacheEntry entry in _entries)
        {
            if (entry.KeyValue is null) Copy(entry.Offset + _current * entry.StateBytes, entry.StateBytes);
            else if (entry.IsRing)
            {
                foreach ((long offset, long bytes) in entry.Pieces(entry.FirstTileSeen(length), CacheEntry.TilesOf(length)))
                    Copy(offset, bytes);
            }
        }

        void Copy(long offset, long bytes)
        {
            byte* own = _memory.Start + offset;
            Buffer.MemoryCopy(restores ? checkpoint : own, restores ? own : checkpoint, bytes, bytes);
            checkpoint += bytes;
        }
    }

    private long BytesOfCheckpoint(int length) => _entries.Sum(entry =>
        entry.KeyValue is null ? entry.StateBytes : entry.IsRing
            ? entry.Pieces(entry.FirstTileSeen(length), CacheEntry.TilesOf(length)).Sum(piece => piece.Bytes) : 0);

    private static CacheEntry[] Place(IReadOnlyList<CacheSpec> specs, int capacity, int chunk, KeyValueType type, out long bytes)
    {
        var entries = new CacheEntry[specs.Count];
        bytes = 0;
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new CacheEntry(specs[i], bytes, capacity, chunk, type);
            bytes += entries[i].ByteCount;
        }
        return entries;
    }

    /// <summary>
    /// Which lengths a cache can go back to, and where in it that is kept: after the entries, within a tenth of what they take.
    /// </summary>
    private sealed class Checkpoints
    {
        private readonly long _start;
        private readonly long _bytes; // of one
        private readonly Stack<int> _free = [];
        private readonly List<(int Length, int Slot)> _kept = []; // the longest last

        public Checkpoints(CacheEntry[] entries, long entryBytes)
        {
            _start = entryBytes;
            _bytes = entries.Sum(entry => entry.CheckpointBytes);
            if (_bytes == 0) return;
            int slots = (int)Math.Min(MostCheckpoints, entryBytes / 10 / _bytes);
            for (int slot = slots - 1; slot >= 0; slot--) _free.Push(slot);
            ByteCount = slots * _bytes;
        }

        public long ByteCount { get; }

        public IEnumerable<int> Lengths => _kept.Select(checkpoint => checkpoint.Length);

        /// <summary>The largest length up to this one that is kept; 0: none.</summary>
        public int Before(int length)
        {
            int i = _kept.Count - 1;
            while (i >= 0 && _kept[i].Length > length) i--;
            return i < 0 ? 0 : _kept[i].Length;
        }

        /// <summary>Where in the cache this length is kept.</summary>
        public long Find(int length)
        {
            int i = 0;
            while (_kept[i].Length != length) i++;
            return _start + _kept[i].Slot * _bytes;
        }

        /// <summary>Where this length, the longest so far, is to be kept; null where it is already, or nothing is.</summary>
        public long? Place(int length)
        {
            if (ByteCount == 0 || _kept is [.., { Length: var last }] && last == length) return null;
            if (_free.Count == 0) DropAt(MostCrowded(length));
            int slot = _free.Pop();
            _kept.Add((length, slot));
            return _start + slot * _bytes;
        }

        /// <summary>Forgets those beyond a length.</summary>
        public void Drop(int length)
        {
            while (_kept is [.., { Length: var last }] && last > length) DropAt(_kept.Count - 1);
        }

        /// <summary>The one that is closest to its neighbours: without it the way from the next earlier one is the least.</summary>
        private int MostCrowded(int next)
        {
            int best = 0, least = int.MaxValue;
            for (int i = 0; i < _kept.Count; i++)
            {
                int gap = (i + 1 < _kept.Count ? _kept[i + 1].Length : next) - (i == 0 ? 0 : _kept[i - 1].Length);
                if (gap < least) (best, least) = (i, gap);
            }
            return best;
        }

        private void DropAt(int index)
        {
            _free.Push(_kept[index].Slot);
            _kept.RemoveAt(index);
        }
    }
}
