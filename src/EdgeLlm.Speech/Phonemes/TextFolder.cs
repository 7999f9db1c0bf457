using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// Makes a voice's text parts from the files of its folder, as the voice is published: dictionaries, tagger, tokenizer, rules, signs, the
/// net for unknown words.
/// </summary>
internal static class TextFolder
{
    private const int MostBytes = 64 << 20; // of a file, unpacked; those of a real voice have up to 6 MB

    /// <summary>Whether a folder is a voice's.</summary>
    public static bool Is(string folder) =>
        File.Exists(Path.Combine(folder, "vocab.json")) && File.Exists(Path.Combine(folder, "lexicon_us_gold.json.gz"));

    /// <exception cref="ModelException">A file is not as it should be.</exception>
    /// <exception cref="IOException">A file is missing or can't be read.</exception>
    public static TextParts Read(string folder)
    {
        JsonPart tagger = ReadZipped(folder, "tagger.json.gz");
        string[] tags = [.. tagger.Require("tags").Items().Select(static tag => tag.Text())];
        if (tags.Length is 0 or > byte.MaxValue) throw tagger.Require("tags").Error($"has {tags.Length} tags; 1 to 255 can be read");
        Dictionary<string, byte> numbers =
            tags.Select(static (tag, index) => (tag, index)).ToDictionary(static pair => pair.tag, static pair => (byte)pair.index);
        return new TextParts(folder, new Dictionary<string, ReadOnlyMemory<byte>>
        {
            [TextParts.Gold] = Table(ReadZipped(folder, "lexicon_us_gold.json.gz").Fields(), Reading),
            [TextParts.Silver] = Table(ReadZipped(folder, "lexicon_us_silver.json.gz").Fields(), Reading),
            [TextParts.Exceptions] = Table(ReadJson(folder, "tokenizer_exceptions.json").Fields(),
                static tokens => string.Join('\n', tokens.Items().Select(static token => token.Text()))),
            [TextParts.TagWords] = StringTable.Write(tagger.Require("tagdict").Fields()
                .Select(field => KeyValuePair.Create(field.Name, new[] { TagOf(field.Value, field.Value.Text()) }))),
            [TextParts.TagVocabulary] = Table(tagger.Require("vocab").Items().Select(static word => (word.Text(), word)), static _ => ""),
            [TextParts.TagWeights] = StringTable.Write(tagger.Require("weights").Fields()
                .Select(field => KeyValuePair.Create(field.Name, Weights(field.Value)))),
            [TextParts.Tags] = Lines(tags),
            [TextParts.Phonemes] = Lines(ReadJson(folder, "vocab.json").Fields()
                .Select(static sign => $"{sign.Name}{sign.Value.Integer(0, 65535)}")),
            [TextParts.Rules] = StringTable.Write(Rules(ReadJson(folder, "normalize.json"))),
            [TextParts.UnknownLetters] = Encoding.UTF8.GetBytes(
                string.Concat(ReadJson(folder, "oov.json").Require("in").Items().Select(static letter => letter.Text()))),
            [TextParts.UnknownSigns] = Encoding.UTF8.GetBytes(
                string.Concat(ReadJson(folder, "oov.json").Require("out").Items().Select(static sign => sign.Text()))),
            [TextParts.UnknownWeights] = UnknownWords.ReadWeights(Path.Combine(folder, "oov.onnx")),
        });

        byte TagOf(JsonPart place, string tag) =>
            numbers.TryGetValue(tag, out byte number) ? number : throw place.Error($"is '{tag}', which is not among the tags");

        // A tag's number and tenths, three bytes each: the file's numbers have one decimal.
        byte[] Weights(JsonPart weights)
        {
            var bytes = new MemoryStream();
            Span<byte> tenths = stackalloc byte[sizeof(short)];
            foreach ((string tag, JsonPart weight) in weights.Fields())
            {
                bytes.WriteByte(TagOf(weight, tag));
                double number = 10 * weight.Number(-3000, 3000);
                if (Math.Abs(number - Math.Round(number)) > 1e-6) throw weight.Error("has more than one decimal");
                BinaryPrimitives.WriteInt16LittleEndian(tenths, (short)Math.Round(number));
                bytes.Write(tenths);
            }
            return bytes.ToArray();
        }
    }

    /// <summary>Phonemes, or a line `TAG=phonemes` for each tag (nothing after the sign: the word is spelled).</summary>
    private static string Reading(JsonPart value) => value.Element.ValueKind == JsonValueKind.String
        ? value.Text()
        : string.Join('\n',
            value.Fields()
                .Select(static field => $"{field.Name}={(field.Value.Element.ValueKind == JsonValueKind.Null ? "" : field.Value.Text())}"));

    /// <summary>Keys `section/text`; readings, a line each. Lists count their items in the value.</summary>
    private static IEnumerable<KeyValuePair<string, byte[]>> Rules(JsonPart rules)
    {
        foreach ((string section, JsonPart value) in rules.Fields())
        {
            bool isList = value.Element.ValueKind == JsonValueKind.Array;
            int order = 0;
            foreach ((string key, JsonPart reading) in isList ? value.Items().Select(static item => (item.Text(), item)) : value.Fields())
            {
                string text = isList ? "" : reading.Element.ValueKind == JsonValueKind.Array
                    ? string.Join('\n', reading.Items().Select(static form => form.Text()))
                    : section == "symbols" ? $"{order++:D3}{reading.Text()}" : reading.Text();
                yield return KeyValuePair.Create($"{section}/{key}", Encoding.UTF8.GetBytes(text));
            }
        }
    }

    private static byte[] Table(IEnumerable<(string Name, JsonPart Value)> fields, Func<JsonPart, string> value) =>
        StringTable.Write(fields.Select(field => KeyValuePair.Create(field.Name, Encoding.UTF8.GetBytes(value(field.Value)))));

    private static byte[] Lines(IEnumerable<string> lines) => Encoding.UTF8.GetBytes(string.Join('\n', lines));

    private static JsonPart ReadJson(string folder, string name) => JsonPart.Read(Path.Combine(folder, name), MostBytes);

    private static JsonPart ReadZipped(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        using FileStream file = InputFile.Open(path);
        try
        {
            using var unzipped = new GZipStream(file, CompressionMode.Decompress);
            byte[] bytes = InputFile.ReadAtMost(unzipped, MostBytes)
                ?? throw new ModelException(path, $"has more than the {MostBytes >> 20} MiB, unpacked, that such a file may have");
            return JsonPart.Parse(path, bytes, "");
        }
        catch (InvalidDataException)
        {
            throw new ModelException(path, "is not a gzip file, or is damaged");
        }
    }
}
