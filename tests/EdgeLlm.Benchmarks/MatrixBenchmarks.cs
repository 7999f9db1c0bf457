using BenchmarkDotNet.Attributes;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Measurement;

namespace EdgeLlm.Benchmarks;

/// <summary>Packed weights [1536, 576] (SmolLM2's feed-forward) times one token and times a prompt's tile.</summary>
public class PackedMatrix : KernelBenchmark
{
    private RandomProduct _product = null!;

    [Params("E4Group32", "E4Group16", "E8Group32")]
    public string Form { get; set; } = "";

    [Params(1, 4, 256)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup() => _product = Owned(new RandomProduct(Chosen, Enum.Parse<Packing>(Form), 1536, 576, Tokens, threads: 1));

    [Benchmark]
    public void Multiply() => _product.Multiply(0);
}

/// <summary>Weights [1536, 576 or 512] of ggml's types times one token and times a prompt's tile.</summary>
public unsafe class GgmlMatrix : KernelBenchmark
{
    private const int Rows = 1536;

    private WeightMatrix _weights;
    private QuantizedActivations _x;
    private float* _y;
    private byte* _scratch;
    private Kernel _kernel = null!;

    [Params("Q4_0", "Q8_0", "Q4_K", "Q6_K")]
    public string Type { get; set; } = "";

    [Params(1, 256)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _kernel = Chosen;
        ElementType type = Enum.Parse<ElementType>(Type);
        int columns = ElementFormat.Get(type).ValuesPerBlock == 256 ? 512 : 576;
        long bytes = Rows * ElementFormat.ByteCount(type, columns);
        byte* weights = Bytes(bytes);
        new Random(1).NextBytes(new Span<byte>(weights, (int)bytes)); // an exponent of infinity here or there costs no time
        _weights = new WeightMatrix(weights, type, Rows, columns);
        _x = new QuantizedActivations(Bytes(QuantizedActivations.ByteCount(Tokens, columns)), Tokens, columns);
        float* row = RandomFloats(columns, 2);
        for (int t = 0; t < Tokens; t++) _kernel.Quantize(row, _x, t);
        _y = (float*)Bytes(4L * Tokens * Rows);
        _scratch = Bytes(_kernel.ScratchBytes(columns));
    }

    [Benchmark]
    public void Multiply() => _kernel.Multiply(_weights, _x, Tokens, _y, Rows, 0, Rows, _scratch);
}
