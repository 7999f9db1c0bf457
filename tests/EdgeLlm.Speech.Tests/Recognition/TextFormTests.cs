using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>Texts of a form: of all that may be said only that is heard.</summary>
public sealed class TextFormTests
{
    private const string Commands =
        "turn on the kitchen light|it was the age of wisdom|it was the season of light, it was the season of darkness|stop";

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Of_a_list_of_texts_the_one_that_was_said_is_heard_and_how_sure_it_is(int beams)
    {
        using SpeechRecognizer recognizer =
            SpeechRecognizer.Load(SharedFolder.Require("models", "whisper-tiny.en"), new SpeechOptions { Threads = 2 });
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"));
        Transcript heard =
            recognizer.Transcribe(samples, new TranscriptionOptions { Form = OutputConstraint.Regex(Commands), Beams = beams });
        Assert.Equal("it was the season of light, it was the season of darkness", heard.Text);
        Transcript other = recognizer.Transcribe(samples,
            new TranscriptionOptions { Form = OutputConstraint.Regex("turn on the kitchen light|stop"), Beams = beams });
        Assert.Contains(other.Text, (string[])["turn on the kitchen light", "stop"]);
        Assert.True(other.Segments[0].MeanLogProbability < heard.Segments[0].MeanLogProbability - 1, "what was not said is less sure");
    }

    [Fact]
    public void A_stream_hears_texts_of_the_form()
    {
        using SpeechRecognizer recognizer =
            SpeechRecognizer.Load(SharedFolder.Require("models", "whisper-tiny.en"), new SpeechOptions { Threads = 2 });
        var form = OutputConstraint.Regex(Commands);
        SpeechStream stream = recognizer.StartStream(new TranscriptionOptions { Form = form });
        stream.Add(Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav")),
            update => Assert.True(form.DistanceAfter(System.Text.Encoding.UTF8.GetBytes(update.Agreed)) >= 0, update.Agreed));
        Assert.Equal("it was the season of light, it was the season of darkness", stream.Finish());
    }

    [Theory]
    [InlineData("moonshine")]
    [InlineData("moonshine-streaming")]
    public void Any_model_hears_only_texts_of_a_grammar(string model)
    {
        using SpeechRecognizer recognizer =
            SpeechRecognizer.Load(SharedFolder.Require("golden", "speech", model), new SpeechOptions { Threads = 2 });
        var form = OutputConstraint.Gbnf("""root ::= "lights " ("on" | "off") (" in the " ("kitchen" | "hall"))?""");
        string text = recognizer.Transcribe(Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav")),
            new TranscriptionOptions { Form = form }).Text;
        Assert.True(form.Accepts(text), text);
    }

    [Fact]
    public void Times_of_segments_and_a_form_are_not_asked_for_together() =>
        Assert.Throws<ArgumentException>(() =>
            new TranscriptionOptions { Form = OutputConstraint.Regex("a"), Timestamps = true }.Validate());
}
