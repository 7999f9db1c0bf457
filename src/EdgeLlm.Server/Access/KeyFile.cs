using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Access;

/// <summary>The file of the clients' keys: JSON, `{ "keys": [ { "name", "role", "hash", ... } ] }`. It holds hashes, never a key.</summary>
public static class KeyFile
{
    /// <summary>The file that is read when it exists and no other is named.</summary>
    public const string DefaultPath = "/etc/edgellm/keys.json";

    /// <summary>Most keys of a file: each request is compared with all of them.</summary>
    public const int MostKeys = 1000;

    // The owner writes, the service's group reads.
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    private static readonly JsonWriterOptions Layout = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The keys of a file.</summary>
    /// <exception cref="IOException">It can't be read, or is not such a file; the message names the field.</exception>
    public static IReadOnlyList<ApiKey> Read(string path)
    {
        byte[] json = InputFile.Read(path, InputFile.MostSettingsBytes);
        try
        {
            using var document = JsonDocument.Parse(json,
                new JsonDocumentOptions
                {
                    CommentHandling = JsonCommentHandling.Skip,
                    AllowTrailingCommas = true,
                    AllowDuplicateProperties = false
                });
            return Keys(document.RootElement);
        }
        catch (JsonException exception)
        {
            throw new FileException(path, "is not valid JSON: " + Printable.Line(exception.Message.Split(" Path:")[0]));
        }
        catch (FormatException exception)
        {
            throw new FileException(path, exception.Message);
        }
    }

    /// <summary>
    /// Changes a file's keys, which is made where there is none, with the rights 0640; two changes at once: the later one is refused.
    /// </summary>
    /// <param name="change">Gives the new keys for the present ones.</param>
    /// <exception cref="IOException">It can't be read or written, or is being changed by another process.</exception>
    public static void Change(string path, Func<IReadOnlyList<ApiKey>, IReadOnlyList<ApiKey>> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        using AtomicFile file = AtomicFile.Create(path); // its temporary name is the lock
        IReadOnlyList<ApiKey> keys = change(File.Exists(path) ? Read(path) : []);
        if (keys.Count > MostKeys) throw new FileException(path, $"would have {keys.Count} keys; at most {MostKeys} are taken");
        file.Write(Bytes(keys));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file.Stream.SafeFileHandle, Mode);
        if (!OperatingSystem.IsWindows()) ServiceGroup.Give(file.Stream.SafeFileHandle);
        file.Complete();
    }

    private static byte[] Bytes(IReadOnlyList<ApiKey> keys)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, Layout))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys");
            foreach (ApiKey key in keys)
            {
                json.WriteStartObject();
                json.WriteString("name", key.Name);
                json.WriteString("role", NameOf(key.Role));
                json.WriteString("hash", key.Hash);
                if (key.Models is { } models)
                {
                    json.WriteStartArray("models");
                    foreach (string model in models) json.WriteStringValue(model);
                    json.WriteEndArray();
                }
                if (key.RequestsPerMinute > 0) json.WriteNumber("requestsPerMinute", key.RequestsPerMinute);
                if (key.TokensPerDay > 0) json.WriteNumber("tokensPerDay", key.TokensPerDay);
                json.WriteString("created", key.Created.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        bytes.Write("\n"u8);
        return bytes.ToArray();
    }

    /// <summary>A role as files and people write it: use, device, admin.</summary>
    public static string NameOf(KeyRole role) => role switch
    {
        KeyRole.Use => "use",
        KeyRole.Device => "device",
        _ => "admin",
    };

    private static List<ApiKey> Keys(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("keys", out JsonElement list)
            || list.ValueKind != JsonValueKind.Array)
            throw new FormatException("must be one JSON object with a list \"keys\": { \"keys\": [] }");
        RequireNames(root, "", ["keys"]);
        if (list.GetArrayLength() > MostKeys) throw new FormatException($"has {list.GetArrayLength()} keys; at most {MostKeys} are taken");
        List<ApiKey> keys = [.. list.EnumerateArray().Select((item, i) => Key(item, $"keys[{i}]"))];
        if (keys.GroupBy(key => key.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } same)
            throw new FormatException($"has two keys with the name '{same.Key}'");
        if (keys.GroupBy(key => key.Hash, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new FormatException($"has one key by two names: {string.Join(", ", twice.Select(key => key.Name))}");
        return keys;
    }

    private static ApiKey Key(JsonElement item, string place)
    {
        if (item.ValueKind != JsonValueKind.Object) throw new FormatException($"{place} must be an object with name, role and hash");
        RequireNames(item, place + ".", ["name", "role", "hash", "models", "requestsPerMinute", "tokensPerDay", "created"]);
        string name = Text(item, place, "name");
        if (!ApiKey.IsName(name))
            throw new FormatException($"{place}.name must be letters, digits, '.', '-' and '_', at most {ApiKey.LongestName}");
        KeyRole role = Text(item, place, "role") switch
        {
            "use" => KeyRole.Use,
            "device" => KeyRole.Device,
            "admin" => KeyRole.Admin,
            _ => throw new FormatException($"{place}.role must be use, device or admin"),
        };
        string hash = Text(item, place, "hash").ToLowerInvariant();
        if (hash.Length != 64 || !hash.All(char.IsAsciiHexDigit))
            throw new FormatException($"{place}.hash must be the SHA-256 of a key in 64 hexadecimal digits");
        DateTimeOffset created = default;
        if (item.TryGetProperty("created", out _)
            && !DateTimeOffset.TryParse(Text(item, place, "created"), CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal, out created))
            throw new FormatException($"{place}.created must be a time such as 2026-11-29T12:00:00Z");
        return new ApiKey(name, role, hash, created)
        {
            Models = Models(item, place),
            RequestsPerMinute = (int)Number(item, place, "requestsPerMinute", int.MaxValue),
            TokensPerDay = Number(item, place, "tokensPerDay", long.MaxValue),
        };
    }

    private static List<string>? Models(JsonElement item, string place)
    {
        if (!item.TryGetProperty("models", out JsonElement models) || models.ValueKind == JsonValueKind.Null) return null;
        if (models.ValueKind != JsonValueKind.Array || models.GetArrayLength() == 0)
            throw new FormatException($"{place}.models must be a list of models' names; without it, all are allowed");
        return [.. models.EnumerateArray().Select((model, i) => TextOf(model) is { Length: > 0 } name ? name
            : throw new FormatException($"{place}.models[{i}] must be a model's name"))];
    }

    private static string Text(JsonElement item, string place, string name) =>
        item.TryGetProperty(name, out JsonElement value) && TextOf(value) is { } text ? text
            : throw new FormatException($"{place}.{name} must be a text");

    private static string? TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half a surrogate pair
        }
    }

    private static long Number(JsonElement item, string place, string name, long most)
    {
        if (!item.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return 0;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= 0 && number <= most) return number;
        throw new FormatException(
            string.Create(CultureInfo.InvariantCulture, $"{place}.{name} must be a whole number from 0 (any) to {most}"));
    }

    private static void RequireNames(JsonElement item, string place, ReadOnlySpan<string> names)
    {
        foreach (JsonProperty property in item.EnumerateObject())
        {
            if (!names.Contains(property.Name))
                throw new FormatException($"there is no {place}{Printable.Line(property.Name, 60)}; there are {string.Join(", ", names!)}");
        }
    }
}
