using EdgeLlm.Gguf;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Quantization;

/// <summary>Packs the folder of a voice into one GGUF file that is mapped and used as it is: tables of the text front end (`text.*`), and the network.</summary>
public static class VoiceWriter
{
    private const uint Alignment = 64;

    /// <summary>Whether a folder is a voice's.</summary>
    public static bool IsVoice(string folder) => TextFolder.Is(folder);

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
        writer.Set("general.name", GgufValue.Of(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))));
        writer.Set("edgellm.voice.version", GgufValue.Of(1u));
        writer.Set("edgellm.voice.language", GgufValue.Of("en-US"));
        TextFolder.Read(folder).AddTo(writer);
        PackedTensors.Write(writer, VoiceNetworkWriter.Add(writer, folder));
        writer.Save(output);
    }
}
