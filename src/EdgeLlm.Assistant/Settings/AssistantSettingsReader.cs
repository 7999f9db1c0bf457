using System.Globalization;
using System.Text.RegularExpressions;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Files;

namespace EdgeLlm.Assistant.Settings;

/// <summary>Reads assistant.json. Every error names the file and the line.</summary>
public static class AssistantSettingsReader
{
    /// <summary>Names of sources as config has them.</summary>
    internal static readonly IReadOnlyDictionary<string, Source> SourceNames =
        Enum.GetValues<Source>().ToDictionary(static source => source.ToString().ToLowerInvariant());

    /// <summary>Reads and checks a file.</summary>
    /// <exception cref="ConfigException">Something is wrong in it.</exception>
    /// <exception cref="IOException">It can't be read.</exception>
    public static AssistantSettings Read(string path) => Read(ConfigNode.Read(path)) with { File = path };

    /// <summary>Reads and checks the text of a file.</summary>
    /// <exception cref="ConfigException">Something is wrong in it.</exception>
    internal static AssistantSettings Parse(string json, string name = "assistant.json") =>
        Read(ConfigNode.Parse(System.Text.Encoding.UTF8.GetBytes(json), name)) with { File = name };

    private static AssistantSettings Read(ConfigNode root)
    {
        root.AllowOnly("languages", "model", "embeddingModel", "system", "hearing", "voice", "audio", "times", "devices", "sources",
            "tools", "phrases", "wyoming", "socket");
        var defaults = new AssistantSettings();
        ConfigNode? tools = root.Get("tools"), wyoming = root.Get("wyoming");
        tools?.AllowOnly("commands", "weatherFile", "notesFolder", "mcp");
        wyoming?.AllowOnly("listen", "allow");
        IReadOnlyList<AssistantDevice> devices = DeviceReader.Read(root.Get("devices"));
        return defaults with
        {
            Languages = root.Get("languages") is { } languages ? LanguagesOf(languages) : defaults.Languages,
            Model = root.Get("model")?.Name(),
            EmbeddingModel = root.Get("embeddingModel")?.Name(),
            System = root.Get("system")?.Text() ?? defaults.System,
            Hearing = HearingOf(root.Get("hearing"), defaults.Hearing),
            Voice = VoiceOf(root.Get("voice"), defaults.Voice),
            Audio = AudioOf(root.Get("audio"), defaults.Audio),
            Times = TimesOf(root.Get("times"), defaults.Times),
            Devices = devices,
            Sources = root.Get("sources") is { } sources ? SourcesOf(sources) : defaults.Sources,
            Commands = tools?.Get("commands") is { } commands
                ? [.. commands.Members.Select(static member => CommandOf(member.Name, member.Value))] : [],
            WeatherFile = tools?.Get("weatherFile")?.Name(),
            NotesFolder = tools?.Get("notesFolder")?.Name(),
            McpServers = tools?.Get("mcp") is { } servers
                ? [.. servers.Members.Select(static member => McpOf(member.Name, member.Value))] : [],
            Phrases = root.Get("phrases") is { } phrases ? [.. phrases.Items.Select(PhraseOf)] : [],
            WyomingListen = wyoming is null ? null : wyoming.Get("listen")?.Name() ?? "127.0.0.1:10500",
            WyomingAllow = wyoming?.Get("allow")?.Texts() ?? [],
            Socket = root.Get("socket")?.Name(),
        };
    }

    private static List<string> LanguagesOf(ConfigNode node)
    {
        List<string> languages = [.. node.Texts()];
        if (languages.Count == 0) throw node.Wrong("needs one language at least");
        foreach (string language in languages)
        {
            if (Vocabulary.Find(language) is null)
                throw node.Wrong($"has \"{language}\"; there is {string.Join(", ", Vocabulary.All.Select(static one => one.Language))}");
        }
        return languages;
    }

    private static HearingSettings HearingOf(ConfigNode? node, HearingSettings defaults)
    {
        if (node is null) return defaults;
        node.AllowOnly("model", "command", "wyoming", "voiceActivity", "wakeWords", "hangoverSeconds");
        RequireOne(node, "model", "command", "wyoming");
        return defaults with
        {
            Model = node.Get("model")?.Name(),
            Command = node.Get("command") is { } command ? ProgramOf(command) : [],
            Wyoming = node.Get("wyoming") is { } address ? AddressOf(address) : null,
            VoiceActivity = node.Get("voiceActivity")?.Name(),
            WakeWords = node.Get("wakeWords")?.Texts() ?? [],
            Hangover = node.Get("hangoverSeconds") is { } seconds ? TimeSpan.FromSeconds(seconds.Number(.1, 3)) : defaults.Hangover,
        };
    }

    private static VoiceSettings VoiceOf(ConfigNode? node, VoiceSettings defaults)
    {
        if (node is null) return defaults;
        node.AllowOnly("voice", "command", "wyoming", "speed");
        RequireOne(node, "voice", "command", "wyoming");
        return defaults with
        {
            Voice = node.Get("voice")?.Name(),
            Command = node.Get("command") is { } command ? ProgramOf(command) : [],
            Wyoming = node.Get("wyoming") is { } address ? AddressOf(address) : null,
            Speed = node.Get("speed")?.Number(.5, 2) ?? 1,
        };
    }

    private static AudioSettings AudioOf(ConfigNode? node, AudioSettings defaults)
    {
        if (node is null) return defaults;
        node.AllowOnly("input", "output", "echoCancellation", "wakeWordInterrupts", "voiceInterrupts");
        return defaults with
        {
            Input = node.Get("input") is { } input ? ProgramOf(input) : defaults.Input,
            Output = node.Get("output") is { } output ? ProgramOf(output) : defaults.Output,
            CancelsEcho = node.Get("echoCancellation")?.Flag() ?? defaults.CancelsEcho,
            WakeWordInterrupts = node.Get("wakeWordInterrupts")?.Flag() ?? defaults.WakeWordInterrupts,
            VoiceInterrupts = node.Get("voiceInterrupts")?.Flag() ?? defaults.VoiceInterrupts,
        };
    }

    private static TimeSettings TimesOf(ConfigNode? node, TimeSettings defaults)
    {
        if (node is null) return defaults;
        node.AllowOnly("listenSeconds", "recognizeSeconds", "thinkSeconds", "actSeconds", "speakSeconds",
            "followUpSeconds", "confirmSeconds");
        return new TimeSettings
        {
            Listen = Seconds("listenSeconds", 2, 60) ?? defaults.Listen,
            Recognize = Seconds("recognizeSeconds", 1, 120) ?? defaults.Recognize,
            Think = Seconds("thinkSeconds", 1, 600) ?? defaults.Think,
            Act = Seconds("actSeconds", 1, 120) ?? defaults.Act,
            Speak = Seconds("speakSeconds", 5, 600) ?? defaults.Speak,
            FollowUp = Seconds("followUpSeconds", 0, 30) ?? defaults.FollowUp,
            Confirm = Seconds("confirmSeconds", 3, 10) ?? defaults.Confirm,
        };

        TimeSpan? Seconds(string name, double least, double most) =>
            node.Get(name) is { } value ? TimeSpan.FromSeconds(value.Number(least, most)) : null;
    }

    private static Dictionary<Source, IReadOnlyList<string>> SourcesOf(ConfigNode node)
    {
        node.AllowOnly([.. SourceNames.Keys]);
        return node.Members.ToDictionary(static member => SourceNames[member.Name], static member => member.Value.Texts());
    }

    private static CommandSettings CommandOf(string name, ConfigNode node)
    {
        node.AllowOnly("description", "command", "arguments", "confirm");
        IReadOnlyList<string> command = ProgramOf(node.Require("command"));
        var patterns = new Dictionary<string, string>();
        foreach ((string argument, ConfigNode pattern) in node.Get("arguments")?.Members ?? [])
        {
            try
            {
                _ = new Regex(pattern.Name(), RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
            }
            catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
            {
                throw pattern.Wrong("must be a regular expression without references to groups");
            }
            patterns[argument] = pattern.Name();
        }
        foreach (string used in command.SelectMany(CommandTemplate.NamesIn))
        {
            if (!patterns.ContainsKey(used)) throw node.Require("command").Wrong($"has {{{used}}}, for which \"arguments\" has no pattern");
        }
        if (CommandTemplate.NamesIn(command[0]).Any())
            throw node.Require("command").Wrong("must begin with a program, not with an argument");
        return new CommandSettings(name, node.Get("description")?.Text() ?? name, command, patterns, node.Get("confirm")?.Flag() ?? false);
    }

    private static McpSettings McpOf(string name, ConfigNode node)
    {
        node.AllowOnly("command", "url", "trusted");
        RequireOne(node, "command", "url");
        if (node.Get("command") is null && node.Get("url") is null) throw node.Wrong("needs \"command\" or \"url\"");
        if (!name.All(static character => char.IsAsciiLetterOrDigit(character) || character is '_' or '-'))
            throw node.Wrong("must have a name of letters, digits, - and _");
        string? url = node.Get("url")?.Name();
        if (url is not null && !(Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) && parsed.Scheme is "http" or "https"))
            throw node.Get("url")!.Wrong("must be an address with http:// or https://");
        return new McpSettings(name, node.Get("command") is { } command ? ProgramOf(command) : [], url, node.Get("trusted")?.Texts() ?? []);
    }

    private static PhraseSettings PhraseOf(ConfigNode node)
    {
        node.AllowOnly("say", "do", "answer");
        List<(string, string)> calls = [.. (node.Get("do")?.Items ?? []).Select(static call =>
        {
            call.AllowOnly("tool", "arguments");
            return (call.Require("tool").Name(), call.Get("arguments") is { } arguments ? JsonOf(arguments) : "{}");
        })];
        string? answer = node.Get("answer")?.Name();
        if (calls.Count == 0 && answer is null) throw node.Wrong("needs \"do\" or \"answer\"");
        return new PhraseSettings(node.Require("say").Texts(), calls, answer);
    }

    private static string JsonOf(ConfigNode node) => JsonText.Object(json =>
    {
        foreach ((string name, ConfigNode value) in node.Members)
        {
            if (value.IsText) json.WriteString(name, value.Text());
            else if (value.IsObject || value.IsList) throw value.Wrong("must be a text, a number, true or false");
            else json.WritePropertyName(name);
            if (value.IsText) continue;
            try
            {
                json.WriteNumberValue(value.Number(double.MinValue, double.MaxValue));
            }
            catch (ConfigException)
            {
                json.WriteBooleanValue(value.Flag());
            }
        }
    });

    private static IReadOnlyList<string> ProgramOf(ConfigNode node)
    {
        IReadOnlyList<string> program = node.Texts();
        return program.Count > 0 ? program : throw node.Wrong("needs a program at least");
    }

    private static string AddressOf(ConfigNode node)
    {
        string text = node.Name();
        int colon = text.LastIndexOf(':');
        bool isRight = colon > 0 && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port)
            && port is > 0 and < 65536;
        return isRight ? text : throw node.Wrong("must be a host and a port, such as 127.0.0.1:10300");
    }

    private static void RequireOne(ConfigNode node, params ReadOnlySpan<string> names)
    {
        string? first = null;
        foreach (string name in names)
        {
            if (node.Get(name) is not { } value) continue;
            if (first is not null) throw value.Wrong($"\"{name}\" and \"{first}\" can't both be given", isNamed: true);
            first = name;
        }
    }
}

/// <summary>Arguments of a program with {name} in them.</summary>
internal static partial class CommandTemplate
{
    /// <summary>Names in an argument.</summary>
    public static IEnumerable<string> NamesIn(string argument) => Name().Matches(argument).Select(static match => match.Groups[1].Value);

    /// <summary>An argument with its names replaced.</summary>
    public static string Fill(string argument, Func<string, string> value) =>
        Name().Replace(argument, match => value(match.Groups[1].Value));

    [GeneratedRegex(@"\{([A-Za-z_][A-Za-z0-9_]*)\}")]
    private static partial Regex Name();
}
