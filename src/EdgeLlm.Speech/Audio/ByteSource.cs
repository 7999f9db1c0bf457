using EdgeLlm.Files;

namespace EdgeLlm.Speech.Audio;

/// <summary>A stream's bytes in order, in a buffer of fixed size, with what the file is called in messages.</summary>
/// <param name="name">What messages call it.</param>
internal sealed class ByteSource(Stream stream, string name)
{
    private readonly byte[] buffer = new byte[1 << 16];
    private int start, end;

    /// <summary>Name of the file in messages.</summary>
    public string Name => name;

    /// <summary>Bytes taken so far.</summary>
    public long Position { get; private set; }

    /// <summary>The exception for a file that is not as its format says.</summary>
    public FileException Damaged(string problem) => new(name, problem);

    /// <summary>The next bytes, which stay; fewer than <paramref name="count"/> only at the end.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        while (end - start < count && Fill())
        {
        }
        return buffer.AsSpan(start, Math.Min(count, end - start));
    }

    /// <summary>Bytes until the target is full. False where the stream ends before.</summary>
    public bool TryRead(Span<byte> target) => ReadWhole(target, Math.Max(1, target.Length)) == target.Length;

    /// <summary>
    /// A multiple of <paramref name="unit"/> bytes, as many as have come and fit, at least one unit; 0 only at the end, where a part of a
    /// unit is dropped.
    /// </summary>
    public int ReadWhole(Span<byte> target, int unit)
    {
        int whole = target.Length / unit * unit, done = 0;
        while (done < whole && (done == 0 || done % unit != 0 || end > start))
        {
            if (end == start && !Fill()) return done / unit * unit;
            int count = Math.Min(whole - done, end - start);
            buffer.AsSpan(start, count).CopyTo(target[done..]);
            start += count;
            done += count;
            Position += count;
        }
        return done;
    }

    /// <summary>The next byte; -1 at the end.</summary>
    public int ReadByte()
    {
        if (end == start && !Fill()) return -1;
        Position++;
        return buffer[start++];
    }

    /// <summary>Leaves bytes out. False where the stream ends before.</summary>
    public bool TrySkip(long count)
    {
        while (count > 0)
        {
            if (end == start && !Fill()) return false;
            int step = (int)Math.Min(count, end - start);
            start += step;
            count -= step;
            Position += step;
        }
        return true;
    }

    private bool Fill()
    {
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }
        try
        {
            int got = stream.Read(buffer, end, buffer.Length - end);
            end += got;
            return got > 0;
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Reading(name, exception);
        }
    }
}
