using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>The voice of the reference data, opened once for the tests of a class.</summary>
public sealed class VoiceFolder : IDisposable
{
    private Phonemizer? _phonemizer;

    /// <summary>The voice's text part, or the end of the test as skipped.</summary>
    public Phonemizer Phonemizer => _phonemizer ??= Phonemizer.Open(SharedFolder.Require("models", "voice-heart"));

    /// <summary>Phonemes of a text, its sentences joined by spaces.</summary>
    public string Phonemes(string text) => string.Join(' ', Phonemizer.Read(text).Select(static sentence => sentence.Phonemes));

    public void Dispose() => _phonemizer?.Dispose();
}
