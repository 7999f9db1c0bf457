using System.CommandLine;
using EdgeLlm.Cli.Transcription;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm listen`: what is said into the microphone, while it is said.</summary>
internal static class ListenCommand
{
    private static readonly Option<string?> Input = new("--input", "-i")
    {
        Description = "A WAV or FLAC file in place of the microphone, as fast as it can be heard; - is standard input",
        HelpName = "FILE",
    };
    private static readonly Option<string?> Device = new("--device", "-D")
    {
        Description = "The microphone, as `arecord -L` lists them, such as plughw:1,0 (default: arecord's)",
        HelpName = "NAME",
    };
    private static readonly Option<string?> Activity = new("--vad")
    {
        Description =
            "Says when somebody speaks: Silero's ONNX file, a microWakeWord JSON, the name of one on this machine, or `energy` "
                + "(default: Silero where there is one, else energy)",
        HelpName = "MODEL",
    };

    private static readonly Option<int?> Silence =
        SharedOptions.Between(100, 10_000, "--silence", "MS", "Silence that ends an utterance (default: 700)");
    private static readonly Option<string?> Language = new("--language", "-l")
    {
        Description = "The language that is spoken, as a code such as en (default: what the model detects)",
        HelpName = "CODE",
    };
    private static readonly Option<string?> Prompt =
        new("--prompt") { Description = "Text in the style and with the words that are expected", HelpName = "TEXT" };
    private static readonly Option<string[]> Hotwords =
        new("--hotword") { Description = "A word or name that is favoured; may be there several times", HelpName = "WORD" };
    private static readonly Option<bool> Json = new("--json") { Description = "A JSON object a line: events of speech, text and levels" };

    public static Command Create()
    {
        var command = new Command("listen", "Print what is said into the microphone while it is said, a line an utterance; Ctrl-C ends it.")
        {
            SpeechModels.Model, Input, Device, Activity, Silence, Language, Prompt, Hotwords, HeardForm.Grammar, HeardForm.Pattern,
            HeardForm.Commands, Json,
            SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            string? input = result.GetValue(Input);
            if (input is not null && result.GetValue(Device) is not null)
                throw new UsageException("--input and --device both say where sound comes from: use one");
            string path = SpeechModels.PathOf(result);
            var options = new TranscriptionOptions
            {
                Language = result.GetValue(Language),
                Prompt = result.GetValue(Prompt),
                Hotwords = result.GetValue(Hotwords) ?? [],
                Form = HeardForm.Read(result),
            };
            SpeechDetector detector = DetectorStore.OpenSpeech(result.GetValue(Activity));
            using Microphone? microphone = input is null ? Microphone.Start(result.GetValue(Device)) : null;
            using Stream? standardInput = input == "-" ? StandardStreams.OpenInput() : null;
            using AudioReader audio = microphone is not null ? microphone.Open() : standardInput is not null
                ? AudioReader.Open(standardInput, "standard input") : AudioReader.Open(input!);
            using SpeechRecognizer recognizer = SpeechRecognizer.Load(path, SpeechModels.OptionsOf(result));
            var shown = new HeardText(result.GetValue(Json));
            if (microphone is not null) shown.Say("listening; Ctrl-C ends it");
            var run = new ListenRun(detector, recognizer, options, isLive: input is null, result.GetValue(Silence) ?? 700, shown);
            try
            {
                await Task.Run(() => run.Run(audio, cancellation), cancellation).ConfigureAwait(false);
            }
            catch (ArgumentException exception)
            {
                throw new UsageException(exception.Message); // the model can't do what is asked for
            }
            catch (OperationCanceledException) when (microphone is not null)
            {
                return ExitCode.Success; // the end that a person asked for
            }
            microphone?.Require();
            return ExitCode.Success;
        });
        return command;
    }
}
