using System.Text;
using System.Text.Json;

namespace EdgeLlm.Files;

/// <summary>JSON of one line, as text.</summary>
internal static class JsonText
{
    /// <summary>An object.</summary>
    /// <param name="members">Writes its members; null: it has none.</param>
    public static string Object(Action<Utf8JsonWriter>? members)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            members?.Invoke(json);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray());
    }
}
