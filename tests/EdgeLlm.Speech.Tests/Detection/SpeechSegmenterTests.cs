using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Speech.Tests.Detection;

public sealed class SpeechSegmenterTests
{
    [Fact]
    public void Gaps_and_speech_that_are_too_short_do_not_count()
    {
        // Windows of 10 ms.
        Assert.Equal([new SpeechSegment(100, 900)],
            Segments([(0, 10), (1, 80), (0, 20), (1, 9), (0, 100)],
                new SegmentOptions { PaddingMilliseconds = 0, LeastSpeechMilliseconds = 100 }));
        Assert.Equal([new SpeechSegment(100, 500)],
            Segments([(0, 10), (1, 20), (0, 9), (1, 11), (0, 20)], new SegmentOptions { PaddingMilliseconds = 0 }));
    }

    [Fact]
    public void Padding_is_the_pre_roll_and_the_hangover_and_neighbours_share_a_gap()
    {
        var options = new SegmentOptions { PaddingMilliseconds = 100 };
        Assert.Equal([new SpeechSegment(0, 500), new SpeechSegment(900, 1500)],
            Segments([(0, 5), (1, 35), (0, 60), (1, 40), (0, 40)], options));
        Assert.Equal([new SpeechSegment(0, 475), new SpeechSegment(475, 1000)],
            Segments([(0, 5), (1, 35), (0, 15), (1, 35), (0, 40)], options));
    }

    [Fact]
    public void Speech_at_the_end_of_the_sound_ends_with_it() =>
        Assert.Equal([new SpeechSegment(70, 500)], Segments([(0, 10), (1, 40)], new SegmentOptions()));

    [Fact]
    public void A_segment_is_given_as_soon_as_nothing_can_change_it()
    {
        var segmenter = new SpeechSegmenter(1000, 10);
        for (int i = 0; i < 50; i++) segmenter.Add(1);
        int windows = 0;
        SpeechSegment segment;
        while (!segmenter.TryTake(out segment))
        {
            segmenter.Add(0);
            windows++;
        }
        Assert.Equal(new SpeechSegment(0, 530), segment);
        Assert.Equal(11, windows); // 100 ms of silence
    }

    [Fact]
    public void Energy_follows_the_noise()
    {
        var random = new Random(1);
        // with an offset
        float[] Noise(double seconds, double level) =>
            [.. Enumerable.Range(0, (int)(16000 * seconds)).Select(_ => (float)(level * (random.NextDouble() - .5) + .1))];
        float[] sound = [.. Noise(3, .004), .. Noise(1, .2), .. Noise(2, .004), .. Noise(8, .03), .. Noise(1, .6), .. Noise(2, .03)];
        float[] probabilities = SileroTests.Probabilities(new EnergyDetector(), sound);
        Assert.True(Mean(1, 3) < .1 && Mean(3.1, 3.9) > .9 && Mean(4.1, 6) < .1, "quiet noise");
        Assert.True(Mean(12, 13.9) < .1 && Mean(14.1, 14.9) > .9 && Mean(15.1, 17) < .1, "loud noise");

        double Mean(double from, double to) => probabilities[(int)(from * 16000 / 512)..(int)(to * 16000 / 512)].Average();
    }

    private static List<SpeechSegment> Segments((float Probability, int Windows)[] runs, SegmentOptions options)
    {
        var segmenter = new SpeechSegmenter(1000, 10, options);
        var segments = new List<SpeechSegment>();
        int windows = 0;
        foreach ((float probability, int count) in runs)
        {
            for (int i = 0; i < count; i++, windows++) segmenter.Add(probability);
        }
        segmenter.Finish(windows * 10);
        while (segmenter.TryTake(out SpeechSegment segment)) segments.Add(segment);
        return segments;
    }
}
