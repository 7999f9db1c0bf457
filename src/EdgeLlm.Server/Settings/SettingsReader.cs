using System.Buffers;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Fleet;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// Puts the options together from the file, the environment and the command line, a later one before an earlier. An error names the place
/// and the line.
/// </summary>
public static class SettingsReader
{
    /// <summary>The file that is read when it exists and no other is named.</summary>
    public const string DefaultFile = "/etc/edgellm/edgellm.json";

    /// <summary>Reads and checks.</summary>
    /// <param name="file">A file that has to exist, or null for <see cref="DefaultFile"/>, which need not.</param>
    /// <param name="environment">Gives the value of a variable, or null.</param>
    /// <param name="commandLine">Values by <see cref="Setting.Name"/>.</param>
    /// <param name="only">Names of the settings that are wanted, the others are not looked at: files that they name need not be readable;
    /// null: all.</param>
    /// <exception cref="InvalidDataException">A value in the file or the environment is wrong, there is no such setting, or a file that one
    /// names can't be used.</exception>
    /// <exception cref="ArgumentException">A value on the command line is wrong.</exception>
    /// <exception cref="IOException">The file can't be read.</exception>
    public static ServerOptions Read(string? file, Func<string, string?> environment, IReadOnlyDictionary<string, string> commandLine,
        IReadOnlyList<string>? only = null)
    {
        var values = new Dictionary<string, Value>();
        if (file is not null || File.Exists(DefaultFile)) ReadFile(file ?? DefaultFile, values);
        foreach (Setting setting in Setting.All)
        {
            if (environment(setting.EnvironmentName) is { Length: > 0 } text)
                values[setting.Name] = new Value(text, setting.EnvironmentName, null);
            if (commandLine.TryGetValue(setting.Name, out string? given)) values[setting.Name] = new Value(given, setting.OptionName, null);
        }

        var options = new ServerOptions { StateDirectory = environment("STATE_DIRECTORY")?.Split(':')[0] };
        foreach (Setting setting in Setting.All)
        {
            if (!values.TryGetValue(setting.Name, out Value value) || only is not null && !only.Contains(setting.Name)) continue;
            try
            {
                options = setting.Apply(options, value.Text);
            }
            catch (FormatException exception)
            {
                throw value.Wrong(
                    $"takes {exception.Message}{(setting.IsSecret || setting.Name == "broker" ? "" : $", not '{Shortened(value.Text)}'")}");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Not the command line is wrong, but the file.
                throw new InvalidDataException(
                    Printable.Line($"{value.Place}{value.Name} names a file that can't be used: {exception.Message}"));
            }
        }
        options = options with
        {
            InForce =
                [.. Setting.All.Select(setting =>
                    SettingInForce.Of(setting, values.TryGetValue(setting.Name, out Value value) ? (value.Text, value.Source) : null))],
        };
        if (options.Fleet != FleetRole.None && options.Broker is null)
            throw values["fleet"].Wrong("takes a broker: brokerFile, a file with its address (EDGELLM_BROKER_FILE)");
        if (!values.ContainsKey("fleetName"))
            options = options with { FleetName = ApiKey.IsName(Environment.MachineName) ? Environment.MachineName : "edgellm" };
        if (options.TlsCertificate is null != options.TlsKey is null)
        {
            (string given, string missing) = options.TlsKey is null ? ("tlsCertificate", "tlsKey") : ("tlsKey", "tlsCertificate");
            throw values[given].Wrong($"is given without {missing}: TLS takes both");
        }
        if (options is { TlsSelf: true, TlsCertificate: not null })
            throw values["tls"].Wrong("is self, and there is a tlsCertificate, too: give one of them");
        options = options with
        {
            KeysFile = options.KeysFile switch
            {
                null => File.Exists(KeyFile.DefaultPath) ? KeyFile.DefaultPath : null,
                "" => null,
                var named => named
            },
        };
        if (!options.Listen.IsLoopback && options.ApiKey is null && (options.KeysFile is null || KeyFile.Read(options.KeysFile).Count == 0))
            throw values["listen"].Wrong(
                $"is {options.Listen}, where other machines can come: that takes an API key (sudo edgellm keys add NAME, apiKeyFile, or "
                    + "EDGELLM_API_KEY)");
        return options;
    }

    private static void ReadFile(string path, Dictionary<string, Value> values)
    {
        byte[] json = InputFile.Read(path, InputFile.MostSettingsBytes);
        if (json.AsSpan().StartsWith(Encoding.UTF8.Preamble)) json = json[Encoding.UTF8.Preamble.Length..];
        if (json.Length == 0) throw new FileException(path, "is empty: it must be one JSON object, such as {}");
        var reader =
            new Utf8JsonReader(json, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        try
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw Wrong(path, LineAt(json, 0), "the file has to be one JSON object: { \"listen\": \"127.0.0.1:11434\" }");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                int line = LineAt(json, reader.TokenStartIndex);
                Setting setting = Setting.All.FirstOrDefault(setting => setting.Name == name)
                    ?? throw Wrong(path, line,
                        $"there is no setting \"{Shortened(name)}\"; there are "
                            + $"{string.Join(", ", Setting.All.Select(setting => setting.Name))}");
                reader.Read();
                if (reader.TokenType == JsonTokenType.Null) continue;
                string? text = (setting.IsObject && reader.TokenType == JsonTokenType.StartObject)
                    || (name == "models" && reader.TokenType == JsonTokenType.StartArray) ? ObjectOf(json, ref reader) : TextOf(ref reader);
                var value =
                    new Value(
                        text ?? throw Wrong(path, line,
                            $"{name} takes {(setting.IsObject ? "an object" : "one value or a list of texts")}"),
                            setting.Name, $"{path} line {line}");
                if (!values.TryAdd(name, value)) throw Wrong(path, line, $"{name} is there twice");
            }
            while (reader.Read()) { } // nothing may follow
        }
        catch (JsonException exception)
        {
            throw Wrong(path, (int)(exception.LineNumber ?? 0) + 1,
                "this is not valid JSON: " + exception.Message.Split(" LineNumber:")[0]);
        }
        catch (InvalidOperationException)
        {
            throw Wrong(path, LineAt(json, reader.TokenStartIndex), "the text is not valid UTF-8");
        }
    }

    private static string? TextOf(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => reader.GetString(),
        JsonTokenType.Number => Encoding.UTF8.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan),
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        JsonTokenType.StartArray => ListOf(ref reader),
        _ => null,
    };

    /// <summary>An object, or a list with objects, as the file has it.</summary>
    private static string ObjectOf(byte[] json, ref Utf8JsonReader reader)
    {
        int start = (int)reader.TokenStartIndex;
        reader.Skip();
        return Encoding.UTF8.GetString(json.AsSpan(start, (int)reader.BytesConsumed - start));
    }

    /// <summary>A list of texts as text with commas, the form that the other places have.</summary>
    private static string? ListOf(ref Utf8JsonReader reader)
    {
        var items = new List<string>();
        while (reader.Read() && reader.TokenType == JsonTokenType.String) items.Add(reader.GetString()!);
        return reader.TokenType == JsonTokenType.EndArray ? string.Join(',', items) : null;
    }

    private static int LineAt(byte[] json, long offset) => json.AsSpan(0, (int)offset).Count((byte)'\n') + 1;

    private static InvalidDataException Wrong(string path, int line, string problem) =>
        new(Printable.Line($"{path} line {line}: {problem}"));

    private static string Shortened(string text) => text.Length <= 60 ? text : text[..60] + "...";

    /// <param name="Text">The value.</param>
    /// <param name="Name">The setting as that place calls it.</param>
    /// <param name="Line">File and line, or null where it is from elsewhere.</param>
    private readonly record struct Value(string Text, string Name, string? Line)
    {
        /// <summary>Name of the place in the admin view.</summary>
        public string Source => Line ?? Name;

        /// <summary>Beginning of messages about the place.</summary>
        public string Place => Line is not null ? $"{Line}: " : IsOption ? "" : "environment: ";

        private bool IsOption => Line is null && Name.StartsWith("--", StringComparison.Ordinal);

        public Exception Wrong(string problem) =>
            IsOption ? new ArgumentException(Printable.Line($"{Name} {problem}"))
                : new InvalidDataException(Printable.Line($"{Place}{Name} {problem}"));
    }
}

/// <summary>A setting as it is in force.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Value">Its value; null: the default, or a secret.</param>
/// <param name="Source">File and line, the environment's variable, the option, or `default`.</param>
/// <param name="Description">What it does.</param>
internal sealed record SettingInForce(string Name, string? Value, string Source, string Description)
{
    public static SettingInForce Of(Setting setting, (string Text, string Source)? given) =>
        new(setting.Name, setting.IsSecret || setting.Name == "broker" ? null : given?.Text,
            given?.Source ?? "default", setting.Description);
}
