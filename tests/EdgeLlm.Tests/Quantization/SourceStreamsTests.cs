using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Windows of streams in the file beside an output.</summary>
public sealed class SourceStreamsTests : IDisposable
{
    private static readonly byte[] Identity = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Records_come_back_until_one_is_damaged()
    {
        float[] read = new float[3];
        using (var streams = new SourceStreams(_path, Identity, 3))
        {
            for (int i = 0; i < 4; i++) streams.Append([i, i, i]);
        }
        using (FileStream file = File.Open(_path, FileMode.Open))
        {
            file.SetLength(file.Length - 1); // the last one was being written
            file.Position = 40 + 2 * (3 * sizeof(float) + 32) + 5;
            file.WriteByte(77);
        }
        using (var streams = new SourceStreams(_path, Identity, 3))
        {
            Assert.Equal(3, streams.Count);
            Assert.True(streams.TryRead(1, read));
            Assert.Equal([1, 1, 1], read);
            Assert.False(streams.TryRead(2, read));
        }
        using var again = new SourceStreams(_path, Identity, 3);
        Assert.Equal(2, again.Count);
        again.Append([9, 9, 9]);
        Assert.True(again.TryRead(2, read));
        Assert.Equal([9, 9, 9], read);
    }
}
