using System.Text.Json;
using System.Text.Json.Serialization;

namespace EdgeLlm.Server.Http;

/// <summary>Whole numbers, also as Python and JavaScript may write them: `4.0`, `1e2`.</summary>
internal sealed class WholeInt32 : JsonConverter<int>
{
    public override int Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        WholeInt64.Read(ref reader) is >= int.MinValue and <= int.MaxValue and var value ? (int)value : throw new JsonException();

    public override void Write(Utf8JsonWriter writer, int value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
}

/// <summary>Reads a whole number of 64 bits, also where it is written with a fraction of zero.</summary>
internal sealed class WholeInt64 : JsonConverter<long>
{
    /// <exception cref="JsonException">It is another value, or too large.</exception>
    public static long Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.Number) throw new JsonException();
        if (reader.TryGetInt64(out long value)) return value;
        return reader.TryGetDouble(out double real) && real == Math.Truncate(real) && Math.Abs(real) < 1L << 62 ? (long)real
            : throw new JsonException();
    }

    public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Read(ref reader);

    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
}
