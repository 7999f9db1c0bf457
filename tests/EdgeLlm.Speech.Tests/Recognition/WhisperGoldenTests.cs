using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>What transformers computes with tiny.en (../shared/golden/whisper), within the bounds of its README.</summary>
public sealed class WhisperGoldenTests(WhisperGoldenTests.Model model, ITestOutputHelper output) : IClassFixture<WhisperGoldenTests.Model>
{
    [Theory]
    [InlineData("two_cities_5s")]
    [InlineData("two_cities_12s")]
    public void Front_end_encoder_and_first_logits_are_those_of_the_reference(string name)
    {
        var golden = Safetensors.Read(SharedFolder.Require("golden", "whisper", name + ".safetensors"));
        JsonElement expected = Expected(name);
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav"));
        WhisperModel whisper = model.Open();
        int frames = 2 * whisper.Config.EncoderPositions;
        float[] mel = new float[whisper.Config.Bands * frames];
        new LogMel(whisper.Config.Bands, whisper.Compute.Pool).Compute(samples, 0, frames, mel);
        (int[] shape, float[] logMel) = golden["log_mel"];
        float difference = 0;
        for (int band = 0; band < shape[0]; band++)
        {
            for (int frame = 0; frame < shape[1]; frame++)
                difference = Math.Max(difference, Math.Abs(mel[frame * shape[0] + band] - logMel[band * shape[1] + frame]));
        }
        output.WriteLine($"{name}: log-mel {difference:g3}");
        Assert.InRange(difference, 0, 1e-4);

        whisper.Encode(mel, frames, 0, CancellationToken.None);
        float bound = Bound("encoder");
        (shape, float[] states) = golden["encoder_every_25th"];
        difference = 0;
        for (int i = 0; i < shape[0]; i++)
        {
            for (int c = 0; c < shape[1]; c++)
                difference = Math.Max(difference, Math.Abs(whisper.States[i * 25 * shape[1] + c] - states[i * shape[1] + c]));
        }
        output.WriteLine($"{name}: encoder {difference:g3} of {bound:g3}");
        Assert.InRange(difference, 0, bound);

        int[] ids = [.. expected.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
        using HeadCaches cache = whisper.NewCache();
        float[] logits = whisper.Decode(ids.AsSpan(0, 5), [cache], 4).ToArray();
        difference = golden["first_logits"].Values.Zip(logits, (a, b) => Math.Abs(a - b)).Max();
        output.WriteLine($"{name}: logits {difference:g3} of {Bound("logits"):g3}");
        Assert.InRange(difference, 0, Bound("logits"));

        float Bound(string stage) => (float)Math.Max(5e-4, 20 * expected.GetProperty("f32_error").GetProperty(stage).GetDouble());
    }

    [Theory]
    [InlineData("two_cities_5s", false)]
    [InlineData("two_cities_12s", false)]
    [InlineData("two_cities_5s", true)]
    [InlineData("two_cities_12s", true)]
    public void The_likeliest_tokens_are_those_of_the_reference(string name, bool timestamps)
    {
        JsonElement expected = Expected(name);
        Transcript transcript = model.Recognizer().Transcribe(
            Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav")),
            new TranscriptionOptions { Timestamps = timestamps, FullWindow = true, ShortestWindow = 0, TemperatureStep = 0 });
        int[] ids = [.. expected.GetProperty(timestamps ? "ids_with_timestamps" : "ids").EnumerateArray().Select(id => id.GetInt32())];
        int[] found = [.. transcript.Segments.SelectMany(segment => segment.Tokens)];
        // The second of the two times that end a window begins the next one here.
        if (timestamps)
            ids =
                [.. ids.Where((id, i) =>
                    !(i > 0 && i + 1 < ids.Length && ids[i - 1] == id && ids[i + 1] is >= 50363 and var next && next < id))];
        Assert.Equal(timestamps ? ids : ids[2..^1], found);
        if (!timestamps) Assert.Equal(expected.GetProperty("text").GetString(), transcript.Text);
    }

    [Theory]
    [InlineData("two_cities_5s")]
    [InlineData("two_cities_12s")]
    public void Five_beams_find_the_text_of_the_reference(string name)
    {
        Transcript transcript = model.Recognizer().Transcribe(
            Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav")),
            new TranscriptionOptions { Beams = 5, FullWindow = true });
        Assert.Equal(Expected(name).GetProperty("text_of_beam_5").GetString(), transcript.Text);
    }

    [Fact]
    public void Segments_of_a_recording_longer_than_a_window_are_those_of_the_reference()
    {
        const string Name = "two_cities_44s";
        Transcript transcript = model.Recognizer()
            .Transcribe(Recordings.Read(SharedFolder.Require("golden", "whisper", Name + ".wav")),
                new TranscriptionOptions { FullWindow = true });
        foreach (TranscriptSegment segment in transcript.Segments)
            output.WriteLine($"{segment.Start:0.00} {segment.End:0.00} {segment.Text}");
        JsonElement[] segments = [.. Expected(Name).GetProperty("segments").EnumerateArray()];
        Assert.Equal(segments.Select(segment => segment.GetProperty("text").GetString()),
            transcript.Segments.Select(segment => segment.Text));
        for (int i = 0; i < segments.Length; i++)
        {
            Assert.Equal(segments[i].GetProperty("start").GetDouble(), transcript.Segments[i].Start, 0.0401);
            Assert.Equal(segments[i].GetProperty("end").GetDouble(), transcript.Segments[i].End, 0.0401);
        }
        Assert.Equal(Expected(Name).GetProperty("text").GetString(), transcript.Text);
    }

    [Theory]
    [InlineData("two_cities_5s")]
    [InlineData("two_cities_12s")]
    public void A_window_as_long_as_what_was_said_has_the_words_too(string name)
    {
        Transcript transcript = model.Recognizer().Transcribe(Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav")));
        output.WriteLine(transcript.Text);
        Assert.Equal(Words(Expected(name).GetProperty("text").GetString()!), Words(transcript.Text));
    }

    [Fact]
    public void Words_have_times_in_order_within_their_segments()
    {
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_12s.wav"));
        Transcript transcript = model.Recognizer()
            .Transcribe(samples, new TranscriptionOptions { WordTimestamps = true, Timestamps = true });
        TranscriptWord[] words = [.. transcript.Segments.SelectMany(segment => segment.Words)];
        output.WriteLine(string.Join(' ', words.Select(word => $"{word.Text}[{word.Start:0.00}-{word.End:0.00} {word.Probability:0.00}]")));
        Assert.Equal(Words(transcript.Text), words.SelectMany(word => Words(word.Text)));
        Assert.All(words, word => Assert.InRange(word.Probability, 0, 1.0001));
        for (int i = 0; i < words.Length; i++)
            Assert.True(words[i].Start <= words[i].End && (i == 0 || words[i - 1].End <= words[i].Start + 1e-9), words[i].ToString());
        foreach (TranscriptSegment segment in transcript.Segments)
            Assert.All(segment.Words, word => Assert.InRange((word.Start + word.End) / 2, segment.Start - 0.5, segment.End + 0.5));
    }

    [Fact]
    public void Every_kernel_and_thread_count_gives_the_same_bits()
    {
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"))[..16000];
        float[]? first = null;
        foreach (Kernel kernel in Kernel.Available)
        {
            foreach (int threads in (int[])[1, 3])
            {
                if (kernel.Name == "scalar" && threads > 1) continue;
                using WhisperModel whisper = Model.Open(model.Path, kernel, threads);
                int frames = 128;
                float[] mel = new float[whisper.Config.Bands * frames];
                new LogMel(whisper.Config.Bands, whisper.Compute.Pool).Compute(samples, 0, frames, mel);
                whisper.Encode(mel, frames, 0, CancellationToken.None);
                using HeadCaches cache = whisper.NewCache();
                float[] logits = whisper.Decode([whisper.Tokens.Start, whisper.Tokens.NoTimestamps], [cache], 2).ToArray();
                first ??= logits;
                Assert.True(first.AsSpan().SequenceEqual(logits), $"{kernel.Name} on {threads} threads");
            }
        }
    }

    private static JsonElement Expected(string name) =>
        JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "whisper", name + ".json"))).RootElement;

    private static string[] Words(string text) =>
        [.. text.ToLowerInvariant().Split(' ').Select(word => word.Trim(',', '.')).Where(word => word.Length > 0)];

    /// <summary>tiny.en's folder, opened once.</summary>
    public sealed class Model : IDisposable
    {
        private SpeechRecognizer? _recognizer;
        private WhisperModel? _model;

        internal string Path => SharedFolder.Require("models", "whisper-tiny.en");

        internal WhisperModel Open() => _model ??= Open(Path, Kernel.Best, 2);

        internal static WhisperModel Open(string path, Kernel kernel, int threads)
        {
            var compute = new SpeechCompute(kernel, threads);
            return SpeechRecognizer.Open(path, compute, file => new WhisperModel(file, compute));
        }

        internal SpeechRecognizer Recognizer() => _recognizer ??= SpeechRecognizer.Load(Path, new SpeechOptions { Threads = 2 });

        public void Dispose()
        {
            _recognizer?.Dispose();
            _model?.Dispose();
        }
    }
}
