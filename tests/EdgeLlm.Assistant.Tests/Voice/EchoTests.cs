using System.Text.RegularExpressions;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Voice;

/// <summary>The assistant's own sound in its microphone. EDGELLM_WHOLE=1 makes the long checks whole: 30 minutes instead of 2.</summary>
public sealed class EchoTests
{
    private const int Rate = AudioReader.SpeechRate, Block = EchoCanceller.Block;

    public static TheoryData<int, int> Rooms => new() { { 20, -6 }, { 100, -20 }, { 200, -6 }, { 300, -12 }, { 300, -20 } };

    [Theory]
    [MemberData(nameof(Rooms))]
    public void An_echo_is_15_dB_weaker_after_some_seconds_of_sound(int delay, int decibels)
    {
        float[] played = Babble(10 * Rate, 3), heard = new Room(1, delay, decibels).Echo(played);
        float[] left = Clean(heard, played, new EchoCanceller());
        int from = 6 * Rate;
        double weaker = 10 * Math.Log10(Power(heard.AsSpan(from)) / Power(left.AsSpan(from)));
        Assert.True(weaker > 15, $"{weaker:0.0} dB at {delay} ms and {decibels} dB");
    }

    [Fact]
    public void Without_played_sound_what_is_heard_passes_as_it_is()
    {
        float[] heard = Babble(2 * Rate, 5);
        Assert.Equal(heard, Clean(heard, new float[heard.Length], new EchoCanceller()));
    }

    [Fact]
    public void Samples_before_the_echo_was_found_are_never_louder_than_what_was_heard()
    {
        float[] played = Babble(3 * Rate, 7), heard = Babble(3 * Rate, 8);
        float[] left = Clean(heard, played, new EchoCanceller());
        for (int i = 0; i + Block <= left.Length; i += Block) Assert.True(Power(left.AsSpan(i, Block)) <= Power(heard.AsSpan(i, Block)));
    }

    [Fact]
    public void A_sound_that_is_over_is_not_waited_for_when_the_microphone_stood_still()
    {
        var path = new EchoPath(null);
        path.Play(new float[10 * Rate], Rate);
        path.Clean(new float[Block]);
        path.Finish();
        Assert.InRange(path.Waiting, Rate / 2, Rate); // its end may be heard yet
        for (int i = 0; i < 50; i++) path.Clean(new float[Block]);
        Assert.Equal(0, path.Waiting);
    }

    [Fact]
    public async Task Its_own_speech_with_wake_words_in_it_never_wakes_it()
    {
        var random = new Random(23);
        int wakes = 0, spoken = 0, minutes = IsWhole ? 30 : 2;
        (Ear ear, EchoPath path) = Hearing(() => wakes++);
        await foreach (float[] part in OwnSpeechAsync(minutes, hasWakeWords: true))
        {
            var room = new Room(random.Next(), random.Next(20, 301), -random.Next(6, 21));
            Hear(ear, path, part, room.Echo(part));
            spoken += part.Length;
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{wakes} wakes in {spoken / Rate / 60.0:0.0} minutes of its own speech");
        Assert.True(spoken > minutes * 55 * Rate, $"only {spoken / Rate} s");
        Assert.Equal(0, wakes);
    }

    /// <summary>
    /// Of those that the model finds in silence, at the same level and place: okay_nabu_1 is at its cutoff (249 to 253 of 256, 248 asked in
    /// the mean of five, by the phase of the features and the level), whatever sounds beside it.
    /// </summary>
    [Fact]
    public async Task A_persons_wake_word_6_dB_above_the_echo_is_found_nine_times_in_ten()
    {
        var random = new Random(29);
        int said = 0, found = 0, audible = 0, foundOfAudible = 0;
        var missed = new SortedDictionary<string, (int Beside, int Alone)>();
        string[] recordings = ["okay_nabu_1", "okay_nabu_2", "hey_jarvis_1", "hey_jarvis_2", "alexa_1", "alexa_2"];
        bool wasHeard = false, wasHeardAlone = false;
        (Ear ear, EchoPath path) = Hearing(() => wasHeard = true);
        (Ear quiet, EchoPath nothing) = Hearing(() => wasHeardAlone = true);
        await foreach (float[] part in OwnSpeechAsync(IsWhole ? 15 : 6, hasWakeWords: false))
        {
            float[] echo = new Room(random.Next(), random.Next(20, 301), -random.Next(6, 21)).Echo(part);
            for (int at = 0; at + 8 * Rate <= part.Length; at += 8 * Rate)
            {
                float[] word = Person.SayWakeWord(recordings[said % recordings.Length]), mixed = echo[at..(at + 8 * Rate)];
                int begin = 4 * Rate;
                double level = Math.Sqrt(Power(mixed.AsSpan(begin, word.Length)) / Power(word) * Math.Pow(10, .6));
                for (int i = 0; i < word.Length; i++) mixed[begin + i] += (float)(level * word[i]);
                float[] alone = new float[mixed.Length];
                for (int i = 0; i < word.Length; i++) alone[begin + i] = (float)(level * word[i]);
                wasHeard = wasHeardAlone = false;
                Hear(ear, path, part[at..(at + 8 * Rate)], mixed);
                Hear(quiet, nothing, new float[mixed.Length], alone);
                string recording = recordings[said++ % recordings.Length];
                found += wasHeard ? 1 : 0;
                audible += wasHeardAlone ? 1 : 0;
                foundOfAudible += wasHeard && wasHeardAlone ? 1 : 0;
                (int beside, int silent) = missed.GetValueOrDefault(recording);
                missed[recording] = (beside + (wasHeard ? 0 : 1), silent + (wasHeardAlone ? 0 : 1));
            }
        }
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{found} of {said} wake words found, {foundOfAudible} of the {audible} that are found in silence; missed (in silence): "
            + string.Join(", ", missed.Select(static one => $"{one.Key} {one.Value.Beside} ({one.Value.Alone})")));
        Assert.True(said >= (IsWhole ? 100 : 36) && audible >= .8 * said && foundOfAudible >= .9 * audible,
            $"{foundOfAudible} of {audible}");
    }

    internal static bool IsWhole => Environment.GetEnvironmentVariable("EDGELLM_WHOLE") == "1";

    private static (Ear, EchoPath) Hearing(Action wake)
    {
        string[] words = ["okay_nabu", "hey_jarvis", "alexa"];
        var path = new EchoPath(VoiceModels.WakeWords(words));
        return (new Ear(VoiceModels.WakeWords(words), new EnergyDetector(), TimeSpan.FromSeconds(1),
            heard =>
            {
                if (heard == EarEvent.WakeWord)
                    wake();
            })
        { IsOwnWord = () => path.IsOwnWord }, path);
    }

    private static void Hear(Ear ear, EchoPath path, float[] played, float[] heard)
    {
        for (int i = 0; i + Block <= heard.Length; i += Block)
        {
            path.Play(played.AsSpan(i, Block), Rate);
            path.Clean(heard.AsSpan(i, Block));
            ear.Write(heard.AsSpan(i, Block));
        }
    }

    private static float[] Clean(float[] heard, float[] played, EchoCanceller canceller)
    {
        float[] left = [.. heard];
        for (int i = 0; i + Block <= left.Length; i += Block) canceller.Process(left.AsSpan(i, Block), played.AsSpan(i, Block));
        return left;
    }

    /// <summary>About a minute at a time of our own voice, with sentences of the calibration text.</summary>
    private static async IAsyncEnumerable<float[]> OwnSpeechAsync(double minutes, bool hasWakeWords)
    {
        string text = File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "src", "EdgeLlm.Quantization", "calibration.txt"))
            .ReplaceLineEndings(" ");
        string[] sentences = [.. Regex.Matches(text, "[A-Z][A-Za-z ,'-]{30,120}[.?]").Select(static match => match.Value).Distinct()];
        string[] woken = ["Okay nabu.", "People say okay nabu to me.", "Hey Jarvis, turn on the light.", "Hey Jarvis.", "Alexa!",
            "My name is not Alexa, but it could be.", "Say okay nabu, or press the button."];
        using SpeechSynthesizer voice =
            SpeechSynthesizer.Load(SharedFolder.Require("models", "voice-heart"), new VoiceOptions { Threads = 2 });
        var resampler = new Resampler(voice.SampleRate, Rate);
        var sound = new List<float>();
        float[] some = new float[1 << 14];
        for ((int i, double left) = (0, minutes * 60 * Rate); left > 0; i++)
        {
            string said = hasWakeWords && i % 4 == 1 ? woken[i / 4 % woken.Length] : sentences[i * 37 % sentences.Length];
            await foreach (ReadOnlyMemory<float> samples in voice.SynthesizeAsync(said, null, TestContext.Current.CancellationToken))
            {
                resampler.Write(samples.Span);
                for (int count; (count = resampler.Read(some)) > 0;) sound.AddRange(some.AsSpan(0, count));
            }
            int seconds = (int)Math.Min(60, left / Rate);
            if (sound.Count < seconds * Rate) continue;
            int whole = sound.Count / Block * Block;
            yield return [.. sound[..whole]];
            sound.RemoveRange(0, whole);
            left -= whole;
        }
    }

    private static double Power(ReadOnlySpan<float> sound)
    {
        double sum = 0;
        foreach (float sample in sound) sum += (double)sample * sample;
        return sum / Math.Max(1, sound.Length) + 1e-12;
    }

    /// <summary>Noise in syllables, each with a colour of its own.</summary>
    private static float[] Babble(int length, int seed)
    {
        var random = new Random(seed);
        float[] sound = new float[length];
        float low = 0, colour = .5f, level = .1f;
        for (int i = 0; i < length; i++)
        {
            if (i % 3200 == 0)
                (colour, level) = ((float)random.NextDouble() * .9f, random.Next(4) == 0 ? 0 : .05f + .1f * (float)random.NextDouble());
            low = colour * low + (1 - colour) * (float)(2 * random.NextDouble() - 1);
            sound[i] = level * low;
        }
        return sound;
    }

    /// <summary>A room: an impulse response of 0.2 s with a reverberation of 0.3 s, after a delay and at a level.</summary>
    private sealed class Room
    {
        private readonly float[] _response = new float[Rate / 5];
        private readonly int _delay, _seed;

        public Room(int seed, int delayMilliseconds, int decibels)
        {
            (_seed, _delay) = (seed, delayMilliseconds * Rate / 1000);
            var random = new Random(seed);
            double sum = 0;
            for (int i = 0; i < _response.Length; i++)
            {
                _response[i] = (float)((i == 0 ? 3 : 2 * random.NextDouble() - 1) * Math.Exp(-6.9 * i / (.3 * Rate)));
                sum += _response[i] * _response[i];
            }
            float factor = (float)(Math.Pow(10, decibels / 20.0) / Math.Sqrt(sum));
            for (int i = 0; i < _response.Length; i++) _response[i] *= factor;
        }

        /// <summary>What a microphone hears of a sound, with its own noise.</summary>
        public float[] Echo(float[] sound)
        {
            const int Size = 12_800, Step = Size - Rate / 5;
            var transform = new FourierTransform(Size);
            float[] window = new float[Size], re = new float[transform.Bins], im = new float[transform.Bins],
                roomRe = new float[transform.Bins], roomIm = new float[transform.Bins];
            _response.CopyTo(window, 0);
            transform.Forward(window, roomRe, roomIm);
            float[] echo = new float[sound.Length];
            for (int start = 0; start < sound.Length; start += Step)
            {
                Array.Clear(window);
                sound.AsSpan(start, Math.Min(Step, sound.Length - start)).CopyTo(window);
                transform.Forward(window, re, im);
                for (int k = 0; k < re.Length; k++)
                    (re[k], im[k]) = (re[k] * roomRe[k] - im[k] * roomIm[k], re[k] * roomIm[k] + im[k] * roomRe[k]);
                transform.Inverse(re, im, window);
                for (int i = 0; i < Size && start + _delay + i < echo.Length; i++) echo[start + _delay + i] += window[i];
            }
            var noise = new Random(_seed + 1);
            for (int i = 0; i < echo.Length; i++) echo[i] += 2e-4f * (float)(noise.NextDouble() - .5);
            return echo;
        }
    }
}
