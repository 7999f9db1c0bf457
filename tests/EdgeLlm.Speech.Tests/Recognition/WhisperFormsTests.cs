using System.Diagnostics;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>tiny.en in other forms than its folder: packed, and as whisper.cpp's files.</summary>
public sealed class WhisperFormsTests(WhisperFormsTests.Files files, ITestOutputHelper output) : IClassFixture<WhisperFormsTests.Files>
{
    [Fact]
    public void Packed_in_8_bits_every_recording_has_the_words_of_the_reference_and_times_within_a_tenth_of_a_second()
    {
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Packed(Packing.E8Group32), new SpeechOptions { Threads = 2 });
        foreach (string name in (string[])["two_cities_5s", "two_cities_12s", "two_cities_44s"])
        {
            Transcript transcript = recognizer.Transcribe(Samples(name), new TranscriptionOptions { FullWindow = true });
            Assert.Equal(WordErrors.WordsOf(Expected(name).GetProperty("text").GetString()!), WordErrors.WordsOf(transcript.Text));
            if (!Expected(name).TryGetProperty("segments", out JsonElement segments)) continue;
            foreach ((JsonElement wanted, TranscriptSegment found) in segments.EnumerateArray().Zip(transcript.Segments))
            {
                Assert.Equal(wanted.GetProperty("start").GetDouble(), found.Start, 0.101);
                Assert.Equal(wanted.GetProperty("end").GetDouble(), found.End, 0.101);
            }
        }
    }

    [Fact]
    public void Packed_in_8_and_4_bits_a_recording_has_at_most_one_word_wrong()
    {
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Packed(Packing.E4Group32), new SpeechOptions { Threads = 2 });
        foreach (string name in (string[])["two_cities_5s", "two_cities_12s", "two_cities_44s"])
        {
            Transcript transcript = recognizer.Transcribe(Samples(name));
            output.WriteLine(transcript.Text);
            Assert.InRange(WordErrors.Count(Expected(name).GetProperty("text").GetString()!, transcript.Text), 0, 1);
        }
    }

    [Fact]
    public void A_ggml_file_gives_the_same_tokens_as_the_folder_that_it_was_made_of()
    {
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Ggml("f16"), new SpeechOptions { Threads = 2 });
        Transcript transcript = recognizer.Transcribe(Samples("two_cities_5s"), new TranscriptionOptions { FullWindow = true });
        Assert.Equal(Expected("two_cities_5s").GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray()[2..^1],
            transcript.Segments.SelectMany(segment => segment.Tokens));
        Assert.Equal(Expected("two_cities_5s").GetProperty("text").GetString(), transcript.Text);
    }

    [Fact]
    public void A_ggml_file_of_Q8_0_has_the_words_and_is_packed_as_well()
    {
        using (SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Ggml("q8_0"), new SpeechOptions { Threads = 2 }))
            Assert.Equal(Expected("two_cities_5s").GetProperty("text").GetString(), recognizer.Transcribe(Samples("two_cities_5s")).Text);
        string packed = Path.ChangeExtension(files.Ggml("q8_0"), ".gguf");
        using (GgufFile source = SpeechRecognizer.OpenFile(files.Ggml("q8_0")))
            new SpeechQuantizer(source, Packing.E8Group32, Packing.E8Group32, Packing.E8Group32)
                .Save(packed, (_, _) => { }, CancellationToken.None);
        using SpeechRecognizer small = SpeechRecognizer.Load(packed, new SpeechOptions { Threads = 2 });
        Assert.Equal(Expected("two_cities_5s").GetProperty("text").GetString(), small.Transcribe(Samples("two_cities_5s")).Text);
    }

    [Fact]
    public void A_ggml_files_tokens_are_merged_and_suppressed_as_the_folder_says()
    {
        using GgufFile ggml = SpeechRecognizer.OpenFile(files.Ggml("f16")), folder = SpeechRecognizer.OpenFile(Files.Folder);
        Assert.Equal(folder.Metadata.GetArray<int>("whisper.suppress_tokens").Order(),
            ggml.Metadata.GetArray<int>("whisper.suppress_tokens").Order());
        Assert.Equal(folder.Metadata.GetArray<int>("whisper.begin_suppress_tokens").Order(),
            ggml.Metadata.GetArray<int>("whisper.begin_suppress_tokens").Order());
        var (first, second) = (Models.ModelLoader.MakeTokenizer(folder), Models.ModelLoader.MakeTokenizer(ggml));
        foreach (string text in (string[])["It was the best of times, it was the worst of times.",
            " incredulity's 1234 — naïve 日本 😀", "  two  spaces\n"])
            Assert.Equal(first.Encode(text), second.Encode(text));
    }

    [Fact]
    public void Two_hours_with_words_at_both_ends_take_no_more_memory_than_a_minute()
    {
        const long Total = 7200L * 16000;
        float[] samples = Samples("two_cities_5s");
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Packed(Packing.E4Group32), new SpeechOptions { Threads = 2 });
        long at = 0, most = 0, before = GC.GetTotalMemory(forceFullCollection: true);
        Transcript transcript = recognizer.Transcribe(piece =>
        {
            int count = (int)Math.Min(Math.Min(piece.Length, 4096), Total - at);
            for (int i = 0; i < count; i++, at++)
                piece[i] = at < samples.Length ? samples[at] : at >= Total - samples.Length ? samples[at - (Total - samples.Length)] : 0;
            if (at % (4096 * 1000) == 0) most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true));
            return count;
        });
        Assert.Equal(7200, transcript.Duration);
        Assert.StartsWith("It was the season of light", transcript.Text);
        Assert.Contains("darkness", transcript.Segments[^1].Text);
        Assert.InRange(transcript.Segments[^1].End, 7195, 7200.5);
        Assert.True(most - before < 20_000_000, $"{most - before} bytes more");
    }

    [Fact]
    public void Clipped_and_quiet_speech_has_the_words()
    {
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(files.Packed(Packing.E8Group32), new SpeechOptions { Threads = 2 });
        string[] words = WordErrors.WordsOf(Expected("two_cities_5s").GetProperty("text").GetString()!);
        foreach (float gain in (float[])[0.01f, 10])
            Assert.Equal(words,
                WordErrors.WordsOf(
                    recognizer.Transcribe(Samples("two_cities_5s").Select(x => Math.Clamp(x * gain, -1, 1)).ToArray()).Text));
        Assert.Equal("", recognizer.Transcribe(new float[48000]).Text);
        Assert.Equal("", recognizer.Transcribe(ReadOnlyMemory<float>.Empty).Text);
    }

    [Fact]
    public void A_damaged_ggml_file_is_refused_in_one_line()
    {
        byte[] bytes = File.ReadAllBytes(files.Ggml("f16"));
        string path = Path.Combine(Path.GetDirectoryName(files.Ggml("f16"))!, "damaged.bin");
        var random = new Random(21);
        byte[] head = bytes[..100_000];
        int mutants = int.Parse(Environment.GetEnvironmentVariable("EDGELLM_MUTANTS") ?? "2000"); // 20000: the whole check
        for (int i = 0; i < mutants; i++)
        {
            byte[] mutant = [.. head];
            if (i % 3 == 0) mutant = mutant[..random.Next(4, mutant.Length)];
            else for (int n = 0; n < 4; n++) mutant[random.Next(4, i % 3 == 1 ? 64 : mutant.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(path, mutant);
            Exception exception = Assert.ThrowsAny<Exception>(() => SpeechRecognizer.OpenFile(path).Dispose());
            Assert.True(exception is ModelException or GgufException, exception.ToString());
            Assert.DoesNotContain('\n', exception.Message);
        }
    }

    private static float[] Samples(string name) => Recordings.Read(SharedFolder.Require("golden", "whisper", name + ".wav"));

    private static JsonElement Expected(string name) =>
        JsonDocument.Parse(File.ReadAllText(SharedFolder.Require("golden", "whisper", name + ".json"))).RootElement;

    /// <summary>Files made of the folder, once each.</summary>
    public sealed class Files : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-whisper").FullName;

        public static string Folder => SharedFolder.Require("models", "whisper-tiny.en");

        internal string Packed(Packing decoder)
        {
            string path = Path.Combine(_folder, decoder + ".gguf");
            if (File.Exists(path)) return path;
            using GgufFile source = SpeechRecognizer.OpenFile(Folder);
            new SpeechQuantizer(source, Packing.E8Group32, decoder, Packing.E8Group32).Save(path, (_, _) => { }, CancellationToken.None);
            return path;
        }

        internal string Ggml(string type)
        {
            string path = Path.Combine(_folder, type + ".bin"), source = Folder;
            if (File.Exists(path)) return path;
            string tool = Path.Combine(SharedFolder.RepositoryRoot, "tools", "make-ggml-whisper");
            try
            {
                using Process process = Process.Start(new ProcessStartInfo(tool, [source, path, "--type", type]))!;
                Assert.True(process.WaitForExit(TimeSpan.FromMinutes(10)) && process.ExitCode == 0, "make-ggml-whisper failed");
            }
            catch (System.ComponentModel.Win32Exception)
            {
                Assert.Skip("needs Python, which is not on this machine");
            }
            return path;
        }

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
