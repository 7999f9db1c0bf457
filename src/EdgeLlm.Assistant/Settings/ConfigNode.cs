using System.Globalization;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;

namespace EdgeLlm.Assistant.Settings;

/// <summary>An error in a file of settings, with its line.</summary>
public sealed class ConfigException(string file, int line, string problem)
    : IOException(Printable.Line($"{file} line {line}: {problem}", 500));

/// <summary>
/// A value of a JSON file (with comments and trailing commas) that knows its line, so that what is wrong with it can be found.
/// </summary>
internal sealed class ConfigNode
{
    private const int MostDepth = 16;

    private readonly string _file;
    private readonly string _name; // what messages call it
    private readonly JsonTokenType _kind;
    private readonly string _text = "";
    private readonly List<(string Name, ConfigNode Value)> _members = [];
    private readonly List<ConfigNode> _items = [];

    private ConfigNode(string file, string name, int line, JsonTokenType kind, string text) =>
        (_file, _name, Line, _kind, _text) = (file, name, line, kind, text);

    /// <summary>Its line in the file, from 1.</summary>
    public int Line { get; }

    /// <summary>Whether it is an object.</summary>
    public bool IsObject => _kind == JsonTokenType.StartObject;

    /// <summary>Whether it is a list.</summary>
    public bool IsList => _kind == JsonTokenType.StartArray;

    /// <summary>Whether it is a text.</summary>
    public bool IsText => _kind == JsonTokenType.String;

    /// <summary>Members of an object with their names, in order.</summary>
    public IReadOnlyList<(string Name, ConfigNode Value)> Members => IsObject ? _members : throw Wrong("must be an object: { ... }");

    /// <summary>Items of a list.</summary>
    public IReadOnlyList<ConfigNode> Items => IsList ? _items : throw Wrong("must be a list: [ ... ]");

    /// <summary>Reads a file.</summary>
    /// <exception cref="ConfigException">It is not JSON, not an object, or has a name twice.</exception>
    /// <exception cref="IOException">It can't be read.</exception>
    public static ConfigNode Read(string path) => Parse(InputFile.Read(path, InputFile.MostSettingsBytes), path);

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="ConfigException">It is not JSON, not an object, or has a name twice.</exception>
    public static ConfigNode Parse(byte[] json, string file)
    {
        if (json.AsSpan().StartsWith(Encoding.UTF8.Preamble)) json = json[Encoding.UTF8.Preamble.Length..];
        if (json.Length == 0) throw new ConfigException(file, 1, "the file is empty: it must be one JSON object, such as {}");
        var reader = new Utf8JsonReader(json,
            new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = MostDepth });
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new ConfigException(file, LineAt(json, reader.TokenStartIndex), "the file must be one JSON object: { ... }");
            ConfigNode root = Read(ref reader, json, file, "the file");
            while (reader.Read()) { } // nothing may follow
            return root;
        }
        catch (JsonException exception)
        {
            throw new ConfigException(file, (int)(exception.LineNumber ?? 0) + 1,
                "this is not valid JSON: " + exception.Message.Split(" LineNumber:")[0]);
        }
        catch (InvalidOperationException)
        {
            throw new ConfigException(file, LineAt(json, reader.TokenStartIndex), "the text is not valid UTF-8");
        }
    }

    /// <summary>A member; null where it is left out or null.</summary>
    public ConfigNode? Get(string name) =>
        Members.FirstOrDefault(member => member.Name == name).Value is { _kind: not JsonTokenType.Null } value ? value : null;

    /// <summary>A member that has to be there.</summary>
    public ConfigNode Require(string name) => Get(name) ?? throw Wrong($"needs \"{name}\"");

    /// <summary>Refuses members with other names: a misspelled setting would be passed over otherwise.</summary>
    public void AllowOnly(params ReadOnlySpan<string> names)
    {
        foreach ((string name, ConfigNode value) in Members)
        {
            if (!names.Contains(name))
                throw value.Wrong($"\"{name}\" is not known here; there is {string.Join(", ", names.ToArray())}", isNamed: true);
        }
    }

    /// <summary>A text.</summary>
    public string Text() => IsText ? _text : throw Wrong("must be a text in quotes");

    /// <summary>A text that is not empty.</summary>
    public string Name() => Text().Trim() is { Length: > 0 } text ? text : throw Wrong("must not be empty");

    /// <summary>A list of texts, or one text.</summary>
    public IReadOnlyList<string> Texts() => IsText ? [Name()] : [.. Items.Select(static item => item.Name())];

    /// <summary>True or false.</summary>
    public bool Flag() => _kind switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw Wrong("must be true or false"),
    };

    /// <summary>A whole number; also as hexadecimal text, as addresses are written.</summary>
    public int Whole(int least, int most)
    {
        bool isWhole = IsText && _text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? int.TryParse(_text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int value)
            : int.TryParse(_kind == JsonTokenType.Number ? _text : "", NumberStyles.AllowLeadingSign,
                CultureInfo.InvariantCulture, out value);
        return isWhole && value >= least && value <= most ? value : throw Wrong($"must be a whole number from {least} to {most}");
    }

    /// <summary>A number.</summary>
    public double Number(double least, double most) =>
        _kind == JsonTokenType.Number && double.TryParse(_text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && value >= least && value <= most
            ? value : throw Wrong(string.Create(CultureInfo.InvariantCulture, $"must be a number from {least} to {most}"));

    /// <summary>One of some words.</summary>
    public T Choice<T>(IReadOnlyDictionary<string, T> words) =>
        IsText && words.TryGetValue(_text, out T? value) ? value
            : throw Wrong($"must be one of {string.Join(", ", words.Keys.Select(static word => $"\"{word}\""))}");

    /// <summary>An error about this value.</summary>
    /// <param name="isNamed">Whether the problem names it already.</param>
    public ConfigException Wrong(string problem, bool isNamed = false) => new(_file, Line, isNamed ? problem : $"{_name} {problem}");

    private static ConfigNode Read(ref Utf8JsonReader reader, byte[] json, string file, string name)
    {
        int line = LineAt(json, reader.TokenStartIndex);
        string text = reader.TokenType switch
        {
            JsonTokenType.String => reader.GetString()!,
            JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
            _ => "",
        };
        var node = new ConfigNode(file, name, line, reader.TokenType, text);
        if (node.IsObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string member = reader.GetString()!;
                int at = LineAt(json, reader.TokenStartIndex);
                if (node._members.Exists(one => one.Name == member)) throw new ConfigException(file, at, $"\"{member}\" is there twice");
                reader.Read();
                node._members.Add((member, Read(ref reader, json, file, $"\"{member}\"")));
            }
        }
        if (node.IsList)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                node._items.Add(Read(ref reader, json, file, $"item {node._items.Count + 1} of {name}"));
        }
        return node;
    }

    private static int LineAt(byte[] json, long offset) => json.AsSpan(0, (int)offset).Count((byte)'\n') + 1;
}
