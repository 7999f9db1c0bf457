using EdgeLlm.Kernels.Formats;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>Text while it is spoken.</summary>
public sealed class SpeechStreamTests(SpeechStreamTests.Model model, ITestOutputHelper output) : IClassFixture<SpeechStreamTests.Model>
{
    [Theory]
    [InlineData("two_cities_5s", 0)]
    [InlineData("two_cities_12s", 1)]
    public void The_text_is_the_same_for_any_piece_size_and_what_was_agreed_stays(string name, int mostErrors)
    {
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav"));
        string whole = model.Recognizer().Transcribe(samples).Text;
        string? first = null;
        List<StreamUpdate>? firstUpdates = null;
        foreach (int piece in name == "two_cities_5s" ? (int[])[1777, int.MaxValue] : [3200])
        {
            SpeechStream stream = model.Recognizer().StartStream();
            var updates = new List<StreamUpdate>();
            for (int at = 0; at < samples.Length; at += Math.Min(piece, samples.Length - at))
                stream.Add(samples.AsSpan(at, Math.Min(piece, samples.Length - at)), updates.Add);
            string text = stream.Finish();
            Assert.Equal(samples.Length / SpeechStream.PassSamples, updates.Count);
            for (int i = 1; i < updates.Count; i++) Assert.StartsWith(updates[i - 1].Agreed, updates[i].Agreed);
            Assert.StartsWith(updates[^1].Agreed, text);
            first ??= text;
            firstUpdates ??= updates;
            Assert.Equal(first, text);
            Assert.Equal(firstUpdates, updates);
            output.WriteLine(text);
        }
        Assert.InRange(WordErrors.Count(whole, first!), 0, mostErrors);
    }

    [Fact]
    public void A_stream_longer_than_a_window_drops_sound_whose_words_are_settled()
    {
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_44s.wav"))[..(21 * 16000)];
        string whole = model.Recognizer().Transcribe(samples).Text;
        SpeechStream stream = model.Recognizer().StartStream();
        string agreed = "";
        stream.Add(samples, update =>
        {
            Assert.StartsWith(agreed, update.Agreed);
            agreed = update.Agreed;
        });
        string text = stream.Finish();
        output.WriteLine(text);
        int errors = WordErrors.Count(whole, text), words = WordErrors.WordsOf(whole).Length;
        Assert.True(errors <= words * 0.05, $"{errors} of {words} words differ: {text}");
    }

    [Fact]
    public void A_stream_can_be_used_again_and_silence_is_no_text()
    {
        SpeechStream stream = model.Recognizer().StartStream();
        stream.Add(new float[24000]);
        Assert.Equal("", stream.Finish());
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"));
        stream.Add(samples);
        Assert.Contains("season of light", stream.Finish());
        Assert.Equal("", stream.Finish());
    }

    [Fact]
    public void A_live_stream_leaves_out_passes_that_it_has_no_time_for()
    {
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"));
        SpeechStream stream = model.Recognizer().StartStream(isLive: true);
        var updates = new List<StreamUpdate>();
        stream.Add(samples, updates.Add);
        Assert.Single(updates);
        Assert.Equal(samples.Length / SpeechStream.PassSamples - 1, stream.SkippedPasses);
        Assert.Contains("season of light", stream.Finish());
    }

    /// <summary>tiny.en, packed once.</summary>
    public sealed class Model : IDisposable
    {
        private readonly WhisperFormsTests.Files _files = new();
        private SpeechRecognizer? _recognizer;

        internal SpeechRecognizer Recognizer() =>
            _recognizer ??= SpeechRecognizer.Load(_files.Packed(Packing.E4Group32), new SpeechOptions { Threads = 2 });

        public void Dispose()
        {
            _recognizer?.Dispose();
            _files.Dispose();
        }
    }
}
