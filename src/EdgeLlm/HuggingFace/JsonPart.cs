using System.Text.Json;
using System.Text.Unicode;

namespace EdgeLlm.HuggingFace;

/// <summary>A JSON file of a folder, or a value in one. What is not as it should be is an error that names file and field.</summary>
internal readonly struct JsonPart
{
    private readonly string _file;
    private readonly string _path;

    private JsonPart(string file, string path, JsonElement element) => (_file, _path, Element) = (file, path, element);

    public JsonElement Element { get; }

    /// <summary>The file's path.</summary>
    public string File => _file;

    /// <exception cref="ModelException">It is no JSON object, is longer than allowed or has text that is no Unicode.</exception>
    public static JsonPart Read(string file, int mostBytes) => Parse(file, FolderFile.Read(file, mostBytes), "");

    /// <exception cref="ModelException">It is no JSON list, is longer than allowed or has text that is no Unicode.</exception>
    public static JsonPart ReadList(string file, int mostBytes) => Parse(file, FolderFile.Read(file, mostBytes), "", JsonValueKind.Array);

    /// <param name="what">What the bytes are, where they are not the whole file.</param>
    /// <param name="kind">An object or a list.</param>
    public static JsonPart Parse(string file, ReadOnlyMemory<byte> utf8, string what, JsonValueKind kind = JsonValueKind.Object)
    {
        var whole = new JsonPart(file, what, default);
        try
        {
            whole.RequireUnicode(utf8.Span);
            JsonElement root = JsonDocument.Parse(utf8).RootElement;
            return root.ValueKind == kind ? new JsonPart(file, what, root) : throw whole.Error(kind == JsonValueKind.Array ? "is no JSON list" : "is no JSON object");
        }
        catch (JsonException exception)
        {
            throw whole.Error($"is not valid JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine})");
        }
    }

    /// <summary>The value of a field, or null where it is missing or null.</summary>
    public JsonPart? Find(string name)
    {
        if (Element.ValueKind != JsonValueKind.Object) throw Error("is no object");
        return Element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? Part(name, value) : null;
    }

    /// <summary>The field has to be there, be it null.</summary>
    public void RequireField(string name)
    {
        if (!Element.TryGetProperty(name, out _)) throw Part(name, default).Error("is missing");
    }

    public JsonPart Require(string name) => Find(name) ?? throw Part(name, default).Error("is missing");

    public IEnumerable<(string Name, JsonPart Value)> Fields()
    {
        if (Element.ValueKind != JsonValueKind.Object) throw Error("is no object");
        JsonPart self = this;
        return Element.EnumerateObject().Select(field => (field.Name, self.Part(field.Name, field.Value)));
    }

    public IEnumerable<JsonPart> Items()
    {
        if (Element.ValueKind != JsonValueKind.Array) throw Error("is no list");
        JsonPart self = this;
        return Element.EnumerateArray().Select((item, index) => new JsonPart(self._file, $"{self._path}[{index}]", item));
    }

    public string Text() => Element.ValueKind == JsonValueKind.String ? Element.GetString()! : throw Error("is no text");

    public bool Flag() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error("is neither true nor false"),
    };

    /// <summary>A whole number of 0 or more (some tools write 32 as 32.0).</summary>
    public long Integer(long least, long most)
    {
        if (Element.ValueKind != JsonValueKind.Number) throw Error("is no number");
        if (!Element.TryGetInt64(out long integer))
        {
            double number = Element.GetDouble();
            if (number != Math.Floor(number) || Math.Abs(number) > 1e15) throw Error($"is {Shown}, not a whole number from {least} to {most}");
            integer = (long)number;
        }
        return integer >= least && integer <= most ? integer : throw Error($"is {Shown}, not a whole number from {least} to {most}");
    }

    public double Number(double least, double most)
    {
        if (Element.ValueKind != JsonValueKind.Number) throw Error("is no number");
        double number = Element.GetDouble();
        return number >= least && number <= most ? number : throw Error($"is {Shown}, not from {least} to {most}");
    }

    public ModelException Error(string problem) => new(_file, _path.Length == 0 ? problem : $"{_path} {problem}");

    private string Shown => Element.GetRawText() is { Length: > 40 } text ? text[..40] + "..." : Element.GetRawText();

    private JsonPart Part(string name, JsonElement value)
    {
        string shown = FolderFile.Printable(name);
        return new(_file, _path.Length == 0 ? shown : $"{_path}.{shown}", value);
    }

    /// <summary>So that no text in it can throw when it is read later: invalid UTF-8 and escapes of half a surrogate pair are refused here.</summary>
    private void RequireUnicode(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8)) throw Error("is not valid UTF-8");
        var reader = new Utf8JsonReader(utf8);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped) reader.GetString();
            }
        }
        catch (InvalidOperationException)
        {
            throw Error($"has an escape that is no Unicode character (byte {reader.TokenStartIndex})");
        }
    }
}
