using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>Requests of a second or two, spoken by our own voice, and heard in windows that are shortened to them.</summary>
public sealed class ShortWindowTests(ShortWindowTests.Parts parts, ITestOutputHelper output) : IClassFixture<ShortWindowTests.Parts>
{
    private const string Prompt = "Turn on the lights. What time is it? Set a timer for 10 minutes. Turn off the kitchen light.";

    [Theory]
    [InlineData("Turn on the kitchen light.")]
    [InlineData("What time is it?")]
    [InlineData("How do birds fly?")]
    [InlineData("Could you turn off the desk lamp?")]
    [InlineData("What is the capital of France?")]
    [InlineData("What is the temperature in the living room?")]
    public async Task A_short_request_is_heard_once_and_without_the_whole_window(string request)
    {
        float[] samples = await parts.SayAsync(request);
        Transcript transcript = new WhisperTranscriber(parts.Whisper).Transcribe(Reader(samples),
            new TranscriptionOptions { Prompt = Prompt, ShortestWindow = 0, Timestamps = false }, null, null, default);
        output.WriteLine($"{transcript.Text} ({parts.Whisper.Positions} positions)");
        Assert.InRange(WordErrors.Count(request, transcript.Text), 0, 1);
        Assert.InRange(parts.Whisper.Positions, 1, samples.Length / 320 + 200);
    }

    private static ReadSamples Reader(float[] samples)
    {
        int at = 0;
        return buffer =>
        {
            int count = Math.Min(buffer.Length, samples.Length - at);
            samples.AsSpan(at, count).CopyTo(buffer);
            at += count;
            return count;
        };
    }

    /// <summary>The voice and tiny.en in floats, opened once.</summary>
    public sealed class Parts : IDisposable
    {
        private SpeechSynthesizer? _voice;
        private WhisperModel? _whisper;

        internal WhisperModel Whisper => _whisper ??= Open();

        internal async Task<float[]> SayAsync(string text)
        {
            _voice ??= SpeechSynthesizer.Load(SharedFolder.Require("models", "voice-heart"));
            var resampler = new Resampler(_voice.SampleRate, AudioReader.SpeechRate);
            int count = 0;
            await foreach (ReadOnlyMemory<float> piece in _voice.SynthesizeAsync(text))
            {
                resampler.Write(piece.Span);
                count += piece.Length;
            }
            resampler.End();
            float[] samples = new float[resampler.OutputLength(count)];
            return samples[..resampler.Read(samples)];
        }

        public void Dispose()
        {
            _voice?.Dispose();
            _whisper?.Dispose();
        }

        private static WhisperModel Open()
        {
            string path = SharedFolder.Require("models", "whisper-tiny.en");
            SpeechCompute compute = SpeechRecognizer.ComputeFor(new SpeechOptions());
            return SpeechRecognizer.Open(path, compute, file => new WhisperModel(file, compute));
        }
    }
}
