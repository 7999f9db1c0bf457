using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Receives what a stage of a network computed: [frames, width].</summary>
internal delegate void StageResult(string name, ReadOnlySpan<float> values, int width);

/// <summary>
/// Moonshine's network: samples to the encoder's states, tokens to logits. Weights are views of its files. One caller at a time.
/// </summary>
internal sealed unsafe partial class MoonshineModel : IDisposable
{
    private const float Epsilon = 1e-5f; // of the norm over the utterance

    private readonly GgufFile _file;
    private readonly EncoderStack _encoder;
    private readonly TokenDecoder _decoder;
    private readonly NormWeights _groupNorm;
    private readonly Linear _linear;
    private readonly Convolution1d _first;
    private readonly Convolution1d _second;
    private readonly Convolution1d? _third;
    private readonly WeightMatrix? _positions;
    private readonly Linear? _projection;
    private readonly double _slope; // of the streaming front end's asinh
    private AlignedBuffer? _memory;
    private HeadCaches? _cross;
    private HeadCaches _seen = null!; // what the decoder sees: that, or a stream's

    public MoonshineModel(GgufFile file, SpeechCompute compute)
    {
        (_file, Compute) = (file, compute);
        Config = MoonshineConfig.Of(file);
        Tokenizer = ModelLoader.MakeTokenizer(file);
        End = Tokenizer.EosId ?? throw new ModelException(file.Path, "has a tokenizer without a token that ends a text");
        Start = Tokenizer.BosId ?? throw new ModelException(file.Path, "has a tokenizer without a token that begins a text");
        var weights = new SpeechWeights(file);
        int width = Config.Encoder.Width;
        compute.Reserve(EncoderStack.ChunkFrames, 14 * width, Config.Encoder.HeadDimension, Config.Encoder.GroupSize);
        _encoder = new EncoderStack(Config.Encoder, weights, compute);
        _decoder = new TokenDecoder(Config.Decoder, Config.Decoder.Width, Config.Vocabulary, Config.IsTied, hasPositions: false,
            Config.Positions, weights, compute);
        if (Config.IsStreaming)
        {
            _slope = Polynomials.Exp((double)*(float*)weights.Vector("enc.log_k", 1));
            _linear = weights.Linear("enc.linear", width, Config.FrameSamples);
            _first = new Convolution1d(compute, weights.Linear("enc.conv1", 2 * width, 5 * width), width, 5, 2, Activation.Silu);
            _second = new Convolution1d(compute, weights.Linear("enc.conv2", width, 10 * width), 2 * width, 5, 2, Activation.Identity);
            _positions = weights.Matrix("dec.position_embd.weight", Config.Positions, width);
            if (Config.Decoder.Width != width) _projection = weights.Linear("dec.input_proj", Config.Decoder.Width, width);
            return;
        }
        _groupNorm = weights.Norm("enc.group_norm", width);
        _first = new Convolution1d(compute, weights.Linear("enc.conv1", width, 127), 1, 127, 64, Activation.Identity);
        _second = new Convolution1d(compute, weights.Linear("enc.conv2", 2 * width, 7 * width), width, 7, 3, Activation.Gelu);
        _third = new Convolution1d(compute, weights.Linear("enc.conv3", width, 6 * width), 2 * width, 3, 2, Activation.Gelu);
    }

    public SpeechCompute Compute { get; }

    public MoonshineConfig Config { get; }

    public Tokenizer Tokenizer { get; }

    public string Path => _file.Path;

    public GgufMetadata Metadata => _file.Metadata;

    /// <summary>The token that begins a text.</summary>
    public int Start { get; }

    /// <summary>The token that ends a text.</summary>
    public int End { get; }

    /// <summary>Called with what each stage of <see cref="Encode"/> computed; null: nobody.</summary>
    public StageResult? Observer { get; set; }

    /// <summary>Bytes of memory that are not the file's.</summary>
    public long AllocatedBytes => Compute.AllocatedBytes + _encoder.AllocatedBytes + _decoder.AllocatedBytes
        + _first.AllocatedBytes + _second.AllocatedBytes + (_third?.AllocatedBytes ?? 0) + (_memory?.Bytes ?? 0)
        + (_cross?.AllocatedBytes ?? 0);

    /// <summary>Samples that the encoder needs for one frame.</summary>
    public int LeastSamples => Config.IsStreaming ? 1 : 127 + 64 * (7 - 1 + 3 * (3 - 1));

    /// <summary>Frames that the decoder can see.</summary>
    private int MostFrames => Config.IsStreaming ? Config.Positions : int.MaxValue;

    /// <summary>Samples of the frames that the decoder can see.</summary>
    public int MostSamples => (int)Math.Min(int.MaxValue, (long)MostFrames * 4 * Config.FrameSamples);

    /// <summary>A cache for the tokens of one text.</summary>
    public HeadCaches NewCache() => _decoder.NewCache(Config.Positions);

    /// <summary>Encodes samples at 16 kHz; the decoder sees their frames from now on.</summary>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public void Encode(ReadOnlySpan<float> samples, CancellationToken cancellation)
    {
        if (samples.Length < LeastSamples)
            throw new ArgumentException($"{samples.Length} samples are too few: the model needs {LeastSamples}");
        fixed (float* x = samples)
        {
            if (Config.IsStreaming) EncodeFrames(x, samples.Length, cancellation);
            else EncodeSamples(x, samples.Length, cancellation);
        }
    }

    /// <summary>Runs the decoder over the next tokens of one sequence, or over one token of each of several.</summary>
    /// <param name="logits">For how many of the last tokens logits are computed.</param>
    /// <returns>[logits, vocabulary], valid until the next call.</returns>
    public Span<float> Decode(scoped ReadOnlySpan<int> ids, scoped ReadOnlySpan<HeadCaches> caches, int logits) =>
        _decoder.Decode(ids, caches, _seen, logits);

    public void Dispose()
    {
        _encoder.Dispose();
        _decoder.Dispose();
        _first.Dispose();
        _second.Dispose();
        _third?.Dispose();
        _memory?.Dispose();
        _cross?.Dispose();
        Compute.Dispose();
        _file.Dispose();
    }

    private void EncodeSamples(float* samples, int count, CancellationToken cancellation)
    {
        int width = Config.Encoder.Width;
        int first = Convolution1d.Length(count, 0, 127, 64), second = Convolution1d.Length(first, 0, 7, 3),
            frames = Convolution1d.Length(second, 0, 3, 2);
        float* a = Reserve((long)first * width + (long)second * 2 * width), b = a + (nint)first * width;
        _first.Run(samples, count, 0, 0, first, a);
        Compute.Kernel.Cap(a, 1, checked(first * width)); // tanh
        Observer?.Invoke("conv1", new(a, first * width), width);
        NormalizeUtterance(a, first, width);
        Observer?.Invoke("groupnorm", new(a, first * width), width);
        _second.Run(a, first, 0, 0, second, b);
        Observer?.Invoke("conv2", new(b, second * 2 * width), 2 * width);
        _third!.Run(b, second, 0, 0, frames, a);
        Observer?.Invoke("conv3", new(a, frames * width), width);
        _encoder.Run(a, frames, cancellation);
        Observer?.Invoke("encoder", new(a, frames * width), width);
        FillCross(a, frames, cancellation);
    }

    /// <summary>One norm over all numbers of the utterance, in double and in order, then each channel's factor and offset.</summary>
    private void NormalizeUtterance(float* x, int frames, int width)
    {
        double sum = 0, squares = 0;
        nint count = (nint)frames * width;
        for (nint i = 0; i < count; i++) sum += x[i];
        double mean = sum / count;
        for (nint i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
        double inverse = 1 / Math.Sqrt(squares / count + Epsilon);
        float* weight = (float*)_groupNorm.Weight, bias = (float*)_groupNorm.Bias;
        for (nint i = 0; i < count; i++)
            x[i] = MathF.FusedMultiplyAdd((float)((x[i] - mean) * inverse), weight[i % width], bias == null ? 0 : bias[i % width]);
    }

    private void EncodeFrames(float* samples, int count, CancellationToken cancellation)
    {
        int size = Config.FrameSamples, width = Config.Encoder.Width, decoderWidth = Config.Decoder.Width;
        int pieces = (count + size - 1) / size, first = (pieces + 1) / 2, frames = (first + 1) / 2;
        if (frames > MostFrames)
            throw new ArgumentException($"{frames} frames are more than the {MostFrames} that the model's decoder can see");
        float* a =
            Reserve((long)pieces * size + (long)pieces * width + (long)first * 2 * width + (long)frames * (width + decoderWidth) + width);
        float* linear = a + (nint)pieces * size, convolved = linear + (nint)pieces * width, states = convolved + (nint)first * 2 * width,
            seen = states + (nint)frames * width;
        for (int piece = 0; piece < pieces; piece++) CompressFrame(samples, count, piece, a + (nint)piece * size);
        Observer?.Invoke("frames", new(a, pieces * size), size);
        for (int done = 0; done < pieces; done += EncoderStack.ChunkFrames)
        {
            int part = Math.Min(EncoderStack.ChunkFrames, pieces - done);
            Compute.Multiply(a + (nint)done * size, size, part,
                new Product { Linear = _linear, To = linear + (nint)done * width, Activation = Activation.Silu });
        }
        // A frame that is not full is masked.
        if (count % size != 0) new Span<float>(linear + (nint)(pieces - 1) * width, width).Clear();
        Observer?.Invoke("linear", new(linear, pieces * width), width);
        _first.Run(linear, pieces, 4, 0, first, convolved);
        Observer?.Invoke("conv1", new(convolved, first * 2 * width), 2 * width);
        _second.Run(convolved, first, 4, 0, frames, states);
        Observer?.Invoke("conv2", new(states, frames * width), width);
        _encoder.Run(states, frames, cancellation);
        Observer?.Invoke("encoder", new(states, frames * width), width);
        for (int frame = 0; frame < frames; frame++)
        {
            _positions!.Value.RowToFloat(frame, seen);
            Compute.Kernel.Add(states + (nint)frame * width, seen, width);
        }
        if (_projection is not { } projection)
        {
            FillCross(states, frames, cancellation);
            return;
        }
        for (int done = 0; done < frames; done += EncoderStack.ChunkFrames)
        {
            int part = Math.Min(EncoderStack.ChunkFrames, frames - done);
            Compute.Multiply(states + (nint)done * width, width, part, EncoderStack.Plain(projection, seen + (nint)done * decoderWidth));
        }
        FillCross(seen, frames, cancellation);
    }

    /// <summary>A frame's samples without their mean, divided by the root of their mean square, then asinh(k x).</summary>
    private void CompressFrame(float* samples, int count, int piece, float* to)
    {
        int size = Config.FrameSamples, first = piece * size;
        double sum = 0, squares = 0;
        for (int i = 0; i < size; i++) sum += first + i < count ? samples[first + i] : 0;
        double mean = sum / size;
        for (int i = 0; i < size; i++)
        {
            double x = (first + i < count ? samples[first + i] : 0) - mean;
            squares += x * x;
        }
        double inverse = 1 / Math.Sqrt(squares / size + 1e-6);
        for (int i = 0; i < size; i++)
        {
            double x = ((first + i < count ? samples[first + i] : 0) - mean) * inverse * _slope, magnitude = Math.Abs(x);
            double value = Polynomials.Log(magnitude + Math.Sqrt(magnitude * magnitude + 1));
            to[i] = (float)(x < 0 ? -value : value);
        }
    }

    private void FillCross(float* states, int frames, CancellationToken cancellation)
    {
        if (_cross is null || _cross.Positions < frames)
        {
            _cross?.Dispose();
            _cross = _decoder.NewCache(frames);
        }
        _decoder.Stack.FillCross(states, frames, _cross, cancellation);
        _seen = _cross;
    }

    private float* Reserve(long floats)
    {
        if (_memory is null || _memory.Bytes < floats * sizeof(float))
        {
            _memory?.Dispose();
            _memory = new AlignedBuffer(floats * sizeof(float));
        }
        return (float*)_memory.Start;
    }
}
