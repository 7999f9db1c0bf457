using EdgeLlm.Gguf;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>The text part of a voice in one file.</summary>
public sealed class TextPartsTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"edgellm-voice-{Path.GetRandomFileName()}.gguf");

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void A_packed_voice_reads_texts_as_its_folder_does()
    {
        string folder = SharedFolder.Require("models", "voice-heart");
        var writer = new GgufWriter();
        TextFolder.Read(folder).AddTo(writer);
        writer.Save(_file);
        Assert.InRange(new FileInfo(_file).Length, 1, 9_500_000);
        using Phonemizer packed = Phonemizer.Open(_file), open = Phonemizer.Open(folder);
        foreach (string text in (string[])["The permit lets him permit 3 snorfled zyxts at 9:30am.",
            "GPUs cost $5.50, don't they?", "Łódź and Reykjavík"])
        {
            SpokenSentence expected = Assert.Single(open.Read(text)), read = Assert.Single(packed.Read(text));
            Assert.NotEmpty(expected.Phonemes);
            Assert.Equal(expected.Phonemes, read.Phonemes);
            Assert.Equal(expected.Tokens, read.Tokens);
        }
    }

    [Fact]
    public void A_file_that_is_no_voice_is_refused_by_name()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Save(_file);
        ModelException error = Assert.Throws<ModelException>(() => Phonemizer.Open(_file));
        Assert.Contains("is not a voice", error.Message, StringComparison.Ordinal);
        Assert.Contains(_file, error.Message, StringComparison.Ordinal);
    }
}
