#pragma warning disable MEAI001 // the interface may still change
using EdgeLlm.Speech;
using EdgeLlm.Tests;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI.Tests;

/// <summary>Text to speech as Microsoft.Extensions.AI has it.</summary>
public sealed class TextToSpeechTests
{
    [Fact]
    public async Task A_text_becomes_a_file_whole_or_piece_by_piece_with_the_same_samples()
    {
        using SpeechSynthesizer synthesizer = SpeechSynthesizer.Load(SharedFolder.Require("models", "voice-heart"));
        using ITextToSpeechClient client = new EdgeLlmTextToSpeechClient(synthesizer);
        const string text = "The lights are on.";
        var pcm = new TextToSpeechOptions { AudioFormat = "pcm" };
        byte[] samples = BytesOf(await client.GetAudioAsync(text, pcm), "audio/pcm"),
            wav = BytesOf(await client.GetAudioAsync(text), "audio/wav");
        Assert.True(samples.Length > 24_000, $"{samples.Length} bytes");
        Assert.Equal(samples, wav[44..]);
        byte[] flac = BytesOf(await client.GetAudioAsync(text, new TextToSpeechOptions { AudioFormat = "audio/flac" }), "audio/flac");
        Assert.Equal("fLaC", System.Text.Encoding.ASCII.GetString(flac, 0, 4));

        var pieces = new List<byte>();
        int count = 0;
        await foreach (TextToSpeechResponseUpdate update in client.GetStreamingAudioAsync(text))
        {
            Assert.Equal(TextToSpeechResponseUpdateKind.AudioUpdating, update.Kind);
            pieces.AddRange(Assert.IsType<DataContent>(Assert.Single(update.Contents)).Data.Span);
            count++;
        }
        Assert.True(count > 1);
        Assert.Equal(samples, pieces.Skip(44));
        Assert.True(BytesOf(await client.GetAudioAsync(text, new TextToSpeechOptions { AudioFormat = "pcm", Speed = 2 }),
            "audio/pcm").Length < 0.7 * samples.Length);
    }

    [Fact]
    public async Task What_the_voice_cannot_do_is_refused_by_name()
    {
        using SpeechSynthesizer synthesizer = SpeechSynthesizer.Load(SharedFolder.Require("models", "voice-heart"));
        using ITextToSpeechClient client = new EdgeLlmTextToSpeechClient(synthesizer);
        Assert.Same(synthesizer, client.GetService(typeof(SpeechSynthesizer)));
        foreach ((TextToSpeechOptions options, string said) in new[]
        {
            (new TextToSpeechOptions { AudioFormat = "mp3" }, "'mp3'"), (new TextToSpeechOptions { VoiceId = "alloy" }, "'alloy'"),
            (new TextToSpeechOptions { ModelId = "tts-1" }, "'tts-1'"),
            (new TextToSpeechOptions { Language = "de-DE" }, "'de-DE'"), (new TextToSpeechOptions { Pitch = 1.5f }, "Pitch"),
            (new TextToSpeechOptions { Speed = 9 }, "speed"),
        })
        {
            Assert.Contains(said, (await Assert.ThrowsAsync<ArgumentException>(() => client.GetAudioAsync("Hello.", options))).Message);
        }
    }

    private static byte[] BytesOf(TextToSpeechResponse response, string type)
    {
        DataContent content = Assert.IsType<DataContent>(Assert.Single(response.Contents));
        Assert.Equal(type, content.MediaType);
        return content.Data.ToArray();
    }
}
