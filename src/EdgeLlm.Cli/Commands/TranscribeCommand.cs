using System.CommandLine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Transcription;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm transcribe`: what is said in a recording.</summary>
internal static class TranscribeCommand
{
    private const string StandardInput = "-";

    private static readonly Argument<string> Input =
        new("file") { HelpName = "FILE", Description = "A WAV or FLAC file of any rate; `-` is standard input" };
    private static readonly Option<string?> Format =
        new("--format", "-f") { Description = "What is printed (default: text)", HelpName = "text|json|srt|vtt" };
    private static readonly Option<string?> Language = new("--language", "-l")
    {
        Description = "The language that is spoken, as a code such as en (default: what the model detects)",
        HelpName = "CODE",
    };
    private static readonly Option<bool> Translate = new("--translate") { Description = "Print English, whatever is spoken" };
    private static readonly Option<string?> Prompt =
        new("--prompt") { Description = "Text in the style and with the words that are expected", HelpName = "TEXT" };
    private static readonly Option<string[]> Hotwords =
        new("--hotword") { Description = "A word or name that is favoured; may be there several times", HelpName = "WORD" };
    private static readonly Option<bool> Words = new("--words") { Description = "JSON, with times of each word" };
    private static readonly Option<int?> Beams =
        SharedOptions.Between(1, 8, "--beams", "N", "Texts that are followed at once (default: 1, the likeliest token each time)");
    private static readonly Option<bool> FullWindow =
        new("--full-window") { Description = "Encode 30 seconds also where less was said: slower; for comparison" };
    private static readonly Option<bool> Timestamps =
        new("--timestamps") { Description = "Cut short recordings into segments with times, too; long ones always are" };
    private static readonly Option<bool> Streams =
        new("--stream") { Description = "Print text while the sound comes: what two passes in a row heard, and at the end all" };
    private static readonly Option<bool> Live = new("--live")
    {
        Description = "With --stream: leave passes out that this machine has no time for. Then the text depends on its speed",
    };
    private static readonly Option<int?> Pcm = SharedOptions.Between(PcmFormat.LeastRate, PcmFormat.MostRate, "--pcm", "RATE",
        "Standard input is raw sound without a header: 16-bit little-endian, one channel, so many samples a second");

    public static Command Create()
    {
        Format.AcceptOnlyFromAmong("text", "json", "srt", "vtt");
        var command = new Command("transcribe", "Print what is said in a recording, by a model that hears (Whisper, Moonshine).")
        {
            Input, SpeechModels.Model, Format, Language, Translate, Prompt, Hotwords, Words, Beams, FullWindow,
            Timestamps, Streams, Live, Pcm,
            HeardForm.Grammar, HeardForm.Pattern, HeardForm.Commands, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            string path = SpeechModels.PathOf(result);
            SpeechOptions options = SpeechModels.OptionsOf(result);
            bool hasWords = result.GetValue(Words);
            string format = result.GetValue(Format) ?? (hasWords ? "json" : "text");
            if (hasWords && format != "json") throw new UsageException($"--words prints JSON, not {format}");
            TranscriptionOptions wanted = new()
            {
                Language = result.GetValue(Language),
                Translate = result.GetValue(Translate),
                Prompt = result.GetValue(Prompt),
                Hotwords = result.GetValue(Hotwords) ?? [],
                WordTimestamps = hasWords,
                Form = HeardForm.Read(result),
                Beams = result.GetValue(Beams) ?? 1,
                FullWindow = result.GetValue(FullWindow),
                Timestamps = result.GetValue(Timestamps) || format is "srt" or "vtt" ? true : null,
            };
            bool streams = result.GetValue(Streams), isLive = result.GetValue(Live);
            if (isLive && !streams) throw new UsageException("--live is of --stream: take both");
            if (streams && format is "srt" or "vtt") throw new UsageException($"--stream prints text or JSON, not {format}");
            if (result.GetValue(Pcm) is not null && result.GetValue(Input) != StandardInput)
                throw new UsageException("--pcm is of standard input: take `-` for the file");
            await Task.Run(() => Transcribe(path, options, wanted, result.GetValue(Input)!, result.GetValue(Pcm), format, streams, isLive,
                cancellation), cancellation).ConfigureAwait(false);
        });
        return command;
    }

    private static void Transcribe(string path, SpeechOptions options, TranscriptionOptions wanted, string input, int? pcm, string format,
        bool streams, bool isLive, CancellationToken cancellation)
    {
        using Stream? standardInput = input == StandardInput ? StandardStreams.OpenInput() : null;
        using AudioReader audio = pcm is { } rate
            ? AudioReader.OpenPcm(standardInput!, "standard input", new PcmFormat(rate, 1, SampleEncoding.Signed16))
            : standardInput is not null ? AudioReader.Open(standardInput, "standard input") : AudioReader.Open(input);
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(path, options);
        if (streams)
        {
            Checked(() => StreamRun.Run(audio, recognizer, wanted, isLive, format == "json", cancellation));
            return;
        }
        Transcript transcript = null!;
        if (audio.Length is { } samples && samples > 60L * AudioReader.SpeechRate)
        {
            double seconds = samples / (double)AudioReader.SpeechRate;
            WorkProgress.RunAsync(report => Task.Run(() =>
                transcript = Run(new Progress(done => report("transcribing", done / seconds))), cancellation)).GetAwaiter().GetResult();
        }
        else
        {
            transcript = Run(null);
        }
        switch (format)
        {
            case "json": TranscriptJson.Write(transcript); break;
            case "srt": Console.Write(Subtitles.Srt(transcript.Segments)); break;
            case "vtt": Console.Write(Subtitles.Vtt(transcript.Segments)); break;
            default: Console.WriteLine(Printable.Line(transcript.Text)); break;
        }

        Transcript Run(IProgress<double>? progress)
        {
            Transcript found = null!;
            Checked(() => found = recognizer.Transcribe(audio.Read, wanted, null, progress, cancellation));
            return found;
        }
    }

    /// <summary>Runs work; a request that the model can't fulfil becomes an error of the command line.</summary>
    private static void Checked(Action work)
    {
        try
        {
            work();
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    /// <summary>At once, on the thread that reports.</summary>
    private sealed class Progress(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
