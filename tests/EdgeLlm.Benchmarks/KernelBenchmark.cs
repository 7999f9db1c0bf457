using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using EdgeLlm.Kernels;

namespace EdgeLlm.Benchmarks;

/// <summary>A benchmark that runs on every kernel of this processor except scalar, with memory of its own.</summary>
public abstract unsafe class KernelBenchmark
{
    private readonly List<nint> _memory = [];
    private readonly List<IDisposable> _owned = [];

    [ParamsSource(nameof(Kernels))]
    public string KernelName { get; set; } = "";

    public static IEnumerable<string> Kernels => Kernel.Available.Select(kernel => kernel.Name).Where(name => name != "scalar");

    private protected Kernel Chosen => Kernel.Choose(KernelName);

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (nint memory in _memory) NativeMemory.AlignedFree((void*)memory);
        _memory.Clear();
        foreach (IDisposable owned in _owned) owned.Dispose();
        _owned.Clear();
    }

    private protected T Owned<T>(T value) where T : IDisposable
    {
        _owned.Add(value);
        return value;
    }

    private protected byte* Bytes(long count)
    {
        byte* bytes = (byte*)NativeMemory.AlignedAlloc((nuint)count, 64);
        new Span<byte>(bytes, checked((int)count)).Clear();
        _memory.Add((nint)bytes);
        return bytes;
    }

    private protected float* RandomFloats(int count, int seed)
    {
        var random = new Random(seed);
        float* floats = (float*)Bytes(count * sizeof(float));
        for (int i = 0; i < count; i++) floats[i] = random.NextSingle() - 0.5f;
        return floats;
    }
}
