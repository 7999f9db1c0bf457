using System.Globalization;
using System.Text.Json;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Library;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// An entry of the setting `models` that is more than a path: a model with adapters that requests may name, or a model made of another one
/// and adapters, which is listed and chosen like one and shares the other's map.
/// </summary>
public sealed record ModelEntry
{
    private const int MostEntries = 256;

    /// <summary>The model's name or path; null: it is made of <see cref="Base"/>.</summary>
    public string? Model { get; init; }

    /// <summary>Name for clients; null: as without an entry.</summary>
    public string? Name { get; init; }

    /// <summary>The name of the model that it is made of; null: it is one itself.</summary>
    public string? Base { get; init; }

    /// <summary>Adapters: of a model those that requests may name, of one that is made of another those that it has.</summary>
    public IReadOnlyList<AdapterEntry> Adapters { get; init; } = [];

    /// <summary>Control vectors, as <see cref="Adapters"/>.</summary>
    public IReadOnlyList<AdapterEntry> ControlVectors { get; init; } = [];

    /// <summary>Of one that is made of another: `adapter` where conversations take the chat template of the adapter's folder.</summary>
    public string? Template { get; init; }

    /// <summary>Reads a list of texts and objects.</summary>
    /// <exception cref="FormatException">A field is missing, unknown or wrong; the message says what would be right.</exception>
    internal static (List<string> Models, List<ModelEntry> Entries) ReadList(string json)
    {
        var models = new List<string>();
        var entries = new List<ModelEntry>();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json,
                new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            foreach (JsonElement item in document.RootElement.EnumerateArray().Take(MostEntries))
            {
                if (item.ValueKind == JsonValueKind.String)
                {
                    models.Add(item.GetString()!);
                    continue;
                }
                ModelEntry entry = Read(item);
                entries.Add(entry);
                if (entry.Model is not null) models.Add(entry.Model);
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException(
                "a list of names, paths and objects such as {\"name\": \"pirate\", \"base\": \"llama\", \"adapters\": [{\"name\": "
                    + "\"pirate\", \"path\": \"/srv/pirate\"}]}");
        }
        return (models, entries);
    }

    private static ModelEntry Read(JsonElement item)
    {
        var entry = new ModelEntry();
        foreach (JsonProperty field in item.EnumerateObject())
        {
            entry = field.Name switch
            {
                "model" or "path" => entry with { Model = field.Value.GetString() },
                "name" => entry with { Name = field.Value.GetString() },
                "base" => entry with { Base = field.Value.GetString() },
                "adapters" => entry with { Adapters = [.. field.Value.EnumerateArray().Take(64).Select(AdapterEntry.Read)] },
                "controlVectors" => entry with { ControlVectors = [.. field.Value.EnumerateArray().Take(64).Select(AdapterEntry.Read)] },
                "template" => entry with
                {
                    Template = field.Value.GetString() is DerivedModel.AdapterTemplate and var own ? own
                    : throw new FormatException("a template of \"adapter\"")
                },
                _ =>
                    throw new FormatException(
                        $"objects with model, name, base, adapters, controlVectors and template; \"{Printable.Line(field.Name, 40)}\" is "
                            + "not one of them"),
            };
        }
        if (entry.Base is null == entry.Model is null) throw new FormatException("objects with either a model or a base");
        if (entry is { Base: not null, Name: null }) throw new FormatException("a name beside each base");
        if (entry is { Base: null, Template: not null }) throw new FormatException("a template only beside a base");
        return entry;
    }
}

/// <summary>An adapter or control vector of the settings.</summary>
/// <param name="Name">What requests call it.</param>
/// <param name="Path">A file or folder; null: one of the base's with this name.</param>
/// <param name="Scale">How strongly it acts where nobody says more.</param>
public sealed record AdapterEntry(string Name, string? Path, float Scale)
{
    /// <summary>Of a control vector: the first layer that it changes.</summary>
    public int FirstLayer { get; init; }

    /// <summary>Of a control vector: the last layer that it changes.</summary>
    public int LastLayer { get; init; } = int.MaxValue;

    /// <exception cref="FormatException">A field is missing, unknown or wrong.</exception>
    internal static AdapterEntry Read(JsonElement item)
    {
        if (item.ValueKind == JsonValueKind.String) return new AdapterEntry(item.GetString()!, null, 1);
        string? name = null, path = null;
        var entry = new AdapterEntry("", null, 1);
        foreach (JsonProperty field in item.EnumerateObject())
        {
            switch (field.Name)
            {
                case "name": name = field.Value.GetString(); break;
                case "path": path = field.Value.GetString(); break;
                case "scale":
                    entry = entry with { Scale = ScaleOf(field.Value) ?? throw new FormatException("scales from -16 to 16") }; break;
                case "layers":
                    (int first, int last) = LayersOf(field.Value) ?? throw new FormatException("layers such as \"4-12\"");
                    entry = entry with { FirstLayer = first, LastLayer = last }; break;
                default:
                    throw new FormatException(
                        $"adapters with name, path, scale and layers; \"{Printable.Line(field.Name, 40)}\" is not one of them");
            }
        }
        name ??= path is null ? null : System.IO.Path.GetFileNameWithoutExtension(path.TrimEnd('/'));
        return string.IsNullOrEmpty(name) ? throw new FormatException("a name or a path for each adapter")
            : entry with { Name = name, Path = path };
    }

    /// <summary>A finite number from -16 to 16, or null.</summary>
    internal static float? ScaleOf(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float scale) && float.IsFinite(scale)
            && Math.Abs(scale) <= Adaptation.MostScale ? scale : null;

    /// <summary>"A-B" or [A, B], or null.</summary>
    internal static (int First, int Last)? LayersOf(JsonElement value)
    {
        string[] ends = value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!.Split('-'),
            JsonValueKind.Array when value.GetArrayLength() == 2 => [.. value.EnumerateArray().Select(end => end.GetRawText())],
            _ => [],
        };
        bool areNumbers = ends.Length is 1 or 2
            && ends.All(end => int.TryParse(end, NumberStyles.None, CultureInfo.InvariantCulture, out _));
        if (!areNumbers) return null;
        (int first, int last) = (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));
        return last >= first ? (first, last) : null;
    }
}
