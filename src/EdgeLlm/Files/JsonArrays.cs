using System.Text.Json;

namespace EdgeLlm.Files;

/// <summary>Named arrays of JSON.</summary>
internal static class JsonArrays
{
    /// <summary>An array of values.</summary>
    /// <param name="write">Writes one.</param>
    public static void WriteArray<T>(this Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items) write(item);
        json.WriteEndArray();
    }

    /// <summary>An array of objects.</summary>
    /// <param name="writeMembers">Writes the members of one.</param>
    public static void WriteObjects<T>(this Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> writeMembers) =>
        json.WriteArray(name, items, item =>
        {
            json.WriteStartObject();
            writeMembers(item);
            json.WriteEndObject();
        });
}
