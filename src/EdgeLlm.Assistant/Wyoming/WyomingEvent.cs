using System.Text.Json;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>An event of Home Assistant's Wyoming protocol (github.com/OHF-Voice/wyoming): a type, an object of data, and bytes.</summary>
/// <param name="Type">What it is, such as `audio-chunk`.</param>
/// <param name="Data">Fields by name; those of the data block count before those of the header.</param>
/// <param name="Payload">Bytes, of sound most often.</param>
internal sealed record WyomingEvent(string Type, IReadOnlyDictionary<string, JsonElement> Data, ReadOnlyMemory<byte> Payload)
{
    /// <summary>A text field; null where it is left out or null.</summary>
    /// <exception cref="WyomingException">It is something else.</exception>
    public string? Text(string name) => Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        _ => throw new WyomingException($"the field '{name}' of {Type} must be a text"),
    };

    /// <summary>A whole number; null where it is left out or null.</summary>
    /// <exception cref="WyomingException">It is something else.</exception>
    public int? Number(string name) => Field(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } number when number.TryGetInt32(out int value) => value,
        _ => throw new WyomingException($"the field '{name}' of {Type} must be a whole number"),
    };

    /// <summary>A list of texts; empty where it is left out or null.</summary>
    /// <exception cref="WyomingException">It is something else.</exception>
    public IReadOnlyList<string> Texts(string name) => Field(name) switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } list when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            [.. list.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw new WyomingException($"the field '{name}' of {Type} must be a list of texts"),
    };

    /// <summary>Any field; null where it is left out or null.</summary>
    public JsonElement? Field(string name) =>
        Data.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
}

/// <summary>A peer did what the protocol does not allow, or more than the limits do: it is told, and its connection closed.</summary>
internal sealed class WyomingException(string message) : Exception(message);

/// <summary>Limits of a peer. The defaults are those of `edgellm wyoming`.</summary>
internal sealed record WyomingLimits
{
    /// <summary>Connections at once.</summary>
    public int Connections { get; init; } = 8;

    /// <summary>Bytes of a header's line.</summary>
    public int HeaderBytes { get; init; } = 16 << 10;

    /// <summary>Bytes of an event's data, and of its payload.</summary>
    public int BlockBytes { get; init; } = 64 << 10;

    /// <summary>Longest utterance.</summary>
    public TimeSpan Utterance { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest time for an answer of the conversation agent.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Longest time without a byte from the peer, and for one event from its first byte to its last.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(30);
}
