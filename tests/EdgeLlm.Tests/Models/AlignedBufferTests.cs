using EdgeLlm.Models;

namespace EdgeLlm.Tests.Models;

public sealed class AlignedBufferTests
{
    /// <summary>
    /// The C library keeps buffers of a few megabytes after one of their size was freed: a service that loaded and unloaded models kept
    /// tens of megabytes.
    /// </summary>
    [Fact]
    public unsafe void The_pages_of_a_large_buffer_go_back_to_the_system()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux tells what is mapped");
        new AlignedBuffer(16 << 20).Dispose();
        var buffers = Enumerable.Range(0, 16).Select(_ => new AlignedBuffer(3 << 20)).ToList();
        foreach (AlignedBuffer buffer in buffers) buffer.Span.Fill(1);
        var starts = buffers.ConvertAll(buffer => (ulong)buffer.Start);
        Assert.True(Mapped(starts) == 16);
        foreach (AlignedBuffer buffer in buffers.SkipLast(1)) buffer.Dispose();
        // Another thread may get some of the addresses at once.
        Assert.InRange(Mapped(starts), 1, 8);
        buffers[^1].Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData((128 << 10) - 1)]
    [InlineData(128 << 10)]
    [InlineData((1 << 20) + 3)]
    public unsafe void A_buffer_of_any_size_is_aligned_and_writable_to_its_last_byte(int bytes)
    {
        using var buffer = new AlignedBuffer(bytes);
        Assert.Equal(0u, (ulong)buffer.Start % 64);
        buffer.Span.Fill(7);
        Assert.Equal(bytes, buffer.Span.Length);
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.Start == null);
    }

    [Fact]
    public void More_than_the_system_has_is_told() =>
        Assert.Throws<OutOfMemoryException>(() => new AlignedBuffer(1L << 60));

    private static int Mapped(List<ulong> addresses)
    {
        List<(ulong From, ulong To)> maps = [.. File.ReadLines("/proc/self/maps").Select(line => line[..line.IndexOf(' ')].Split('-'))
            .Select(ends => (Convert.ToUInt64(ends[0], 16), Convert.ToUInt64(ends[1], 16)))];
        return addresses.Count(address => maps.Exists(map => map.From <= address && address < map.To));
    }
}
