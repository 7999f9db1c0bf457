using System.Text.Json.Nodes;
using EdgeLlm.Speech.Synthesis;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Synthesis;

public sealed class SpeechSynthesizerTests
{
    private const string Text =
        "The lights are on. It is **half past three**, and [help](/help/) is near.\n\n- milk\n- bread\n\nGood night!";

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public async Task A_stream_in_any_pieces_sounds_as_its_whole_text(int size)
    {
        using var synthesizer = SpeechSynthesizer.Load(VoiceFixture.Folder);
        var options = new SpeechOptions { IsMarkdown = true };
        float[] whole = await SamplesAsync(synthesizer.SynthesizeAsync(Text, options)),
            streamed = await SamplesAsync(synthesizer.SpeakAsync(PiecesAsync(size), options));
        Assert.Equal(whole, streamed);
    }

    [Fact]
    public async Task A_reader_that_leaves_ends_the_work_and_the_next_text_is_spoken()
    {
        using var synthesizer = SpeechSynthesizer.Load(VoiceFixture.Folder);
        string book = string.Concat(Enumerable.Repeat("The kitchen lights are on, and the timer has twelve minutes left. ", 2000));
        await foreach (ReadOnlyMemory<float> samples in synthesizer.SynthesizeAsync(book))
        {
            if (samples.Length > 0) break;
        }
        Assert.InRange((await SamplesAsync(synthesizer.SynthesizeAsync("Hello there."))).Length, 10_000, 40_000);
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ReadOnlyMemory<float> samples in synthesizer.SpeakAsync(EndlessAsync(), null, stop.Token))
                await stop.CancelAsync();
        });
        Assert.InRange((await SamplesAsync(synthesizer.SynthesizeAsync("Hello there."))).Length, 10_000, 40_000);
    }

    [Fact]
    public async Task A_sentence_that_has_ended_is_spoken_though_no_more_text_comes()
    {
        using var synthesizer = SpeechSynthesizer.Load(VoiceFixture.Folder);
        using var stop = new CancellationTokenSource();
        await foreach (ReadOnlyMemory<float> samples in synthesizer.SpeakAsync(EndlessAsync(), null, stop.Token))
        {
            Assert.InRange(samples.Length, 1, 100_000);
            break;
        }
    }

    [Fact]
    public async Task First_milliseconds_are_quiet_and_nothing_is_cut_off()
    {
        using var synthesizer = SpeechSynthesizer.Load(VoiceFixture.Folder);
        IEnumerable<string> texts = File.ReadLines(SharedFolder.Require("golden", "tts", "g2p.jsonl"))
            .Select(static line => JsonNode.Parse(line)!["sentences"]!.AsArray())
            .Where(static sentences => sentences.Count > 0).Select(static sentences => sentences[0]!["text"]!.GetValue<string>())
            .Where(static text => text.Any(char.IsLetterOrDigit));
        foreach (string text in texts.Concat(["No.", "My name is Ann.", "She sells sea shells.", "When will it stop?", "Six thirty.",
            "Are you there?"]))
        {
            float[] samples = await SamplesAsync(synthesizer.SynthesizeAsync(text));
            float peak = samples.Max(Math.Abs);
            Assert.InRange(samples[..24].Max(Math.Abs) / peak, 0, Math.Pow(10, -35 / 20.0));
            Assert.InRange(peak, 0.05, 0.99);
            Assert.InRange(Math.Abs(samples[^1]) / peak, 0, Math.Pow(10, -50 / 20.0));
        }
    }

    [Fact]
    public void Options_out_of_their_range_are_refused()
    {
        using var synthesizer = SpeechSynthesizer.Load(VoiceFixture.Folder);
        foreach (SpeechOptions options in new SpeechOptions[] { new() { Speed = 0.4 }, new() { Speed = double.NaN }, new() { Volume = -1 },
            new() { SentencePause = 6 } })
            Assert.Throws<ArgumentException>(() => synthesizer.SynthesizeAsync("Hello.", options));
    }

    private static async Task<float[]> SamplesAsync(IAsyncEnumerable<ReadOnlyMemory<float>> sound)
    {
        var all = new List<float>();
        await foreach (ReadOnlyMemory<float> samples in sound) all.AddRange(samples.Span);
        return [.. all];
    }

    private static async IAsyncEnumerable<string> PiecesAsync(int size)
    {
        await Task.Yield();
        foreach (char[] piece in Text.Chunk(size)) yield return new string(piece);
    }

    /// <summary>A sentence, and then nothing for ever.</summary>
    private static async IAsyncEnumerable<string> EndlessAsync()
    {
        yield return "Hello there.";
        await Task.Delay(TimeSpan.FromHours(1));
    }
}
