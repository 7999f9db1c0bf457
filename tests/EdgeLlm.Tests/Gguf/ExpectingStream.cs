namespace EdgeLlm.Tests.Gguf;

/// <summary>Compares what is written with what is expected, without keeping it.</summary>
internal sealed class ExpectingStream(byte[] expected) : Stream
{
    private int _position;

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => expected.Length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Assert.True(buffer.Length <= expected.Length - _position && buffer.SequenceEqual(expected.AsSpan(_position, buffer.Length)),
            $"other bytes from {_position} on");
        _position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
