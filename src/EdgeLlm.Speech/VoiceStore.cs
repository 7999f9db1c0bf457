using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Speech;

/// <summary>The voices on this machine: packed files in `voices` beside the program, and those among the models of the store.</summary>
internal static class VoiceStore
{
    /// <summary>A packed voice's `general.architecture`.</summary>
    public const string Architecture = "edgellm-voice";

    /// <summary>Key of a voice's language, such as en-US.</summary>
    public const string LanguageKey = "edgellm.voice.language";

    /// <summary>The folder of voices that come with the program or with packages of it. Tests put theirs here.</summary>
    public static string ProgramFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "voices");

    /// <summary>Voices by name, those of the program's folder first.</summary>
    public static IEnumerable<(string Name, string Path)> Voices()
    {
        IEnumerable<string> own = Directory.Exists(ProgramFolder)
            ? Directory.EnumerateFiles(ProgramFolder, "*.gguf").Order(StringComparer.Ordinal) : [];
        foreach (string path in own) yield return (Path.GetFileNameWithoutExtension(path), path);
        foreach (StoredModel model in ModelStore.OfThisMachine().Models()
            .Where(static model => model.Place != ModelPlace.Program && IsVoice(model.Path)))
            yield return (model.Name, model.Path);
    }

    /// <summary>The file or folder of a voice: a path, a name in any case; of null, the first voice.</summary>
    /// <exception cref="IOException">There is no such voice.</exception>
    public static string PathOf(string? voice)
    {
        if (voice is null)
        {
            return Voices().Select(static one => one.Path).FirstOrDefault()
                ?? throw new FileNotFoundException("there is no voice on this machine: name a packed voice or the folder of one (--voice)");
        }
        if (voice.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal))
            throw new FileException(voice, "is a program that reads text itself, not a voice of edgellm");
        FileStatus? status = FileStatus.Of(voice);
        if (status?.Kind == FileKind.Regular) return voice;
        if (status?.Kind == FileKind.Folder)
            return TextFolder.Is(voice) ? voice
                : throw new FileException(voice,
                    "is a folder without a voice in it (vocab.json, lexicon_us_gold.json.gz, hibari.onnx ...)");
        (string Name, string Path)[] voices = [.. Voices()];
        foreach ((string name, string path) in voices)
        {
            if (name.Equals(voice, StringComparison.OrdinalIgnoreCase)) return path;
        }
        string shown = Printable.Line(voice, 100);
        throw new FileNotFoundException(voices.Length == 0 ? $"there is no voice '{shown}', nor any other"
            : $"there is no voice '{shown}': there is {string.Join(", ", voices.Select(static one => Printable.Line(one.Name)))}");
    }

    /// <summary>Whether a file is a packed voice; what can't be read is none.</summary>
    public static bool IsVoice(string path)
    {
        try
        {
            using GgufFile file = GgufFile.Open(path);
            return TextParts.AreIn(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or GgufException)
        {
            return false;
        }
    }
}
