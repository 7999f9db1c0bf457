using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>The layout of a multilingual model's tokens, with random weights in a ggml file that is made here.</summary>
public sealed class WhisperMultilingualTests : IDisposable
{
    private const int Width = 16, Positions = 100, Vocabulary = 51866; // large-v3's: a hundred languages

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".bin");

    public WhisperMultilingualTests() => File.WriteAllBytes(_path, RandomModel());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Its_languages_and_tasks_are_where_whisper_has_them()
    {
        using GgufFile file = SpeechRecognizer.OpenFile(_path);
        var tokens = new WhisperTokens(_path, Models.ModelLoader.MakeTokenizer(file), WhisperConfig.Of(file));
        Assert.True(tokens.IsMultilingual);
        Assert.Equal((50257, 50258, 50259, 50261, 50358),
            (tokens.End, tokens.Start, tokens.Languages["en"], tokens.Languages["de"], tokens.Languages["yue"]));
        Assert.Equal((50359, 50360, 50362, 50363, 50364, 50365),
            (tokens.Translate, tokens.Transcribe, tokens.Previous, tokens.NoSpeech, tokens.NoTimestamps, tokens.FirstTimestamp));
        Assert.Equal(100, tokens.Languages.Count);
    }

    [Fact]
    public void The_language_is_the_likeliest_after_the_start_and_language_and_task_begin_the_transcript()
    {
        var compute = new SpeechCompute(Kernel.Best, 1);
        using WhisperModel model = SpeechRecognizer.Open(_path, compute, file => new WhisperModel(file, compute));
        float[] mel = new float[80 * 2 * Positions];
        var random = new Random(1);
        for (int i = 0; i < mel.Length; i++) mel[i] = (float)random.NextDouble();
        model.Encode(mel, 2 * Positions, 0, CancellationToken.None);
        using var decoder = new WindowDecoder(model);
        (string language, double probability) = decoder.DetectLanguage();
        using HeadCaches cache = model.NewCache();
        float[] logits = model.Decode([model.Tokens.Start], [cache], 1).ToArray();
        Assert.Equal(model.Tokens.Languages.MaxBy(pair => logits[pair.Value]).Key, language);
        Assert.InRange(probability, 0.01, 1);

        using SpeechRecognizer recognizer = SpeechRecognizer.Load(_path, new SpeechOptions { Threads = 1 });
        Assert.True(recognizer.CanTranslate);
        float[] samples = new float[16000];
        for (int i = 0; i < samples.Length; i++) samples[i] = (float)(random.NextDouble() - 0.5);
        TranscriptionOptions options = new() { TemperatureStep = 0, MostCompression = 1000, LeastLogProbability = -1000 };
        Assert.Contains(recognizer.Transcribe(samples, options).Language, recognizer.Languages);
        Assert.Equal("de", recognizer.Transcribe(samples, options with { Language = "de", Translate = true }).Language);
        Assert.Contains("tlh",
            Assert.Throws<ArgumentException>(() => recognizer.Transcribe(samples, options with { Language = "tlh" })).Message);
    }

    [Fact]
    public void A_ggml_file_of_long_tokens_is_refused_before_hours_of_merging()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        WriteHeader(writer);
        for (int i = 1; i < 50257; i++)
        {
            writer.Write(Math.Min(i, 4096));
            writer.Write(new byte[Math.Min(i, 4096)]); // each is the one before it and a byte more
        }
        File.WriteAllBytes(_path, stream.ToArray());
        Assert.Contains("too many long tokens", Assert.Throws<ModelException>(() => SpeechRecognizer.OpenFile(_path)).Message);
    }

    /// <summary>Sizes, mel filters, and how many tokens follow.</summary>
    private static void WriteHeader(BinaryWriter writer)
    {
        foreach (int number in (int[])[0x67676d6c, Vocabulary, Positions, Width, 2, 1, 64, Width, 2, 1, 80, 0]) writer.Write(number);
        foreach (int number in (int[])[80, 201]) writer.Write(number);
        writer.Write(new byte[4 * 80 * 201]);
        writer.Write(50257);
    }

    /// <summary>One layer each, a vocabulary of single bytes and pairs of letters.</summary>
    private static byte[] RandomModel()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        WriteHeader(writer);
        for (int i = 0; i < 50257; i++)
        {
            byte[] token = i < 256 ? [(byte)i] : [(byte)(i >> 8), (byte)i, (byte)(i * 7)];
            writer.Write(token.Length);
            writer.Write(token);
        }
        var random = new Random(7);
        var config = new WhisperConfig
        {
            Vocabulary = Vocabulary,
            Width = Width,
            Bands = 80,
            EncoderLayers = 1,
            EncoderHeads = 2,
            EncoderFeedForward = 4 * Width,
            EncoderPositions = Positions,
            DecoderLayers = 1,
            DecoderHeads = 2,
            DecoderFeedForward = 4 * Width,
            DecoderPositions = 64,
        };
        foreach (SpeechTensor tensor in WhisperTensors.Of(config))
        {
            bool isHalf = !tensor.IsVector && !tensor.Name.Contains("position_embd", StringComparison.Ordinal);
            writer.Write(tensor.Shape.Length);
            writer.Write(tensor.Ggml.Length);
            writer.Write(isHalf ? 1 : 0);
            foreach (long size in tensor.Shape.Reverse()) writer.Write((int)size);
            writer.Write(Encoding.UTF8.GetBytes(tensor.Ggml));
            for (long i = 0; i < tensor.Count; i++)
            {
                float value = (float)(random.NextDouble() - 0.5);
                if (isHalf) writer.Write((Half)value);
                else writer.Write(value);
            }
        }
        return stream.ToArray();
    }
}
