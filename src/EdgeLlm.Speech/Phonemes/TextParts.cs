using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Bytes that a voice's text front end reads, by name: tables (<see cref="StringTable"/>), lists and the numbers of the net for unknown
/// words.
/// </summary>
/// <remarks>In a packed voice each is a tensor of one dimension and type I8 whose name begins with `text.`; from a folder they are made in
/// memory.</remarks>
internal sealed class TextParts
{
    public const string Prefix = "text.";

    // Readings by word; words of the tokenizer that are cut by hand; numbers of the tagger.
    public const string Gold = "gold", Silver = "silver", Exceptions = "exceptions", TagWords = "tag_words",
        TagVocabulary = "tag_vocabulary", TagWeights = "tag_weights";

    // Tags, a line each; signs of the voice, each with its id, a line each; rules of normalization, `section/text` and readings.
    public const string Tags = "tags", Phonemes = "phonemes", Rules = "rules";

    // Letters that the net knows, signs that it writes; its numbers, float32.
    public const string UnknownLetters = "unknown_letters", UnknownSigns = "unknown_signs", UnknownWeights = "unknown_weights";

    private static readonly string[] Names =
        [Gold, Silver, Exceptions, TagWords, TagVocabulary, TagWeights, Tags, Phonemes, Rules, UnknownLetters,
            UnknownSigns, UnknownWeights];

    private readonly IReadOnlyDictionary<string, ReadOnlyMemory<byte>> _parts;

    /// <param name="source">The file or folder that messages name.</param>
    public TextParts(string source, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> parts)
    {
        (Source, _parts) = (source, parts);
        foreach (string name in Names)
        {
            if (!parts.ContainsKey(name)) throw new ModelException(source, $"is not a voice: it has no '{Prefix}{name}'");
        }
    }

    /// <summary>The file or folder that they are from.</summary>
    public string Source { get; }

    /// <summary>Bytes of a part.</summary>
    public ReadOnlyMemory<byte> this[string name] => _parts[name];

    /// <summary>A table among the parts.</summary>
    public StringTable Table(string name) => new(name, _parts[name]);

    /// <summary>Whether a GGUF file has the text parts of a voice.</summary>
    public static bool AreIn(GgufFile file) => file.FindTensor(Prefix + Gold) is not null;

    /// <summary>The parts of a packed voice, which must stay open: they are slices of its map.</summary>
    /// <exception cref="ModelException">The file has not all of them.</exception>
    public static TextParts Of(GgufFile file)
    {
        var parts = new Dictionary<string, ReadOnlyMemory<byte>>();
        foreach (string name in Names)
        {
            if (file.FindTensor(Prefix + name) is not { Type: ElementType.I8 } tensor) continue;
            MappedFile map = file.Maps[tensor.FileIndex];
            if (tensor.Offset > int.MaxValue - tensor.ByteCount)
                throw new ModelException(file.Path, $"'{Prefix}{name}' is beyond the first 2 GB, where no voice has it");
            parts.Add(name, map.Head.Slice((int)tensor.Offset, (int)tensor.ByteCount));
        }
        return new TextParts(file.Path, parts);
    }

    /// <summary>Adds the parts to a file that is going to be written.</summary>
    public void AddTo(GgufWriter writer)
    {
        foreach (string name in Names)
        {
            ReadOnlyMemory<byte> bytes = _parts[name];
            writer.SetTensor(Prefix + name, [bytes.Length], ElementType.I8, output => output.Write(bytes.Span));
        }
    }
}
