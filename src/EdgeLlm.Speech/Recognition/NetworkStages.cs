using EdgeLlm.Gguf;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Numbers of a network's stage.</summary>
/// <param name="Values">[Rows, Columns].</param>
internal sealed record StageValues(string Name, int Rows, int Columns, float[] Values);

/// <summary>Stages of a recognizer's computation, for those who compare models: front end, encoder, and logits of given tokens.</summary>
internal static class NetworkStages
{
    /// <param name="samples">At 16 kHz, at most a window.</param>
    /// <param name="prompts">Tokens of the decoder, from the one that starts a transcript on.</param>
    /// <exception cref="ArgumentException">There are too many samples or tokens, or a token that the model doesn't have.</exception>
    public static List<StageValues> Of(string path, SpeechOptions options, float[] samples, IReadOnlyList<int[]> prompts,
        CancellationToken cancellation)
    {
        SpeechCompute compute = SpeechRecognizer.ComputeFor(options);
        return SpeechRecognizer.Open(path, compute, file => SpeechRecognizer.IsMoonshine(file)
            ? OfMoonshine(file, compute, samples, prompts, cancellation) : OfWhisper(file, compute, samples, prompts, cancellation));
    }

    private static List<StageValues> OfWhisper(GgufFile file, SpeechCompute compute, float[] samples, IReadOnlyList<int[]> prompts,
        CancellationToken cancellation)
    {
        using var model = new WhisperModel(file, compute);
        int frames = 2 * model.Config.EncoderPositions, bands = model.Config.Bands,
            seen = Math.Min(frames, (samples.Length + LogMel.Reach + LogMel.Hop - 1) / LogMel.Hop);
        if (samples.Length > frames * LogMel.Hop)
            throw new ArgumentException(
                $"the recording has {samples.Length / (double)LogMel.SampleRate:0.##} s, more than a window of "
                    + $"{frames * LogMel.Hop / LogMel.SampleRate} s");
        float[] mel = new float[bands * frames];
        new LogMel(bands, compute.Pool).Compute(samples, 0, frames, mel);
        float[] byBand = new float[bands * seen];
        for (int band = 0; band < bands; band++)
        {
            for (int frame = 0; frame < seen; frame++) byBand[band * seen + frame] = mel[frame * bands + band];
        }
        model.Encode(mel, frames, 0, cancellation);
        var stages = new List<StageValues> { new("log_mel", bands, seen, byBand),
            new("encoder", model.Positions, model.Config.Width, model.States.ToArray()) };
        using HeadCaches cache = model.NewCache();
        AddLogits(stages, prompts, cache, model.Config.Vocabulary, ids => model.Decode(ids, [cache], ids.Length).ToArray());
        return stages;
    }

    private static List<StageValues> OfMoonshine(GgufFile file, SpeechCompute compute, float[] samples, IReadOnlyList<int[]> prompts,
        CancellationToken cancellation)
    {
        using var model = new MoonshineModel(file, compute);
        var stages = new List<StageValues>();
        model.Observer = (name, values, width) => stages.Add(new StageValues(name, values.Length / width, width, values.ToArray()));
        model.Encode(samples, cancellation);
        using HeadCaches cache = model.NewCache();
        AddLogits(stages, prompts, cache, model.Config.Vocabulary, ids => model.Decode(ids, [cache], ids.Length).ToArray());
        return stages;
    }

    private static void AddLogits(List<StageValues> stages, IReadOnlyList<int[]> prompts, HeadCaches cache, int vocabulary,
        Func<int[], float[]> decode)
    {
        for (int i = 0; i < prompts.Count; i++)
        {
            cache.Length = 0;
            float[] logits = [.. prompts[i].Chunk(TokenDecoder.MostLogits).SelectMany(decode)];
            stages.Add(new StageValues(prompts.Count == 1 ? "logits" : $"logits_{i}", prompts[i].Length, vocabulary, logits));
        }
    }
}
