using EdgeLlm.Kernels;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Speech.Tests.Synthesis;

/// <summary>The voice's network and sound against the float64 reference, and against themselves in other pieces.</summary>
public sealed class SentenceNetworkTests
{
    [Theory]
    [InlineData("hello")]
    [InlineData("kitchen")]
    [InlineData("faster")]
    [InlineData("one")]
    [InlineData("quick")]
    public void A_sentence_in_float_is_the_references(string name)
    {
        int[] durations = VoiceFixture.Sentence(name).Durations;
        (float[] samples, int[] ours, StageRecorder stages) = VoiceFixture.Speak(name);
        Assert.Equal(durations, ours);
        foreach (string stage in new[] { "log_duration", "f0", "energy" })
            Assert.InRange(VoiceFixture.Difference(VoiceFixture.Expected($"{name}.{stage}"), stages[stage]), 0, 1e-4);
        if (name != "hello")
        {
            float[] every16th =
                [.. stages["head"].Chunk(VoiceModel.FrameWidth).Where((_, frame) => frame % 16 == 0).SelectMany(row => row)];
            Assert.InRange(VoiceFixture.Difference(VoiceFixture.Expected($"{name}.head_every_16th_frame"), every16th), 0, 1e-4);
        }
        Assert.InRange(VoiceFixture.SignalToError(VoiceFixture.Expected($"{name}.audio"), samples), 55, 200);
        (float[] quiet, _, _) = VoiceFixture.Speak(name, isWithoutNoise: true);
        Assert.InRange(VoiceFixture.SignalToError(VoiceFixture.Expected($"{name}.audio_without_noise"), quiet), 55, 200);
    }

    [Theory]
    [InlineData("text", 1e-4)]
    [InlineData("prosody_text", 1e-4)]
    [InlineData("dec_in", 1e-4)]
    [InlineData("dec_0", 1e-4)]
    [InlineData("dec_3", 1e-4)]
    [InlineData("dec_7", 1e-4)]
    [InlineData("head", 1e-4)]
    [InlineData("pulses", 3e-3)]
    [InlineData("source_spectrum", 3e-3)]
    [InlineData("noise", 1e-5)]
    public void A_stage_in_float_is_the_references(string stage, double bound)
    {
        (_, _, StageRecorder stages) = VoiceFixture.Speak("hello");
        Assert.InRange(VoiceFixture.Difference(VoiceFixture.Expected($"hello.{stage}"), stages[stage]), 0, bound);
    }

    [Fact]
    public unsafe void Pulses_of_the_references_pitch_are_the_references()
    {
        float[] pitch = VoiceFixture.Expected("hello.f0");
        var recorder = new StageRecorder();
        using var sound = new SoundStage(Kernel.Best) { Recorder = recorder };
        sound.Begin(pitch.Length, 7);
        float[] head = VoiceFixture.Expected("hello.head").ToArray(), samples = new float[pitch.Length * VoiceModel.Hop];
        fixed (float* frames = head) sound.Add(pitch, frames, pitch.Length, samples);
        Assert.InRange(VoiceFixture.Difference(VoiceFixture.Expected("hello.pulses"), recorder["pulses"]), 0, 1e-4);

        // The phase sums the pitch, which the file has in 24 bits: from these the reference's own formulas in doubles give 1.1e-4 at some
        // bins, and we no more.
        Assert.InRange(VoiceFixture.Difference(VoiceFixture.Expected("hello.source_spectrum"), recorder["source_spectrum"]), 0, 1.35e-4);
        Assert.InRange(VoiceFixture.SignalToError(VoiceFixture.Expected("hello.audio"), samples), 55, 200);
    }

    [Theory]
    [InlineData("hello")]
    [InlineData("kitchen")]
    public void A_packed_sentence_with_the_references_durations_is_near_it(string name)
    {
        int[] durations = VoiceFixture.Sentence(name).Durations;
        (_, _, StageRecorder packed) = VoiceFixture.Speak(name, floatActivations: false, durations: durations);
        (_, _, StageRecorder exact) = VoiceFixture.Speak(name, durations: durations);
        float[] ours = packed["head"], theirs = exact["head"];
        double sum = 0;
        int count = 0;
        for (int i = 0; i < ours.Length; i++)
        {
            if (i % VoiceModel.FrameWidth / VoiceModel.Bins is not (0 or 2 or 3)) continue;
            sum += Math.Abs(ours[i] - theirs[i]);
            count++;
        }
        Assert.InRange(sum / count, 0, 0.05);
        float[] pitch = VoiceFixture.Expected($"{name}.f0");
        Assert.InRange(pitch.Zip(packed["f0"]).Where(pair => pair.First > 40).Average(pair => Math.Abs(pair.First - pair.Second)), 0, 1);
    }

    [Fact]
    public void Packed_durations_of_all_texts_are_those_in_float_but_for_a_step_of_one_in_a_hundred()
    {
        using var packed = new SentenceSynthesis(VoiceFixture.Model, Kernel.Best);
        using var exact = new SentenceSynthesis(VoiceFixture.Model, Kernel.Best, floatActivations: true);
        int all = 0, different = 0;
        foreach (int[] ids in VoiceFixture.IdsOfTexts())
        {
            packed.Begin(ids, new SentenceSettings(), 0);
            exact.Begin(ids, new SentenceSettings(), 0);
            foreach ((int ours, int theirs) in packed.Durations.Zip(exact.Durations))
            {
                Assert.InRange(Math.Abs(ours - theirs), 0, 1);
                different += Math.Abs(ours - theirs);
            }
            all += ids.Length;
        }
        Assert.InRange((double)different / all, 0, 0.01);
    }

    [Fact]
    public void Pieces_of_any_size_and_threads_of_any_number_give_the_same_bits()
    {
        float[] whole = VoiceFixture.Speak("hello", floatActivations: false, pieceFrames: 64).Samples;
        foreach (int pieceFrames in new[] { 1, 2, 7, 16, 33 })
            Assert.Equal(whole, VoiceFixture.Speak("hello", floatActivations: false, pieceFrames: pieceFrames).Samples);
        Assert.Equal(whole, VoiceFixture.Speak("hello", floatActivations: false, threads: 3).Samples);
    }

    [Fact]
    public void Every_kernel_gives_the_same_bits()
    {
        float[] best = VoiceFixture.Speak("one", floatActivations: false).Samples;
        foreach (Kernel kernel in Kernel.Available) Assert.Equal(best, VoiceFixture.Speak("one", kernel, floatActivations: false).Samples);
    }
}
