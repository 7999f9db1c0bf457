using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.Measurement;

/// <summary>
/// A product of random packed weights and activations, to measure a kernel on: one matrix, with results and scratch for each thread.
/// </summary>
internal sealed unsafe class RandomProduct : IDisposable
{
    private readonly Kernel _kernel;
    private readonly WeightMatrix _weights;
    private readonly PackedActivations _x;
    private readonly int _tokens;
    private readonly long _scratchStride;
    private readonly byte* _memory;
    private readonly byte* _perThread;

    public RandomProduct(Kernel kernel, Packing packing, int rows, int columns, int tokens, int threads)
    {
        (_kernel, _tokens) = (kernel, tokens);
        long weightBytes = new PackedLayout(packing, columns).ByteCount(rows),
            activationBytes = PackedActivations.ByteCount(tokens, columns);
        long resultBytes = 4L * tokens * rows;
        _scratchStride = (resultBytes + kernel.ScratchBytes(columns) + 63) & ~63L;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)(weightBytes + activationBytes + threads * _scratchStride), 64);
        _perThread = _memory + weightBytes + activationBytes;

        var random = new Random(1);
        random.NextBytes(new Span<byte>(_memory, (int)weightBytes));
        var half = Vector128.Create((sbyte)-63, -52, -42, -33, -25, -18, -11, -5, 1, 7, 13, 19, 27, 35, 45, 57);
        _weights = new WeightMatrix(_memory, new PackedLayout(packing, columns), Vector256.Create(half, half), rows);
        _x = new PackedActivations(_memory + weightBytes, tokens, columns);
        float* row = stackalloc float[columns];
        for (int t = 0; t < tokens; t++)
        {
            for (int c = 0; c < columns; c++) row[c] = random.NextSingle() - 0.5f;
            kernel.QuantizePacked(row, _x, t);
        }
    }

    public void Multiply(int thread)
    {
        byte* own = _perThread + thread * _scratchStride;
        _kernel.MultiplyPacked(_weights, _x, _tokens, (float*)own, _weights.Rows, 0, _weights.Rows,
            own + ((4L * _tokens * _weights.Rows + 63) & ~63L));
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);
}
