using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using EdgeLlm.Cli.Speak;
using EdgeLlm.Files;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm say`: text to sound.</summary>
internal sealed class SayCommand
{
    private const int MostDocumentCharacters = 16_000_000;

    private readonly Argument<string?> _text = new("text")
    {
        Description = "What to say; - is standard input, sentence by sentence as it comes",
        HelpName = "TEXT",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _file = new("--file", "-f") { Description = "Say the text of this file", HelpName = "FILE" };
    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description =
            "Write the sound to this file, WAV or FLAC by its ending; - is standard output, as WAV (default: play it with aplay or "
                + "pw-play)",
        HelpName = "FILE",
    };
    private readonly Option<double?> _speed =
        SharedOptions.Number("--speed", "FACTOR", "Tempo, 0.5 to 2 (default: 1)", SpeechOptions.LeastSpeed, SpeechOptions.GreatestSpeed);
    private readonly Option<double?> _volume = SharedOptions.Number("--volume", "FACTOR", "Loudness, 0 to 4 (default: 1)", 0, 4);
    private readonly Option<ulong?> _seed =
        new("--seed") { Description = "Seed of the voice's noise: the same seed gives the same sound (default: 0)", HelpName = "N" };
    private readonly Option<string?> _pause = new("--pause")
    {
        Description =
            "Seconds between sentences (twice as long between paragraphs), 0 to 2.5, or `reference` for the voice's own silence "
                + "(default: 0.25)",
        HelpName = "S|reference",
    };
    private readonly Option<bool> _phonemes =
        new("--phonemes") { Description = "The text is phonemes, as `edgellm phonemes` prints them or in the IPA, a line a sentence" };
    private readonly Option<string?> _stages =
        new("--stages") { Description = "Write every stage of the network and the sound to this safetensors file", HelpName = "FILE" };
    private readonly Option<bool> _exact =
        new("--float-activations") { Description = "Multiply with float activations: slower, and nearer to the voice as it was trained" };

    public static Command Create()
    {
        var say = new SayCommand();
        var command = new Command("say", "Speak: text to sound, by a voice that was made with `edgellm quantize`.")
        {
            say._text, say._file, say._output, SharedOptions.Voice, SharedOptions.Lexicon, SharedOptions.Marks,
            SharedOptions.Markdown, say._speed, say._volume, say._seed, say._pause,
            say._phonemes, say._stages, say._exact, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(say.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        SpeechOptions options = OptionsOf(result);
        SharedOptions.RequireOneReading(result, _phonemes);
        if (result.GetValue(_output) is { } target)
        {
            SoundOutput.RequireFormat(target);
            if (target != "-") OutputFile.Require(target, force: true, result.GetValue(_file) is { } file ? [file] : []);
        }
        var recorder = result.GetValue(_stages) is null ? null : new StageRecorder();
        string? text = TextOf(result), path = result.GetValue(_file);
        using Stream? input = text is not null ? null : path is null ? StandardStreams.OpenInput() : InputFile.Open(path, pipes: true);
        if (result.GetValue(_output) is null) Player.Require();
        using SpeechSynthesizer synthesizer = Load(result, recorder);
        using StreamReader? lines = input is null ? null : new StreamReader(input);
        // What comes from a file does not wait for the next piece: how it is cut depends on the text alone.
        bool waits = path is null || FileStatus.Of(path)?.Kind == FileKind.Pipe;
        Func<Task<string>> more = () => ReadSomeAsync(lines!, waits, cancellation);
        string begun = lines is null ? "" : await more().ConfigureAwait(false);
        if (lines is not null && (result.GetValue(_phonemes) || options.IsMarkup && begun.TrimStart().StartsWith('<')))
        {
            text = await ReadAllAsync(begun, more).ConfigureAwait(false); // a whole document
            begun = "";
        }
        try
        {
            IAsyncEnumerable<ReadOnlyMemory<float>> sound = text is null
                ? synthesizer.SpeakAsync(PartsAsync(begun, more), options, cancellation)
                : result.GetValue(_phonemes) ? synthesizer.SynthesizePhonemesAsync(text, options, cancellation)
                : synthesizer.SynthesizeAsync(text, options, cancellation);
            await SpeakAsync(sound, result.GetValue(_output), cancellation).ConfigureAwait(false);
        }
        catch (PhonemeException exception)
        {
            throw new UsageException(exception.Message);
        }
        if (result.GetValue(_stages) is { } stages) recorder!.Save(stages);
        return ExitCode.Success;
    }

    /// <summary>Text that a stream has now; empty at its end.</summary>
    private static async Task<string> ReadSomeAsync(StreamReader lines, bool waits, CancellationToken cancellation)
    {
        char[] some = new char[4096];
        return new string(some, 0, waits ? await lines.ReadAsync(some, cancellation).ConfigureAwait(false) : lines.Read(some));
    }

    /// <summary>A stream's text as it comes.</summary>
    private static async IAsyncEnumerable<string> PartsAsync(string begun, Func<Task<string>> more)
    {
        for (string some = begun; some.Length > 0; some = await more().ConfigureAwait(false)) yield return some;
    }

    private static async Task<string> ReadAllAsync(string begun, Func<Task<string>> more)
    {
        var all = new StringBuilder();
        await foreach (string some in PartsAsync(begun, more).ConfigureAwait(false))
        {
            all.Append(some);
            if (all.Length > MostDocumentCharacters)
                throw new UsageException(
                    $"SSML and phonemes are read as a whole: at most {MostDocumentCharacters / 1_000_000} million characters");
        }
        return all.ToString();
    }

    private SpeechSynthesizer Load(ParseResult result, StageRecorder? recorder)
    {
        bool isCommand = result.GetValue(SharedOptions.Voice)?.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal) == true;
        if (isCommand
            && ((Option[])[SharedOptions.Lexicon, SharedOptions.Marks, _speed, _seed, _phonemes, _stages, _exact]).FirstOrDefault(option =>
                result.GetResult(option) is { Implicit: false }) is { } given)
            throw new UsageException(
                $"{given.Name} is for voices of edgellm: a {CommandVoice.Prefix} voice has its own tempo and reads text itself");
        var options = new VoiceOptions
        {
            Kernel = SharedOptions.ModelOptionsOf(result).Kernel,
            Threads = result.GetValue(SharedOptions.Threads) ?? 1,
            UsesFloatActivations = result.GetValue(_exact),
            Reading = SharedOptions.PhonemizerOptionsOf(result),
            Commands = ServiceSettings.VoiceCommandsFor(result.GetValue(SharedOptions.Voice)),
        };
        return SpeechSynthesizer.Load(result.GetValue(SharedOptions.Voice), options, recorder);
    }

    private static async Task SpeakAsync(IAsyncEnumerable<ReadOnlyMemory<float>> sound, string? target, CancellationToken cancellation)
    {
        using var output = new SoundOutput(target, VoiceModel.SampleRate, shows: true);
        long started = Stopwatch.GetTimestamp();
        await foreach (ReadOnlyMemory<float> samples in sound.ConfigureAwait(false))
            await output.WriteAsync(samples, cancellation).ConfigureAwait(false);
        await output.FinishAsync(cancellation).ConfigureAwait(false);
        if (target is null or "-") return;
        double seconds = output.Samples / (double)VoiceModel.SampleRate, took = Stopwatch.GetElapsedTime(started).TotalSeconds;
        await Console.Error.WriteLineAsync(
            string.Create(CultureInfo.InvariantCulture, $"{Printable.Line(target)}: {seconds:0.0} s of sound in {took:0.00} s"))
            .ConfigureAwait(false);
    }

    private SpeechOptions OptionsOf(ParseResult result)
    {
        bool isMarkdown = result.GetValue(SharedOptions.Markdown);
        var options = new SpeechOptions
        {
            Speed = result.GetValue(_speed) ?? 1,
            Volume = result.GetValue(_volume) ?? 1,
            Seed = result.GetValue(_seed) ?? 0,
            IsMarkup = !isMarkdown,
            IsMarkdown = isMarkdown,
        };
        switch (result.GetValue(_pause))
        {
            case null: return options;
            case "reference": return options with { KeepsSilence = true };
            case var text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds)
                && seconds is >= 0 and <= SpeechOptions.LongestPause / 2:
                return options with { SentencePause = seconds, ParagraphPause = 2 * seconds };
            case var text:
                throw new UsageException($"--pause takes seconds from 0 to {SpeechOptions.LongestPause / 2}, or 'reference', not '{text}'");
        }
    }

    /// <summary>The text; null: it is in a file or on standard input.</summary>
    private string? TextOf(ParseResult result)
    {
        string? text = result.GetValue(_text), file = result.GetValue(_file);
        if (text is not null && file is not null) throw new UsageException("the text is there twice: as an argument and with --file");
        if (text is null && file is null && StandardStreams.HasPersonIn())
            throw new UsageException("there is nothing to say: give a text, --file FILE, or - for standard input");
        if (text is not null && string.IsNullOrWhiteSpace(text)) throw new UsageException("there is nothing to say: the text is empty");
        return text is null or "-" ? null : text;
    }
}
