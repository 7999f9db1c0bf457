using System.Runtime.InteropServices;

namespace EdgeLlm.Models;

/// <summary>Memory outside the managed heap, aligned to 64 bytes. Large ones cost nothing until they are touched.</summary>
internal sealed unsafe class AlignedBuffer : IDisposable
{
    private byte* _start;

    public AlignedBuffer(long bytes)
    {
        Bytes = bytes;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
    }

    ~AlignedBuffer() => Free();

    public long Bytes { get; }

    public byte* Start => _start;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_start == null) return;
        NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
