using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// State of an encoder whose layers see windows, between two pieces of a sound: keys and values of the frames that are still seen, and of
/// each layer the inputs of the frames whose results can still change, because they see frames that have not come.
/// </summary>
internal sealed class EncoderMemory : IDisposable
{
    private readonly StackSpec _spec;
    private readonly float[][] _pending;
    private readonly int[] _pendingRows;

    /// <param name="mostFrames">Most new frames of a piece.</param>
    public EncoderMemory(StackSpec spec, int mostFrames)
    {
        const int Tile = KeyValueHead.TilePositions;
        _spec = spec;
        Lag = spec.Windows.Sum(window => window.After);
        Before = spec.Windows.Max(window => window.Before);
        MostFrames = mostFrames;
        int positions = (Before + Lag + mostFrames + 2 * Tile) / Tile * Tile;
        Keys = new HeadCaches(KeyValueType.F32, spec.Layers, spec.KeyValueHeads, spec.HeadDimension, positions);
        _pending = [.. spec.Windows.Select(window => new float[window.After * spec.Width])];
        _pendingRows = new int[spec.Layers];
    }

    /// <summary>Frames after which a frame is final.</summary>
    public int Lag { get; }

    /// <summary>Most frames that a layer sees, its own among them.</summary>
    private int Before { get; }

    /// <summary>Most new frames of a piece.</summary>
    public int MostFrames { get; }

    /// <summary>Frames so far.</summary>
    public int Frames { get; private set; }

    /// <summary>
    /// The frame at the first position of <see cref="Keys"/>: whole tiles are dropped, so sums have the order of the whole sound's.
    /// </summary>
    public int FirstKept { get; private set; }

    public HeadCaches Keys { get; }

    /// <summary>Makes room for frames.</summary>
    public void Begin(int count)
    {
        const int Tile = KeyValueHead.TilePositions;
        int tiles = (Math.Max(0, Frames - Lag - Before + 1) - FirstKept) / Tile;
        if (tiles > 0)
        {
            Keys.DropTiles(tiles);
            FirstKept += tiles * Tile;
        }
        if (Frames + count - FirstKept > Keys.Positions) throw new ArgumentOutOfRangeException(nameof(count));
    }

    /// <summary>The frames are taken up.</summary>
    public void End(int count) => Frames += count;

    /// <summary>Copies the inputs of a layer's frames that were not final to the rows before <paramref name="rows"/>.</summary>
    /// <returns>How many.</returns>
    public unsafe int TakePending(int layer, float* rows)
    {
        int count = _pendingRows[layer];
        _pending[layer].AsSpan(0, count * _spec.Width).CopyTo(new Span<float>(rows - (nint)count * _spec.Width, count * _spec.Width));
        return count;
    }

    /// <summary>Keeps inputs of a layer's frames that are not final yet.</summary>
    public unsafe void KeepPending(int layer, float* rows, int count)
    {
        new ReadOnlySpan<float>(rows, count * _spec.Width).CopyTo(_pending[layer]);
        _pendingRows[layer] = count;
    }

    /// <summary>Begins another sound.</summary>
    public void Clear()
    {
        (Frames, FirstKept) = (0, 0);
        Array.Clear(_pendingRows);
    }

    public void Dispose() => Keys.Dispose();
}
