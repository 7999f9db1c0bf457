using System.Runtime.CompilerServices;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Commands;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// A voice that is a program of the user's settings, such as espeak-ng: started once a sentence, which it reads on standard input, and
/// writes as WAV or FLAC to standard output.
/// </summary>
internal sealed class CommandVoice(ExternalCommand command) : Voice
{
    /// <summary>Beginning of the names of such voices.</summary>
    public const string Prefix = "command:";

    /// <summary>Most seconds of sound a sentence.</summary>
    public const int MostSeconds = 60;

    private const int PieceSamples = VoiceModel.SampleRate / 4;

    /// <inheritdoc/>
    public override string Name => command.Name;

    /// <inheritdoc/>
    public override bool HasTempo => false;

    /// <summary>The voice of a name that begins with <see cref="Prefix"/>.</summary>
    /// <exception cref="IOException">There is no such command, or its program is not on this machine.</exception>
    /// <exception cref="ArgumentException">The options ask for what only other voices can.</exception>
    public static CommandVoice Open(string voice, VoiceOptions options)
    {
        string name = voice[Prefix.Length..];
        if (!options.Commands.TryGetValue(name, out IReadOnlyList<string>? words))
        {
            string others = options.Commands.Count == 0 ? "there is none"
                : "there is " + string.Join(", ", options.Commands.Keys.Select(static key => Printable.Line(key, 60)));
            throw new FileNotFoundException(
                $"there is no speech command '{Printable.Line(name, 60)}': the setting voiceCommands names them, and {others}");
        }
        if (options.Reading is { Lexicon: not null } or { Marks: true })
            throw new ArgumentException($"{Printable.Line(voice, 60)} reads text itself: a lexicon and marks are for voices of edgellm");
        try
        {
            var command = new ExternalCommand(voice, words);
            command.Require();
            return new CommandVoice(command);
        }
        catch (FormatException exception)
        {
            throw new FileException(voice, exception.Message);
        }
    }

    /// <inheritdoc/>
    public override VoiceText Begin(SpeechOptions options) =>
        options.Speed == 1 ? new Text(command, options)
            : throw new ArgumentException($"{command.Name} has a tempo of its own: a speed is for voices of edgellm");

    public override void Dispose()
    {
    }

    private sealed class Text(ExternalCommand command, SpeechOptions options) : VoiceText
    {
        private int _silence; // samples that are owed before the next sentence

        public override async IAsyncEnumerable<ReadOnlyMemory<float>> SayAsync(TextSentence sentence,
            [EnumeratorCancellation] CancellationToken cancellation)
        {
            if (!sentence.Text.Any(char.IsLetterOrDigit)) yield break;
            if (_silence > 0) yield return new float[_silence];
            _silence = 0;
            byte[] text = Encoding.UTF8.GetBytes(Spoken(sentence.Text));
            await using CommandRun run = command.Start(text, cancellation);
            long count = 0;
            using AudioReader? sound = await run.HasOutputAsync().ConfigureAwait(false)
                ? AudioReader.Open(run, command.Name, VoiceModel.SampleRate) : null;
            while (sound is not null)
            {
                float[] samples = new float[PieceSamples];
                int got = sound.Read(samples);
                if (got == 0) break;
                count += got;
                if (count > MostSeconds * VoiceModel.SampleRate)
                    throw new FileException(command.Name, $"speaks longer than {MostSeconds} s in one sentence");
                yield return Loud(samples.AsMemory(0, got));
            }
            (int exitCode, string errors) = await run.FinishAsync().ConfigureAwait(false);
            string reason = errors.Trim().Split('\n')[0].Trim();
            if (exitCode != 0)
                throw new FileException(command.Name,
                    $"ended with code {exitCode}{(reason.Length > 0 ? ": " + Printable.Line(reason, 200) : "")}");
            if (count == 0)
                throw new FileException(command.Name,
                    reason.Length > 0 ? "gave no sound: " + Printable.Line(reason, 200) : "gave no sound");
            _silence = Samples(options.PauseOf(sentence.Pause));
        }

        public override IAsyncEnumerable<ReadOnlyMemory<float>> Say(string text, CancellationToken cancellation) =>
            SayAsync(options.IsMarkup && SpeechMarkup.Is(text) ? SpeechMarkup.Read(text) : [new MarkupPart(text, 1, null)], cancellation);

        private async IAsyncEnumerable<ReadOnlyMemory<float>> SayAsync(IReadOnlyList<MarkupPart> parts,
            [EnumeratorCancellation] CancellationToken cancellation)
        {
            foreach (MarkupPart part in parts)
            {
                foreach (TextSentence sentence in SentenceSplitter.Split(part.Text, options.IsMarkdown))
                {
                    await foreach (ReadOnlyMemory<float> samples in SayAsync(sentence, cancellation).ConfigureAwait(false))
                        yield return samples;
                }
                if (part.Break is { } seconds) _silence += Samples(seconds);
            }
        }

        public override IAsyncEnumerable<ReadOnlyMemory<float>> SayPhonemes(string phonemes, CancellationToken cancellation) =>
            throw new PhonemeException($"{command.Name} speaks text, not phonemes");

        private ReadOnlyMemory<float> Loud(Memory<float> samples)
        {
            float volume = (float)options.Volume;
            if (volume == 1) return samples;
            foreach (ref float sample in samples.Span) sample = Math.Clamp(sample * volume, -1f, 1f);
            return samples;
        }

        /// <summary>A sentence as a line: control characters would be commands to some programs.</summary>
        private static string Spoken(string text) => string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c)) + "\n";

        private static int Samples(double seconds) => (int)Math.Round(seconds * VoiceModel.SampleRate);
    }
}
