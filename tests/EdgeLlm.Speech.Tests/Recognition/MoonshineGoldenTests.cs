using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>What transformers computes with both kinds of Moonshine (../shared/golden/speech), within the bounds of its README.</summary>
public sealed class MoonshineGoldenTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("moonshine")]
    [InlineData("moonshine-streaming")]
    public void Every_stage_and_all_logits_are_those_of_the_reference(string name)
    {
        string folder = SharedFolder.Require("golden", "speech", name);
        JsonElement expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json"))).RootElement;
        var golden = Safetensors.Read(Path.Combine(folder, "expected.safetensors"));
        using MoonshineModel model = Open(folder, Kernel.Best, 2);
        int number = 0;
        foreach (JsonElement input in expected.GetProperty("inputs").EnumerateArray())
        {
            float[] samples = Samples(folder, input);
            model.Observer = (stage, values, width) => Compare(stage, values, golden[$"{stage}_{number}"].Values);
            model.Encode(samples, CancellationToken.None);
            model.Observer = null;
            int[] prompt = Ids(input, "decoder_prompt"), forced = Ids(input, "forced"), greedy = Ids(input, "greedy");
            using HeadCaches cache = model.NewCache();
            Compare("first_logits", model.Decode(prompt, [cache], 1), golden[$"first_logits_{number}"].Values);
            List<int> tokens = [];
            for (Span<float> logits; tokens.Count < greedy.Length;)
            {
                cache.Length = 0;
                logits = model.Decode([.. prompt, .. tokens], [cache], 1);
                tokens.Add(Softmax.IndexOfLargest(logits));
            }
            Assert.Equal(greedy, tokens);
            cache.Length = 0;
            Compare("logits", model.Decode(forced, [cache], forced.Length), golden[$"logits_{number}"].Values);
            number++;

            void Compare(string stage, ReadOnlySpan<float> found, float[] wanted)
            {
                Assert.Equal(wanted.Length, found.Length);
                double difference = 0, bound = Math.Max(2e-4, 20 * input.GetProperty("f32_error").GetProperty(stage).GetDouble());
                for (int i = 0; i < wanted.Length; i++) difference = Math.Max(difference, Math.Abs(found[i] - wanted[i]));
                output.WriteLine($"{name} {number} {stage}: {difference:g3} of {bound:g3}");
                Assert.True(difference <= bound, $"{stage} of input {number} is off by {difference:g3}, more than {bound:g3}");
            }
        }
    }

    [Fact]
    public void A_stream_cut_short_has_the_frames_of_the_reference()
    {
        string folder = SharedFolder.Require("golden", "speech", "moonshine-streaming");
        JsonElement expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json"))).RootElement;
        var golden = Safetensors.Read(Path.Combine(folder, "expected.safetensors"));
        JsonElement streaming = expected.GetProperty("streaming");
        float[] samples = Samples(folder, expected.GetProperty("inputs")[streaming.GetProperty("input").GetInt32()]);
        using MoonshineModel model = Open(folder, Kernel.Best, 2);
        Assert.Equal(streaming.GetProperty("lag").GetProperty("encoder_frames").GetInt32(), model.Config.LagFrames);
        foreach (JsonElement cut in streaming.GetProperty("truncated").EnumerateArray())
        {
            int count = cut.GetProperty("samples").GetInt32();
            float[]? states = null;
            model.Observer = (stage, values, _) => states = stage == "encoder" ? values.ToArray() : states;
            model.Encode(samples.AsSpan(0, count), CancellationToken.None);
            Assert.InRange(golden[$"encoder_cut_{count}"].Values.Zip(states!, (a, b) => Math.Abs(a - b)).Max(), 0, 2e-4);
        }
    }

    [Fact]
    public void Encoded_piece_by_piece_a_sound_has_the_bits_of_the_whole_and_nothing_is_encoded_twice()
    {
        string folder = SharedFolder.Require("golden", "speech", "moonshine-streaming");
        JsonElement expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json"))).RootElement;
        float[] once = Samples(folder, expected.GetProperty("inputs")[2]);
        float[] samples = [.. once, .. once]; // more frames than are encoded together
        using MoonshineModel model = Open(folder, Kernel.Best, 2);
        using MoonshineStream stream = model.BeginStream(samples.Length)!;
        using HeadCaches cache = model.NewCache();
        foreach (int step in (int[])[8000, 80, 2 * 8000 + 240, samples.Length])
        {
            stream.Clear();
            int checks = 0;
            for (int count = Math.Min(step, samples.Length); ; count = Math.Min(count + step, samples.Length))
            {
                model.EncodeNext(samples.AsSpan(0, count), stream, CancellationToken.None);
                Assert.Equal((count + 79) / 80, stream.Pieces);
                if (step > 80 && checks++ % 3 == 0 || count == samples.Length)
                {
                    float[] pieces = Logits();
                    model.Encode(samples.AsSpan(0, count), CancellationToken.None);
                    Assert.Equal(Logits(), pieces);
                }
                if (count == samples.Length) break;
            }
        }
        // What ended within a piece is followed by another sound.
        model.EncodeNext(samples.AsSpan(0, 8001), stream, CancellationToken.None);
        model.EncodeNext(samples.AsSpan(0, 16_000), stream, CancellationToken.None);
        float[] again = Logits();
        model.Encode(samples.AsSpan(0, 16_000), CancellationToken.None);
        Assert.Equal(Logits(), again);

        float[] Logits()
        {
            cache.Length = 0;
            return model.Decode([model.Start, 5, 7], [cache], 3).ToArray();
        }
    }

    [Fact]
    public void A_stream_of_Moonshine_has_the_text_of_its_samples_whatever_the_pieces_and_can_be_used_again()
    {
        using SpeechRecognizer recognizer =
            SpeechRecognizer.Load(SharedFolder.Require("golden", "speech", "moonshine-streaming"), new SpeechOptions { Threads = 2 });
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_5s.wav"))[..20_000];
        SpeechStream stream = recognizer.StartStream();
        var texts = new List<string>();
        foreach (int piece in (int[])[1000, 7777, samples.Length])
        {
            // Half a second before it, which must leave nothing behind.
            stream.Add(samples.AsSpan(0, SpeechStream.PassSamples));
            stream.Finish();
            for (int at = 0; at < samples.Length; at += piece) stream.Add(samples.AsSpan(at, Math.Min(piece, samples.Length - at)));
            texts.Add(stream.Finish());
        }
        Assert.Single(texts.Distinct());
        Assert.Equal(recognizer.Transcribe(samples).Text, texts[0]);
    }

    [Theory]
    [InlineData("moonshine")]
    [InlineData("moonshine-streaming")]
    public void The_tokenizer_makes_the_ids_and_texts_of_the_reference(string name)
    {
        string folder = SharedFolder.Require("golden", "speech", name);
        JsonElement expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json"))).RootElement;
        using MoonshineModel model = Open(folder, Kernel.Best, 1);
        foreach (JsonElement test in expected.GetProperty("tokenizer_cases").EnumerateArray())
        {
            Assert.Equal(Ids(test, "ids"), model.Tokenizer.Encode(test.GetProperty("text").GetString()!, addSpecial: true));
            Assert.Equal(test.GetProperty("decoded").GetString(), model.Tokenizer.Decode(Ids(test, "ids")));
        }
    }

    [Fact]
    public void A_recording_of_any_length_becomes_text()
    {
        string folder = SharedFolder.Require("golden", "speech", "moonshine-streaming");
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(folder, new SpeechOptions { Threads = 2 });
        float[] samples = Recordings.Read(SharedFolder.Require("golden", "whisper", "two_cities_12s.wav"));
        Transcript transcript = recognizer.Transcribe(samples);
        Assert.NotEmpty(transcript.Text);
        Assert.Equal(samples.Length / 16000.0, transcript.Duration, 1e-6);
        Assert.Equal(0, transcript.Segments[0].Start);
        Assert.Equal(transcript.Duration, transcript.Segments[^1].End, 1e-6);
    }

    private static MoonshineModel Open(string folder, Kernel kernel, int threads)
    {
        var compute = new SpeechCompute(kernel, threads);
        return SpeechRecognizer.Open(folder, compute, file => new MoonshineModel(file, compute));
    }

    private static float[] Samples(string folder, JsonElement input)
    {
        float[] all = Recordings.Read(Path.Combine(folder, input.GetProperty("file").GetString()!));
        int start = input.GetProperty("start").GetInt32();
        return all[start..(start + input.GetProperty("samples").GetInt32())];
    }

    private static int[] Ids(JsonElement element, string name) =>
        [.. element.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];
}
