using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Kernels.Measurement;

/// <summary>Limits of this machine with a pool's threads: the roof that speeds are compared with.</summary>
internal static unsafe class Roofline
{
    private const long BufferBytes = 1 << 30;
    private const int ChunkBytes = 1 << 20;
    private const int Passes = 5;

    /// <summary>
    /// Bytes a second that the threads read from memory: the best of five passes of the widest loads over 1 GB (less where memory is
    /// short).
    /// </summary>
    /// <param name="available">Bytes that may be taken for it; at most half of them are.</param>
    public static double ReadBandwidth(WorkerPool pool, long available)
    {
        int chunks = (int)(Math.Min(BufferBytes, available / 2) / ChunkBytes);
        if (chunks < 1) return 0;
        byte* buffer = (byte*)NativeMemory.AlignedAlloc((nuint)chunks * ChunkBytes, 64);
        try
        {
            new Span<long>(buffer, chunks * (ChunkBytes / sizeof(long))).Fill(1); // every page is there, none the zero page
            long unused = 0;
            double best = 0;
            for (int pass = 0; pass < Passes; pass++)
            {
                long start = Stopwatch.GetTimestamp();
                pool.Run(chunks, (chunk, _) => Interlocked.Add(ref unused, Sum(buffer + (long)chunk * ChunkBytes, ChunkBytes)));
                best = Math.Max(best, (double)chunks * ChunkBytes / Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            return best;
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }
    }

    /// <summary>
    /// Multiply-adds a second of a kernel's products of packed weights (E4) with many tokens, out of the caches: the best of five passes.
    /// </summary>
    public static double PeakMultiplyAdds(Kernel kernel, WorkerPool pool)
    {
        const int Rows = 64, Columns = 512, Tokens = 64, Repetitions = 8;
        using var matrices = new RandomProduct(kernel, Packing.E4Group32, Rows, Columns, Tokens, pool.Threads);
        double best = 0;
        for (int pass = 0; pass < Passes; pass++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.Run(pool.Threads * Repetitions, (_, thread) => matrices.Multiply(thread));
            best =
                Math.Max(best, (double)pool.Threads * Repetitions * Rows * Columns * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private static long Sum(byte* start, int bytes)
    {
        int width = Vector<long>.Count;
        Vector<long> a = Vector<long>.Zero, b = a, c = a, d = a;
        for (long* at = (long*)start, end = (long*)(start + bytes); at < end; at += 4 * width)
        {
            a += Vector.Load(at);
            b += Vector.Load(at + width);
            c += Vector.Load(at + 2 * width);
            d += Vector.Load(at + 3 * width);
        }
        return Vector.Sum(a + b + (c + d));
    }
}

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
