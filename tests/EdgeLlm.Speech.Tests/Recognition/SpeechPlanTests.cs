using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>The plan of a recognizer's memory against what is allocated.</summary>
public sealed class SpeechPlanTests
{
    private const int Vocabulary = 80, Samples = 1 << 21; // bytes a token, and of sound

    [Fact]
    public void A_window_of_Whisper_takes_what_the_plan_says()
    {
        var options = new SpeechOptions { Threads = 2 };
        string path = SharedFolder.Require("models", "whisper-tiny.en");
        using var model = new WhisperModel(SpeechRecognizer.OpenFile(path), SpeechRecognizer.ComputeFor(options));
        int frames = 2 * model.Config.EncoderPositions;
        model.Encode(new float[frames * model.Config.Bands], frames, 0, default);
        using HeadCaches cache = model.NewCache();
        long allocated = model.AllocatedBytes + cache.AllocatedBytes + sizeof(float) * frames * model.Config.Bands;
        var plan = SpeechPlan.Of(path, options);
        Assert.Equal(allocated, plan.Working - Samples - Vocabulary * model.Config.Vocabulary);
        Assert.InRange(plan.Weights, 75_000_000, 76_000_000);
    }

    [Theory]
    [InlineData("moonshine")]
    [InlineData("moonshine-streaming")]
    public void The_longest_window_of_Moonshine_takes_what_the_plan_says(string name)
    {
        var options = new SpeechOptions { Threads = 2 };
        string path = SharedFolder.Require("golden", "speech", name);
        using var model = new MoonshineModel(SpeechRecognizer.OpenFile(path), SpeechRecognizer.ComputeFor(options));
        model.Encode(new float[Math.Min(30 * LogMel.SampleRate, model.MostSamples)], default);
        using HeadCaches cache = model.NewCache();
        long planned = SpeechPlan.Of(path, options).Working - Samples - Vocabulary * model.Config.Vocabulary;
        Assert.InRange(model.AllocatedBytes + cache.AllocatedBytes, 0.95 * planned, planned);
    }
}
