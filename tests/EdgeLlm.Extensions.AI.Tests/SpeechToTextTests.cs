#pragma warning disable MEAI001 // the interface may still change
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI.Tests;

/// <summary>Speech to text as Microsoft.Extensions.AI has it.</summary>
public sealed class SpeechToTextTests
{
    private const string Text = "It was the season of light, it was the season of darkness.";

    [Fact]
    public async Task A_stream_of_sound_becomes_text_whole_or_segment_by_segment()
    {
        using SpeechRecognizer recognizer =
            SpeechRecognizer.Load(SharedFolder.Require("models", "whisper-tiny.en"), new SpeechOptions { Threads = 2 });
        using ISpeechToTextClient client = new EdgeLlmSpeechToTextClient(recognizer);
        string recording = SharedFolder.Require("golden", "whisper", "two_cities_5s.wav");
        using (FileStream stream = File.OpenRead(recording))
        {
            SpeechToTextResponse response = await client.GetTextAsync(stream, new SpeechToTextOptions { SpeechLanguage = "en-US" });
            Assert.Equal((Text, TimeSpan.FromSeconds(4.8)), (response.Text, response.EndTime));
        }
        using (FileStream stream = File.OpenRead(recording))
        {
            List<string> texts = [];
            await foreach (SpeechToTextResponseUpdate update in client.GetStreamingTextAsync(stream)) texts.Add(update.Text);
            Assert.Equal([Text], texts);
        }
        Assert.Same(recognizer, client.GetService(typeof(SpeechRecognizer)));
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetTextAsync(Stream.Null, new SpeechToTextOptions { ModelId = "other" }));
        await Assert.ThrowsAsync<ArgumentException>(() =>
            client.GetTextAsync(Stream.Null, new SpeechToTextOptions { SpeechLanguage = "de", TextLanguage = "en" }));
    }
}
