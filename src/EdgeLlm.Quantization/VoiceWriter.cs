using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Quantization;

/// <summary>
/// Packs the folder of a voice into one GGUF file that is mapped and used as it is: tables of the text front end (`text.*`), and the
/// network.
/// </summary>
public static class VoiceWriter
{
    private const uint Alignment = 64;

    /// <summary>Whether a folder is a voice's.</summary>
    public static bool IsVoice(string folder) => TextFolder.Is(folder);

    /// <summary>The name of a packed voice: its folder's, without the `voice-` with which some begin.</summary>
    public static string NameOf(string folder)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return name.StartsWith("voice-", StringComparison.Ordinal) && name.Length > 6 ? name[6..] : name;
    }

    /// <summary>Writes the packed voice.</summary>
    /// <param name="folder">The voice as it is published.</param>
    /// <param name="output">The file to write, which may be there already.</param>
    /// <exception cref="ModelException">A file of the folder is not as it should be.</exception>
    /// <exception cref="IOException">A file can't be read, or the output not written.</exception>
    public static void Write(string folder, string output)
    {
        var writer = new GgufWriter();
        writer.Set("general.alignment", GgufValue.Of(Alignment));
        writer.Set("general.architecture", GgufValue.Of(VoiceStore.Architecture));
        writer.Set("general.name", GgufValue.Of(NameOf(folder)));
        writer.Set("edgellm.voice.version", GgufValue.Of(1u));
        writer.Set(VoiceStore.LanguageKey, GgufValue.Of("en-US"));
        if (LicenceOf(folder) is { } licence) writer.Set("general.license", GgufValue.Of(licence));
        TextFolder.Read(folder).AddTo(writer);
        PackedTensors.Write(writer, VoiceNetworkWriter.Add(writer, folder));
        writer.Save(output);
    }

    /// <summary>The licence that the folder's LICENSE begins with, by its SPDX name; null: another, or none.</summary>
    private static string? LicenceOf(string folder)
    {
        string path = Path.Combine(folder, "LICENSE");
        if (!File.Exists(path)) return null;
        string text = InputFile.ReadText(path, InputFile.MostSettingsBytes);
        string head = text[..Math.Min(text.Length, 300)];
        return head.Contains("Apache License", StringComparison.Ordinal)
            && head.Contains("Version 2.0", StringComparison.Ordinal) ? "apache-2.0"
            : head.Contains("MIT License", StringComparison.Ordinal) ? "mit" : null;
    }
}
