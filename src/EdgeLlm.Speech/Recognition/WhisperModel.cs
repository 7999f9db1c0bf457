using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// Whisper's network: frames of a window to the encoder's states, tokens to logits. Weights are views of its files. One caller at a time.
/// </summary>
internal sealed unsafe class WhisperModel : IDisposable
{
    private const int ChunkPositions = EncoderStack.ChunkFrames;

    private readonly GgufFile _file;
    private readonly SpeechWeights _weights;
    private readonly EncoderStack _encoder;
    private readonly TokenDecoder _decoder;
    private readonly Convolution1d _first;
    private readonly Convolution1d _second;
    private readonly WeightMatrix _encoderPositions;
    private readonly AlignedBuffer _memory;
    private readonly float* _convolved; // [2 chunks + 1][width]
    private AlignedBuffer? _states;
    private HeadCaches? _cross;

    public WhisperModel(GgufFile file, SpeechCompute compute)
    {
        (_file, Compute) = (file, compute);
        Config = WhisperConfig.Of(file);
        Tokenizer = ModelLoader.MakeTokenizer(file);
        Tokens = new WhisperTokens(file.Path, Tokenizer, Config);
        _weights = new SpeechWeights(file);
        int width = Config.Width;
        _first = new Convolution1d(compute, _weights.Linear("enc.conv1", width, 3 * Config.Bands), Config.Bands, 3, 1, Activation.Gelu);
        _second = new Convolution1d(compute, _weights.Linear("enc.conv2", width, 3 * width), width, 3, 2, Activation.Gelu);
        _encoderPositions = _weights.Matrix("enc.position_embd.weight", Config.EncoderPositions, width);
        int frames = 2 * ChunkPositions + 1;
        compute.Reserve(ChunkPositions, 3 * Math.Max(width, Config.Bands), width / Config.EncoderHeads, 1);
        _encoder = new EncoderStack(Config.Encoder, _weights, compute);
        _decoder = new TokenDecoder(Config.Decoder, width, Config.Vocabulary, isTied: true, hasPositions: true,
            Config.DecoderPositions, _weights, compute);
        _memory = new AlignedBuffer(sizeof(float) * frames * (long)width);
        _convolved = (float*)_memory.Start;
    }

    public SpeechCompute Compute { get; }

    public WhisperConfig Config { get; }

    public WhisperTokens Tokens { get; }

    public Tokenizer Tokenizer { get; }

    public string Path => _file.Path;

    public GgufMetadata Metadata => _file.Metadata;

    /// <summary>Positions of the window that is encoded.</summary>
    public int Positions { get; private set; }

    /// <summary>The encoder's states of the window [Positions, width].</summary>
    public ReadOnlySpan<float> States => new((float*)_states!.Start, Positions * Config.Width);

    /// <summary>Keys and values of the window, by layer and head.</summary>
    public HeadCaches Cross => _cross!;

    /// <summary>Called with the queries of each layer's cross attention; null: nobody.</summary>
    public CrossQueries? Observer
    {
        get => _decoder.Stack.Observer;
        set => _decoder.Stack.Observer = value;
    }

    /// <summary>Bytes of memory that are not the file's.</summary>
    public long AllocatedBytes =>
        Compute.AllocatedBytes + _first.AllocatedBytes + _second.AllocatedBytes + _encoder.AllocatedBytes + _decoder.AllocatedBytes
            + _memory.Bytes + (_states?.Bytes ?? 0) + (_cross?.AllocatedBytes ?? 0);

    /// <summary>A cache for the tokens of one window.</summary>
    public HeadCaches NewCache() => _decoder.NewCache(Config.DecoderPositions);

    /// <summary>Encodes a window.</summary>
    /// <param name="mel">[frames][bands], see <see cref="Audio.LogMel"/>.</param>
    /// <param name="frames">Even, at most two a position of the encoder.</param>
    /// <param name="atEnd">Number of last positions that have the embeddings of a whole window's end, wherever this one ends: silence
    /// there tells the decoder that nothing more is said.</param>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public void Encode(float[] mel, int frames, int atEnd, CancellationToken cancellation)
    {
        int positions = frames / 2, width = Config.Width;
        if (frames % 2 != 0 || positions < 1 || positions > Config.EncoderPositions || mel.Length < frames * Config.Bands)
            throw new ArgumentOutOfRangeException(nameof(frames));
        if (atEnd < 0 || atEnd > positions) throw new ArgumentOutOfRangeException(nameof(atEnd));
        if (_states is null || _states.Bytes < positions * (long)width * sizeof(float))
        {
            _states?.Dispose();
            _cross?.Dispose();
            _states = new AlignedBuffer(positions * (long)width * sizeof(float));
            _cross = _decoder.NewCache(positions);
        }
        float* states = (float*)_states.Start;
        fixed (float* bands = mel)
        {
            for (int first = 0; first < positions; first += ChunkPositions)
                Convolve(states, bands, frames, first, Math.Min(ChunkPositions, positions - first), positions - atEnd);
        }
        _encoder.Run(states, positions, cancellation);
        _decoder.Stack.FillCross(states, positions, _cross!, cancellation);
        Positions = positions;
    }

    /// <summary>Runs the decoder over the next tokens of one sequence, or over one token of each of several.</summary>
    /// <param name="logits">For how many of the last tokens logits are computed.</param>
    /// <returns>[logits, vocabulary], valid until the next call.</returns>
    public Span<float> Decode(scoped ReadOnlySpan<int> ids, scoped ReadOnlySpan<HeadCaches> caches, int logits) =>
        _decoder.Decode(ids, caches, Cross, logits);

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _encoder.Dispose();
        _decoder.Dispose();
        _memory.Dispose();
        _states?.Dispose();
        _cross?.Dispose();
        Compute.Dispose();
        _file.Dispose();
    }

    /// <summary>Both convolutions, 3 wide, the second with stride 2, and the positions' embedding.</summary>
    /// <param name="end">The first position with an embedding of a whole window's end.</param>
    private void Convolve(float* states, float* mel, int frames, int first, int count, int end)
    {
        int width = Config.Width;
        _first.Run(mel, frames, 1, 2 * first - 1, 2 * count + 1, _convolved); // a position sees the frame before its two
        if (first == 0) new Span<float>(_convolved, width).Clear(); // before the first frame there is nothing
        float* to = states + first * (nint)width;
        _second.Run(_convolved, 2 * count + 1, 0, 0, count, to);
        float* row = _convolved;
        for (int i = 0; i < count; i++)
        {
            int position = first + i;
            _encoderPositions.RowToFloat(position < end ? position : Config.EncoderPositions - frames / 2 + position, row);
            Compute.Kernel.Add(to + i * (nint)width, row, width);
        }
    }
}
