using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace EdgeLlm.HuggingFace;

/// <summary>A JSON file of a folder, or a value in one. What is not as it should be is an error that names file and field.</summary>
internal readonly struct JsonPart
{
    private readonly string _file;
    private readonly string _path;
    private readonly IReadOnlyDictionary<string, string>? _otherNames;

    private JsonPart(string file, string path, JsonElement element) => (_file, _path, Element) = (file, path, element);

    private JsonPart(JsonPart part, IReadOnlyDictionary<string, string> otherNames) : this(part._file, part._path, part.Element) =>
        _otherNames = otherNames;

    public JsonElement Element { get; }

    /// <summary>The file's path.</summary>
    public string File => _file;

    /// <exception cref="ModelException">It is not a JSON object, is longer than allowed or has text that is not Unicode.</exception>
    public static JsonPart Read(string file, int mostBytes) => Parse(file, FolderFile.Read(file, mostBytes), "");

    /// <exception cref="ModelException">It is not a JSON list, is longer than allowed or has text that is not Unicode.</exception>
    public static JsonPart ReadList(string file, int mostBytes) => Parse(file, FolderFile.Read(file, mostBytes), "", JsonValueKind.Array);

    /// <param name="what">What the bytes are, where they are not the whole file.</param>
    /// <param name="kind">An object or a list.</param>
    public static JsonPart Parse(string file, ReadOnlyMemory<byte> utf8, string what, JsonValueKind kind = JsonValueKind.Object)
    {
        var whole = new JsonPart(file, what, default);
        try
        {
            utf8 = WithoutInfinity(utf8);
            whole.RequireUnicode(utf8.Span);
            JsonElement root = JsonDocument.Parse(utf8).RootElement;
            return root.ValueKind == kind ? new JsonPart(file, what, root)
                : throw whole.Error(kind == JsonValueKind.Array ? "is no JSON list" : "is no JSON object");
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
        if (Element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null) return Part(name, value);
        return _otherNames is not null && _otherNames.TryGetValue(name, out string? other) ? Find(other) : null;
    }

    /// <summary>This object, some fields of which may have another name.</summary>
    /// <param name="otherNames">A field's name, and its other one.</param>
    /// <exception cref="ModelException">A field is there under both names, with different values.</exception>
    public JsonPart WithOtherNames(IReadOnlyDictionary<string, string> otherNames)
    {
        foreach ((string name, string other) in otherNames)
        {
            if (Find(name) is { } value && Find(other) is { } second && !JsonElement.DeepEquals(value.Element, second.Element))
                throw second.Error($"is {second.Shown}, and {name}, of which it is another name, is {value.Shown}");
        }
        return new JsonPart(this, otherNames);
    }

    /// <summary>This object, with fields that are taken where it has none of that name.</summary>
    /// <param name="json">An object.</param>
    public JsonPart WithDefaults(string json)
    {
        JsonObject whole = JsonNode.Parse(json)!.AsObject();
        foreach (JsonProperty field in Element.EnumerateObject()) whole[field.Name] = JsonNode.Parse(field.Value.GetRawText());
        return new JsonPart(_file, _path, JsonDocument.Parse(whole.ToJsonString()).RootElement);
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
            if (number != Math.Floor(number) || Math.Abs(number) > 1e15)
                throw Error($"is {Shown}, not a whole number from {least} to {most}");
            integer = (long)number;
        }
        return integer >= least && integer <= most ? integer : throw Error($"is {Shown}, not a whole number from {least} to {most}");
    }

    /// <summary>A number, or the object that transformers 5 writes for one that JSON has not: {"__float__": "Infinity"}.</summary>
    public double Number(double least, double most)
    {
        bool isInfinite = Element.ValueKind == JsonValueKind.Object && Element.TryGetProperty("__float__", out JsonElement text)
            && text.ValueKind == JsonValueKind.String && text.ValueEquals("Infinity");
        if (!isInfinite && Element.ValueKind != JsonValueKind.Number) throw Error("is no number");
        double number = isInfinite ? double.PositiveInfinity : Element.GetDouble();
        return number >= least && number <= most ? number : throw Error($"is {Shown}, not from {least} to {most}");
    }

    public ModelException Error(string problem) => new(_file, _path.Length == 0 ? problem : $"{_path} {problem}");

    private string Shown => Element.GetRawText() is { Length: > 40 } text ? text[..40] + "..." : Element.GetRawText();

    private JsonPart Part(string name, JsonElement value)
    {
        string shown = FolderFile.Printable(name);
        return new(_file, _path.Length == 0 ? shown : $"{_path}.{shown}", value);
    }

    /// <summary>
    /// Python writes an infinite number as a word, which JSON has not: a number of the same length that no double reaches is in its place.
    /// </summary>
    private static ReadOnlyMemory<byte> WithoutInfinity(ReadOnlyMemory<byte> utf8)
    {
        ReadOnlySpan<byte> word = "Infinity"u8, number = "1e999999"u8;
        if (utf8.Span.IndexOf(word) < 0) return utf8;
        byte[] changed = utf8.ToArray();
        bool isText = false;
        for (int i = 0; i < changed.Length; i++)
        {
            if (changed[i] == '"') isText = !isText;
            else if (isText && changed[i] == '\\') i++;
            else if (!isText && changed.AsSpan(i).StartsWith(word)) number.CopyTo(changed.AsSpan(i));
        }
        return changed;
    }

    /// <summary>
    /// So that no text in it can throw when it is read later: invalid UTF-8 and escapes of half a surrogate pair are refused here.
    /// </summary>
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
