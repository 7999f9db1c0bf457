using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// The streaming encoder's state of one sound: each frame is encoded once, but for those of the encoder's lag at the end, which change with
/// what comes. The bits are those of the whole sound encoded at once.
/// </summary>
internal sealed unsafe class MoonshineStream : HearingState
{
    /// <summary>Pieces of the front end (80 samples) that are encoded together at most; four are a frame.</summary>
    public const int ChunkPieces = 4 * EncoderStack.ChunkFrames;

    private const int Tail = 4; // rows before an output that a convolution sees

    private readonly MoonshineConfig _config;
    private readonly AlignedBuffer _memory;

    public MoonshineStream(MoonshineConfig config, HeadCaches cross)
    {
        (_config, Cross) = (config, cross);
        int width = config.Encoder.Width, frames = EncoderStack.ChunkFrames + 1;
        Encoder = new EncoderMemory(config.Encoder, frames);
        long floats = ChunkPieces * (long)config.FrameSamples + (Tail + ChunkPieces) * (long)width
            + (Tail + ChunkPieces / 2 + 1) * 2L * width
            + (Encoder.Lag + frames) * (long)(width + config.Decoder.Width) + width;
        _memory = new AlignedBuffer(floats * sizeof(float));
        Compressed = (float*)_memory.Start;
        Linear = Compressed + ChunkPieces * (nint)config.FrameSamples;
        Convolved = Linear + (Tail + ChunkPieces) * (nint)width;
        States = Convolved + (Tail + ChunkPieces / 2 + 1) * 2 * (nint)width;
        Projected = States + (Encoder.Lag + frames) * (nint)width;
        Clear();
    }

    /// <summary>Keys and values of the decoder's cross attention.</summary>
    public HeadCaches Cross { get; }

    public EncoderMemory Encoder { get; }

    /// <summary>Pieces that are encoded.</summary>
    public int Pieces { get; private set; }

    /// <summary>Whether the last piece was not whole: then no sound can follow.</summary>
    public bool IsEnded { get; set; }

    /// <summary>[chunk][samples of a frame].</summary>
    public float* Compressed { get; }

    /// <summary>
    /// [tail + chunk][width]: rows of the first product, from row 2 o - 4 on, o the next output of the first convolution.
    /// </summary>
    public float* Linear { get; }

    /// <summary>[tail + half a chunk][2 width]: rows of the first convolution, likewise for the second.</summary>
    public float* Convolved { get; }

    /// <summary>[lag + chunk][width].</summary>
    public float* States { get; }

    /// <summary>[lag + chunk][width of the decoder], and a row of the encoder's width.</summary>
    public float* Projected { get; }

    /// <summary>Bytes of memory.</summary>
    public long AllocatedBytes => _memory.Bytes + Cross.AllocatedBytes + Encoder.Keys.AllocatedBytes;

    /// <summary>Rows of inputs before the next one that a convolution of stride 2 still needs: 4 or 3.</summary>
    public static int TailOf(int inputs) => inputs - 2 * ((inputs + 1) / 2) + Tail;

    /// <summary>Takes up pieces: moves what the convolutions still need to their buffers' beginnings.</summary>
    public void Advance(int pieces)
    {
        int width = _config.Encoder.Width, convolved = (Pieces + 1) / 2, next = (Pieces + pieces + 1) / 2;
        Move(Linear, TailOf(Pieces) + pieces, TailOf(Pieces + pieces), width);
        Move(Convolved, TailOf(convolved) + next - convolved, TailOf(next), 2 * width);
        Pieces += pieces;
    }

    /// <summary>Begins another sound.</summary>
    public override void Clear()
    {
        int width = _config.Encoder.Width;
        (Pieces, IsEnded, Cross.Length) = (0, false, 0);
        new Span<float>(Linear, Tail * width).Clear(); // before the first row there is nothing
        new Span<float>(Convolved, Tail * 2 * width).Clear();
        Encoder.Clear();
    }

    public override void Dispose()
    {
        _memory.Dispose();
        Cross.Dispose();
        Encoder.Dispose();
    }

    private static void Move(float* rows, int count, int kept, int width) =>
        new ReadOnlySpan<float>(rows + (nint)(count - kept) * width, kept * width).CopyTo(new Span<float>(rows, kept * width));
}
