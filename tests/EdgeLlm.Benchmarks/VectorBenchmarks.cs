using BenchmarkDotNet.Attributes;
using EdgeLlm.Kernels;

namespace EdgeLlm.Benchmarks;

/// <summary>Operations on one token's vectors, of SmolLM2's widths.</summary>
public unsafe class TokenVectors : KernelBenchmark
{
    private const int Width = 576, FeedForward = 1536;

    private float* _x, _weight, _y, _gate, _up;
    private PackedActivations _packed;
    private Kernel _kernel = null!;

    [GlobalSetup]
    public void Setup()
    {
        _kernel = Chosen;
        _x = RandomFloats(Width, 1);
        _weight = RandomFloats(Width, 2);
        _y = RandomFloats(Width, 3);
        _gate = RandomFloats(FeedForward, 4);
        _up = RandomFloats(FeedForward, 5);
        _packed = new PackedActivations(Bytes(PackedActivations.ByteCount(1, Width)), 1, Width);
    }

    [Benchmark]
    public bool RmsNorm() => _kernel.RmsNorm(_x, _weight, _y, Width, 1e-5f);

    [Benchmark]
    public void SiluMultiply() => _kernel.SiluMultiply(_gate, _up, FeedForward);

    [Benchmark]
    public void QuantizePacked() => _kernel.QuantizePacked(_x, _packed, 0);
}
