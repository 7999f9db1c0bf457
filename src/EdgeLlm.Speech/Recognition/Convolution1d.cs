using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// A convolution over frames as a product: output o sees the inputs from o * stride - left on, as many as there are taps; outside there are
/// zeros.
/// </summary>
/// <param name="linear">[outputs, inputs * taps], the taps of an input side by side.</param>
internal sealed unsafe class Convolution1d(SpeechCompute compute, Linear linear, int inputs, int taps, int stride, Activation activation)
    : IDisposable
{
    private const int Chunk = EncoderStack.ChunkFrames;

    private readonly AlignedBuffer _memory = new(sizeof(float) * (long)Chunk * inputs * taps);
    private float* _x;
    private long _frames;
    private long _first;
    private Action<int, int>? _gather;

    /// <summary>Numbers of an output frame.</summary>
    public int Outputs => linear.Weight.Rows;

    /// <summary>Bytes of its buffer.</summary>
    public long AllocatedBytes => _memory.Bytes;

    /// <summary>Number of output frames for a number of input frames, without padding at the end.</summary>
    public static int Length(int frames, int left, int taps, int stride) => frames + left < taps ? 0 : (frames + left - taps) / stride + 1;

    /// <summary>Computes outputs.</summary>
    /// <param name="x">[frames, inputs].</param>
    /// <param name="from">Number of the first output.</param>
    /// <param name="y">[count, outputs].</param>
    public void Run(float* x, int frames, int left, int from, int count, float* y)
    {
        _x = x;
        _frames = frames;
        _gather ??= Gather;
        int columns = inputs * taps;
        for (int done = 0; done < count; done += Chunk)
        {
            int part = Math.Min(Chunk, count - done);
            _first = (from + (long)done) * stride - left;
            compute.ForEach(part, _gather);
            compute.Multiply((float*)_memory.Start, columns, part,
                new Product { Linear = linear, To = y + done * (nint)Outputs, Activation = activation });
        }
    }

    public void Dispose() => _memory.Dispose();

    private void Gather(int row, int thread)
    {
        float* to = (float*)_memory.Start + row * (nint)(inputs * taps);
        long first = _first + (long)row * stride;
        for (int tap = 0; tap < taps; tap++)
        {
            bool isThere = first + tap >= 0 && first + tap < _frames;
            float* from = _x + (nint)(first + tap) * inputs;
            for (int i = 0; i < inputs; i++) to[i * taps + tap] = isThere ? from[i] : 0;
        }
    }
}
