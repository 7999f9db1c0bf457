using System.CommandLine;
using System.Globalization;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm vad`: where somebody speaks in a recording.</summary>
internal static class VadCommand
{
    private static readonly Option<double?> Threshold =
        SharedOptions.Number("--threshold", "P", "Probability from which a window is speech (default: 0.5)", 0, 1);
    private static readonly Option<int?> LeastSpeech =
        SharedOptions.Between(0, 60_000, "--min-speech", "MS", "Shorter speech does not count (default: 250)");
    private static readonly Option<int?> LeastSilence =
        SharedOptions.Between(0, 60_000, "--min-silence", "MS", "Silence that ends speech (default: 100)");
    private static readonly Option<int?> Padding =
        SharedOptions.Between(0, 60_000, "--padding", "MS", "Sound before and after that belongs to speech (default: 30)");

    public static Command Create()
    {
        Argument<string> file = SoundFile.Argument();
        var model = new Option<string?>("--model", "-m")
        {
            Description =
                "Silero's ONNX file, a microWakeWord JSON, the name of one on this machine, or `energy` (default: Silero where there is "
                    + "one, else energy)",
            HelpName = "MODEL",
        };
        var json = new Option<bool>("--json") { Description = "Every window's probability and the segments, in samples, as JSON" };
        var command = new Command("vad", "Show where somebody speaks in a recording: a line a segment, its start and end in seconds.")
        {
            file, model, json, Threshold, LeastSpeech, LeastSilence, Padding, SharedOptions.Kernel,
        };
        command.SetAction((result, cancellation) =>
        {
            var defaults = new SegmentOptions();
            SegmentOptions options = defaults with
            {
                Threshold = (float)(result.GetValue(Threshold) ?? defaults.Threshold),
                LeastSpeechMilliseconds = result.GetValue(LeastSpeech) ?? defaults.LeastSpeechMilliseconds,
                LeastSilenceMilliseconds = result.GetValue(LeastSilence) ?? defaults.LeastSilenceMilliseconds,
                PaddingMilliseconds = result.GetValue(Padding) ?? defaults.PaddingMilliseconds,
            };
            Kernel? kernel = SharedOptions.ModelOptionsOf(result).Kernel is { } name ? Kernel.Choose(name) : null;
            return Task.Run(() => Run(result.GetValue(file)!, result.GetValue(model), kernel, options, result.GetValue(json), cancellation),
                cancellation);
        });
        return command;
    }

    private static void Run(string file, string? model, Kernel? kernel, SegmentOptions options, bool isJson, CancellationToken cancellation)
    {
        SpeechDetector? detector = null;
        using AudioReader reader = SoundFile.Open(file, rate => (detector = DetectorStore.OpenSpeech(model, rate, kernel)).SampleRate);
        var segmenter = new SpeechSegmenter(reader.SampleRate, detector!.WindowSamples, options);
        List<float> probabilities = [];
        List<SpeechSegment> segments = [];
        float[] window = new float[detector.WindowSamples];
        for (int count; (count = SoundFile.Fill(reader, window)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            window.AsSpan(count).Clear();
            float probability = detector.Next(window);
            if (isJson) probabilities.Add(probability);
            segmenter.Add(probability);
            Take();
        }
        segmenter.Finish(reader.Position);
        Take();
        if (isJson) WriteJson(reader, detector.WindowSamples, probabilities, segments);

        void Take()
        {
            while (segmenter.TryTake(out SpeechSegment segment))
            {
                if (isJson) segments.Add(segment);
                else
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{segment.Start / (double)reader.SampleRate:0.00} {segment.End / (double)reader.SampleRate:0.00}"));
            }
        }
    }

    private static void WriteJson(AudioReader reader, int window, List<float> probabilities, List<SpeechSegment> segments) =>
        JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("sample_rate", reader.SampleRate);
        json.WriteNumber("samples", reader.Position);
        json.WriteNumber("window", window);
        json.WriteArray("probabilities", probabilities, json.WriteNumberValue);
        json.WriteStartArray("segments");
        foreach (SpeechSegment segment in segments)
        {
            json.WriteStartArray();
            json.WriteNumberValue(segment.Start);
            json.WriteNumberValue(segment.End);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });
}

/// <summary>The recording that a command hears.</summary>
internal static class SoundFile
{
    private const string StandardInput = "-";

    public static Argument<string> Argument() =>
        new("file") { HelpName = "FILE", Description = "A WAV or FLAC file of any rate; `-` is standard input" };

    /// <summary>Opens it at the rate that its own decides on.</summary>
    public static AudioReader Open(string file, Func<int, int> sampleRate) =>
        file == StandardInput ? AudioReader.Open(StandardStreams.OpenInput(), "standard input", sampleRate)
            : AudioReader.Open(file, sampleRate);

    /// <summary>Fills a window; fewer samples only at the end.</summary>
    public static int Fill(AudioReader reader, Span<float> window)
    {
        int filled = 0;
        for (int count; filled < window.Length && (count = reader.Read(window[filled..])) > 0;) filled += count;
        return filled;
    }
}
