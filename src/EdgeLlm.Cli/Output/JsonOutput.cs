using System.Text.Encodings.Web;
using System.Text.Json;

namespace EdgeLlm.Cli.Output;

/// <summary>
/// Output of `--json`: one document on standard output, field names in snake_case, sizes in bytes unless a name says otherwise.
/// </summary>
internal static class JsonOutput
{
    // Only JSON's own characters and control characters are escaped: it is for programs and terminals, not for the inside of HTML.
    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Options for one value a line.</summary>
    public static JsonWriterOptions Line { get; } = Options with { Indented = false };

    public static void Write(Action<Utf8JsonWriter> write)
    {
        using Stream output = StandardStreams.OpenOutput();
        using (var writer = new Utf8JsonWriter(output, Options)) write(writer);
        output.Write("\n"u8);
    }

    /// <summary>Writes an object of one line.</summary>
    public static void WriteLine(Stream output, Action<Utf8JsonWriter> writeMembers)
    {
        using (var json = new Utf8JsonWriter(output, Line))
        {
            json.WriteStartObject();
            writeMembers(json);
            json.WriteEndObject();
        }
        output.WriteByte((byte)'\n');
        output.Flush();
    }

    /// <summary>A number, or null where there is none (nothing measured, or not finite).</summary>
    public static void WriteNumber(this Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number && double.IsFinite(number)) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }
}
