using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>Speaks texts. One text at a time.</summary>
internal abstract class Voice : IDisposable
{
    /// <summary>The voice's name.</summary>
    public abstract string Name { get; }

    /// <summary>Whether it takes a tempo, a seed and the rates of SSML.</summary>
    public abstract bool HasTempo { get; }

    /// <summary>Begins a text.</summary>
    public abstract VoiceText Begin(SpeechOptions options);

    public abstract void Dispose();
}

/// <summary>A text that is being spoken, sentence after sentence, with the pauses between them.</summary>
internal abstract class VoiceText
{
    /// <summary>Samples of the next sentence, after the pause that the one before it asked for.</summary>
    public abstract IAsyncEnumerable<ReadOnlyMemory<float>> SayAsync(TextSentence sentence, CancellationToken cancellation);

    /// <summary>Samples of a whole text; SSML where the options allow it.</summary>
    /// <exception cref="PhonemeException">The SSML is not well formed; comes at once.</exception>
    public abstract IAsyncEnumerable<ReadOnlyMemory<float>> Say(string text, CancellationToken cancellation);

    /// <summary>Samples of phonemes, a line a sentence.</summary>
    /// <exception cref="PhonemeException">The voice does not have a sign, or takes no phonemes; comes at once.</exception>
    public abstract IAsyncEnumerable<ReadOnlyMemory<float>> SayPhonemes(string phonemes, CancellationToken cancellation);
}
