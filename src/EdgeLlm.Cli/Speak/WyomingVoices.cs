using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Cli.Speak;

/// <summary>Voices for Home Assistant: those that are named, else all on this machine.</summary>
internal sealed class WyomingVoices : IDisposable
{
    private readonly List<SpeechSynthesizer> opened = [];

    /// <param name="named">Files, folders, names, or `command:NAME`; none: the voices on this machine.</param>
    /// <param name="commands">Programs that speak.</param>
    /// <exception cref="IOException">There is no such voice, or it can't be read.</exception>
    public WyomingVoices(IReadOnlyList<string> named, IReadOnlyDictionary<string, IReadOnlyList<string>> commands)
    {
        try
        {
            foreach (string voice in named.Count > 0 ? named : [.. VoiceStore.Voices().Select(static voice => voice.Path)])
                opened.Add(SpeechSynthesizer.Load(voice, new VoiceOptions { Commands = commands }));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The voices.</summary>
    public IReadOnlyList<WyomingVoice> All => [.. opened.Select(Voice)];

    public void Dispose() => opened.ForEach(static voice => voice.Dispose());

    private static WyomingVoice Voice(SpeechSynthesizer voice)
    {
        string[] languages = voice.HasTempo ? ["en", "en-US"] : []; // a program's is not known
        return new WyomingVoice(
            voice.Name,
            languages,
            voice.SampleRate,
            (text, isMarkup, cancellation) => voice.SynthesizeAsync(text, new SpeechOptions { IsMarkup = isMarkup }, cancellation),
            (text, cancellation) => voice.SpeakAsync(text, new SpeechOptions { IsMarkdown = true }, cancellation));
    }
}
