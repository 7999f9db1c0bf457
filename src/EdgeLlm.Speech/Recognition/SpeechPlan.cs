using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Memory that a recognizer takes, worked out from the file's header before anything is touched. Bytes.</summary>
/// <param name="Weights">Mapped from the file, shared by all processes that map it, dropped by the system when it needs room.</param>
/// <param name="Working">Buffers of a window of 30 s, keys and values, the vocabulary; without the program itself.</param>
internal sealed record SpeechPlan(long Weights, long Working)
{
    private const int BytesPerToken = 80; // MemoryPlan.ProgramBytes
    private const long Samples = 1 << 21; // 31 s, in a buffer that doubles
    private const int MoonshineSeconds = 30, Rate = Audio.LogMel.SampleRate;

    /// <summary>The plan for greedy decoding; each further beam takes another cache of tokens.</summary>
    /// <exception cref="ModelException">It is not a recognizer, or a number is out of range.</exception>
    /// <exception cref="GgufException">A key is missing.</exception>
    public static SpeechPlan Of(GgufFile file, SpeechOptions? options = null)
    {
        options ??= new SpeechOptions();
        using SpeechCompute compute = SpeechRecognizer.ComputeFor(options);
        long weights = file.Tensors.Sum(tensor => tensor.ByteCount);
        return SpeechRecognizer.IsMoonshine(file) ? OfMoonshine(file, MoonshineConfig.Of(file), compute, weights)
            : OfWhisper(file, WhisperConfig.Of(file), compute, weights);
    }

    /// <summary>The plan of a file or folder.</summary>
    /// <exception cref="IOException">It can't be read, is damaged or not a recognizer.</exception>
    public static SpeechPlan Of(string path, SpeechOptions? options = null)
    {
        using GgufFile file = SpeechRecognizer.OpenFile(path);
        return Of(file, options);
    }

    private static SpeechPlan OfWhisper(GgufFile file, WhisperConfig config, SpeechCompute compute, long weights)
    {
        int width = config.Width, frames = config.EncoderPositions, chunk = EncoderStack.ChunkFrames;
        KeyValueType cacheType = CacheType(file, "token_embd.weight");
        compute.Reserve(chunk, 3 * Math.Max(width, config.Bands), width / config.EncoderHeads, 1);
        ReserveStacks(compute, config.Encoder, config.Decoder, width);
        long floats = chunk * 3L * (config.Bands + width) + (2 * chunk + 1) * (long)width // convolutions
            + (long)frames * width // states
            + 2L * frames * config.Bands; // mel
        long bytes = sizeof(float) * floats + compute.AllocatedBytes + EncoderStack.ByteCount(config.Encoder, frames)
            + TokenDecoder.ByteCount(config.Decoder, config.Vocabulary)
            + CacheBytes(cacheType, config.Decoder, frames) + CacheBytes(cacheType, config.Decoder, config.DecoderPositions);
        return new SpeechPlan(weights, bytes + Samples + (long)BytesPerToken * config.Vocabulary);
    }

    private static SpeechPlan OfMoonshine(GgufFile file, MoonshineConfig config, SpeechCompute compute, long weights)
    {
        int width = config.Encoder.Width, samples = MoonshineSeconds * Rate;
        KeyValueType cacheType = CacheType(file, config.IsTied ? "token_embd.weight" : "output.weight");
        compute.Reserve(EncoderStack.ChunkFrames, 14 * width, config.Encoder.HeadDimension, config.Encoder.GroupSize);
        ReserveStacks(compute, config.Encoder, config.Decoder, config.Decoder.Width);
        int frames;
        long floats;
        if (config.IsStreaming)
        {
            int pieces = Math.Min(samples / config.FrameSamples, 4 * config.Positions);
            frames = (pieces + 3) / 4;
            floats = (long)pieces * (config.FrameSamples + width) + (pieces + 1L) / 2 * 2 * width
                + (long)frames * (width + config.Decoder.Width) + width;
            floats += EncoderStack.ChunkFrames * 15L * width; // convolutions
        }
        else
        {
            int first = Convolution1d.Length(samples, 0, 127, 64), second = Convolution1d.Length(first, 0, 7, 3);
            frames = Convolution1d.Length(second, 0, 3, 2);
            floats = (first + 2L * second) * width + EncoderStack.ChunkFrames * (127 + 13L * width);
        }
        long bytes = sizeof(float) * floats + compute.AllocatedBytes + EncoderStack.ByteCount(config.Encoder, frames)
            + TokenDecoder.ByteCount(config.Decoder, config.Vocabulary)
            + CacheBytes(cacheType, config.Decoder, frames) + CacheBytes(cacheType, config.Decoder, config.Positions);
        return new SpeechPlan(weights, bytes + Samples + (long)BytesPerToken * config.Vocabulary);
    }

    private static void ReserveStacks(SpeechCompute compute, StackSpec encoder, StackSpec decoder, int crossWidth)
    {
        compute.Reserve(EncoderStack.ChunkFrames, encoder.Widest, encoder.HeadDimension, encoder.GroupSize);
        compute.Reserve(Math.Max(DecoderStack.MostTokens, EncoderStack.ChunkFrames), Math.Max(decoder.Widest, crossWidth),
            decoder.HeadDimension, decoder.GroupSize);
    }

    private static long CacheBytes(KeyValueType type, StackSpec spec, int positions) =>
        HeadCaches.ByteCount(type, spec.Layers, spec.KeyValueHeads, spec.HeadDimension, positions);

    /// <summary>As <see cref="TokenDecoder.CacheType"/>.</summary>
    private static KeyValueType CacheType(GgufFile file, string head) =>
        file.FindTensor(head) is { Packed: null, Type: ElementType.F32 or ElementType.F16 or ElementType.BF16 }
            ? KeyValueType.F32 : KeyValueType.F16;
}
