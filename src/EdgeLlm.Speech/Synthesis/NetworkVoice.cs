using System.Runtime.CompilerServices;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>A voice of `edgellm quantize`: text to phonemes to sound, in this process.</summary>
internal sealed class NetworkVoice : Voice
{
    private readonly VoiceModel _model;
    private readonly Phonemizer _phonemizer;
    private readonly SentenceSynthesis _synthesis;

    /// <param name="path">A packed file or a voice's folder.</param>
    /// <param name="recorder">Receives every stage of the sound; null: nobody.</param>
    public NetworkVoice(string path, VoiceOptions options, StageRecorder? recorder)
    {
        Kernel kernel = options.Kernel is { } name ? Kernel.Choose(name) : Kernel.Best;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        _model = VoiceModel.Open(path);
        try
        {
            _phonemizer = Phonemizer.Open(path, options.Reading);
            _synthesis = new SentenceSynthesis(_model, kernel, options.Threads, options.UsesFloatActivations, recorder);
        }
        catch
        {
            _phonemizer?.Dispose();
            _model.Dispose();
            throw;
        }
        Name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(path));
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override bool HasTempo => true;

    /// <inheritdoc/>
    public override VoiceText Begin(SpeechOptions options) => new Text(_phonemizer, new SpokenSound(_synthesis, options), options);

    public override void Dispose()
    {
        _synthesis.Dispose();
        _phonemizer.Dispose();
        _model.Dispose();
    }

    private sealed class Text(Phonemizer phonemizer, SpokenSound sound, SpeechOptions options) : VoiceText
    {
        public override IAsyncEnumerable<ReadOnlyMemory<float>> SayAsync(TextSentence sentence, CancellationToken cancellation) =>
            SayAsync(Utterances([phonemizer.Read(sentence)]), cancellation);

        public override IAsyncEnumerable<ReadOnlyMemory<float>> Say(string text, CancellationToken cancellation) =>
            SayAsync(Utterances(options.IsMarkup && SpeechMarkup.Is(text) ? phonemizer.ReadMarkup(text)
                : phonemizer.Read(text, options.IsMarkdown)), cancellation);

        public override IAsyncEnumerable<ReadOnlyMemory<float>> SayPhonemes(string phonemes, CancellationToken cancellation)
        {
            List<Utterance> utterances = [.. phonemes.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .SelectMany(line => Utterances(phonemizer.ReadSigns(line), options.SentencePause))];
            return SayAsync(utterances, cancellation);
        }

        private async IAsyncEnumerable<ReadOnlyMemory<float>> SayAsync(IEnumerable<Utterance> utterances,
            [EnumeratorCancellation] CancellationToken cancellation)
        {
            foreach (ReadOnlyMemory<float> samples in utterances.SelectMany(sound.Say))
            {
                cancellation.ThrowIfCancellationRequested();
                yield return samples;
            }
            await Task.CompletedTask.ConfigureAwait(false);
        }

        private IEnumerable<Utterance> Utterances(IEnumerable<SpokenSentence> sentences) =>
            sentences.SelectMany(sentence => Utterances(sentence, sentence.Break ?? options.PauseOf(sentence.Pause)));

        private IEnumerable<Utterance> Utterances(SpokenSentence sentence, double pause)
        {
            if (sentence.Pieces.Count == 0 && sentence.Break is not null && !options.KeepsSilence) yield return new Utterance([], 1, pause);
            for (int i = 0; i < sentence.Pieces.Count; i++)
                yield return new Utterance(sentence.Pieces[i].Ids, sentence.Rate, i == sentence.Pieces.Count - 1 ? pause : 0);
        }
    }
}
