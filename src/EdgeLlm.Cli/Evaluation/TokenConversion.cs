using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>Text to token ids and back between two streams: all of the input as one text, or a text a line as JSON.</summary>
/// <param name="special">Whether control tokens are parsed in the text, and written where ids become text.</param>
/// <param name="addSpecial">Whether the tokens that the model wants around a text are added, and taken away where ids become text.</param>
internal sealed class TokenConversion(Tokenizer tokenizer, bool special, bool addSpecial)
{
    private const string InputName = "standard input";

    /// <summary>UTF-8 text in; its ids out on one line with spaces between them.</summary>
    public void Encode(Stream input, Stream output)
    {
        int[] ids = Encode(ReadAll(input));
        output.Write(Encoding.ASCII.GetBytes(string.Join(' ', ids.Select(id => id.ToString(CultureInfo.InvariantCulture))) + "\n"));
    }

    /// <summary>Ids in; the bytes that they stand for out, and nothing more.</summary>
    public void Decode(Stream input, Stream output)
    {
        int[] ids = TokenIds.Parse(ReadAll(input), InputName);
        output.Write(Decode(ids, InputName));
    }

    /// <summary>A JSON string a line in; a JSON array of ids a line out.</summary>
    public void EncodeLines(Stream input, Stream output) => ConvertLines(input, output, (line, place, json) =>
    {
        json.WriteStartArray();
        foreach (int id in Encode(ParseString(line, place))) json.WriteNumberValue(id);
        json.WriteEndArray();
    });

    /// <summary>A JSON array of ids a line in; a JSON string a line out, bytes that are not UTF-8 as U+FFFD.</summary>
    public void DecodeLines(Stream input, Stream output) => ConvertLines(input, output, (line, place, json) =>
        json.WriteStringValue(Encoding.UTF8.GetString(Decode(ParseArray(line, place), place))));

    private int[] Encode(string text) => tokenizer.Encode(text, special, addSpecial);

    private ReadOnlySpan<byte> Decode(ReadOnlySpan<int> ids, string place)
    {
        TokenIds.Require(ids, tokenizer.VocabularySize, place);
        if (addSpecial)
        {
            if (tokenizer.AddsBos && ids is [var first, ..] && first == tokenizer.BosId) ids = ids[1..];
            if (tokenizer.AddsEos && ids is [.., var last] && last == tokenizer.EosId) ids = ids[..^1];
        }
        ArrayBufferWriter<byte> bytes = new();
        tokenizer.Decode(ids, bytes, special);
        return bytes.WrittenSpan;
    }

    /// <summary>Each answer is written before the next line is waited for, so that another program may ask line by line.</summary>
    private static void ConvertLines(Stream input, Stream output, Action<string, string, Utf8JsonWriter> convert)
    {
        using LineReader lines = new(InputName, input, Encoding.UTF8, InputFile.MostTextBytes / 2);
        ArrayBufferWriter<byte> answer = new();
        using Utf8JsonWriter json = new(answer, JsonOutput.Line);
        for (int number = 1; lines.ReadLine() is { } line; number++)
        {
            convert(line, $"{InputName}, line {number}", json);
            json.Flush();
            answer.Write("\n"u8);
            output.Write(answer.WrittenSpan);
            output.Flush();
            answer.ResetWrittenCount();
            json.Reset();
        }
    }

    private static string ParseString(string line, string place)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString()! : throw NotJson();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw NotJson(); // InvalidOperationException: an escaped half of a surrogate pair, which is no text
        }

        InvalidDataException NotJson() => new($"{place}: not a JSON string");
    }

    private static int[] ParseArray(string line, string place)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Array) throw NotJson();
            return [.. document.RootElement.EnumerateArray()
                .Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int value) ? value : throw NotJson())];
        }
        catch (JsonException)
        {
            throw NotJson();
        }

        InvalidDataException NotJson() => new($"{place}: not a JSON array of token ids");
    }

    /// <summary>A byte order mark is text too.</summary>
    private static string ReadAll(Stream input) => Encoding.UTF8.GetString(InputFile.ReadToEnd(InputName, input, InputFile.MostTextBytes));
}
