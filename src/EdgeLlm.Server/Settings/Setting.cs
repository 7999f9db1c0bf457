using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Speech.Commands;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// One setting: `stopSeconds` in the file, EDGELLM_STOP_SECONDS in the environment, `--stop-seconds` on the command line.
/// </summary>
public sealed class Setting
{
    private const int MostSeconds = 24 * 60 * 60;
    private const string CommandsForm =
        "an object of names, each once and with a program and its arguments, such as {\"espeak\": [\"espeak-ng\", \"--stdin\", "
            + "\"--stdout\"]}";

    private Setting(string name, string valueName, string description, Func<ServerOptions, string, ServerOptions> apply,
        bool secret = false, bool ofOthers = false, bool isObject = false)
    {
        Name = name;
        ValueName = valueName;
        Description = description;
        Apply = apply;
        (IsSecret, IsOfOthers, IsObject) = (secret, ofOthers, isObject);
        OptionName = "--" + Separated(name, '-');
        EnvironmentName = "EDGELLM_" + Separated(name, '_').ToUpperInvariant();
    }

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new("model", "MODEL",
            "A GGUF file, a Hugging Face folder, or a model's name as `edgellm list` shows it (default: the model that comes with the "
                + "program)",
            (o, v) => o with { Model = v }),
        new("models", "LIST",
            "Names and files of other models that are offered, separated by commas, each loaded when it is asked for; none (default: "
                + "all in the model folders)",
            (o, v) => v == "none" ? o with { Models = [] } : WithModels(o, v)),
        new("lora", "FILE[:SCALE]",
            "A LoRA adapter of the service's own model, and how strongly it acts (default: 1): a PEFT folder or a GGUF file; several "
                + "are separated by commas",
            (o, v) => o with { Lora = [.. ListOf(v).Select(ScaledPath.Parse)] }),
        new("controlVector", "FILE[:SCALE]",
            "A control vector of the service's own model, and how strongly it acts (default: 1); several are separated by commas",
            (o, v) => o with { ControlVectors = [.. ListOf(v).Select(ScaledPath.Parse)] }),
        new("name", "TEXT", "What clients call the model (default: what it calls itself)", (o, v) => o with { Name = NameOf(v) }),
        new("chatTemplate", NamedTemplates.Choices,
            "A chat template instead of the model's: a name or a file with Jinja (default: the model's own)",
            (o, v) => o with { ChatTemplate = TemplateOf(v) }),
        new("listen", "ADDRESS",
            "Address and port, or a port of this machine alone; other machines may come only with an API key (default: 127.0.0.1:11434)",
            (o, v) => o with { Listen = ListenAddress.Parse(v) }),
        new("apiKey", "KEY", "What clients have to send as a bearer token", (o, v) => o with { ApiKey = KeyOf(v) }, secret: true),
        new("apiKeyFile", "FILE", "A file with one API key of an administrator, so that no other place has it; `edgellm keys` makes more",
            (o, v) => o with { ApiKey = KeyIn(v) }),
        new("keysFile", "FILE",
            $"The clients' keys, as `edgellm keys` writes them, read again when they change; none (default: {KeyFile.DefaultPath} where "
                + "that exists)",
            (o, v) => o with { KeysFile = KeysFileOf(v) }),
        new("tls", "self|off",
            "self: speak TLS with a certificate for this machine's names and addresses, of an authority of its own (`edgellm tls ca` "
                + "shows it; default: off)",
            (o, v) => o with { TlsSelf = TlsOf(v) }),
        new("tlsCertificate", "FILE",
            "Speak TLS with this certificate (PEM, with those that lead to its authority after it), read again when it changes",
            (o, v) => o with { TlsCertificate = FileOf(v) }),
        new("tlsKey", "FILE", "The certificate's private key (PEM, without a password)", (o, v) => o with { TlsKey = FileOf(v) }),
        new("fleet", "worker|gateway|off",
            "Part in a fleet: a worker takes jobs from the broker, a gateway gives its clients' requests to workers (default: off)",
            (o, v) => o with { Fleet = FleetOf(v) }),
        new("fleetName", "NAME", "What the fleet calls this service, another name for each (default: the host's name)",
            (o, v) => o with { FleetName = FleetNameOf(v) }),
        new("brokerFile", "FILE",
            "A file, readable by this user alone (0600), with the address of the fleet's RabbitMQ broker: amqps://USER:PASSWORD@HOST/VHOST",
            (o, v) => o with { Broker = BrokerAddress.Read(v) }),
        new("broker", "URL", "The broker's address without a password: amqp://HOST",
            (o, v) => o with { Broker = BrokerAddress.Parse(v, mayHavePassword: false) }, secret: false),
        new("brokerCa", "FILE", "The authority of an amqps broker's certificate, PEM (default: the system's)",
            (o, v) => o with { BrokerCa = FileOf(v) }),
        new("metricsListen", "ADDRESS",
            "Another address, as for listen, where /metrics is read without a key, and nothing else (default: none; at listen, programs "
                + "of this machine need no key for it)",
            (o, v) => o with { MetricsListen = ListenAddress.Parse(v) }),
        new("assistantSocket", "PATH",
            "The assistant's UNIX socket, for the page /assistant and programs (default: /run/edgellm-assistant/socket, where its "
                + "service runs)",
            (o, v) => o with { AssistantSocket = v }),
        new("origins", "LIST",
            "Web pages that may call the service from a browser, separated by commas, such as http://panel.local, http://localhost:*, "
                + "app://*; * for all",
            (o, v) => o with { Origins = OriginsOf(v) }),
        new("hosts", "LIST",
            "Names by which browsers may call the service, separated by commas, beside addresses, localhost and names under .local, "
                + ".lan, .home.arpa, .internal",
            (o, v) => o with { Hosts = HostsOf(v) }),
        new("context", "TOKENS", "Tokens of prompt and answer together (default: what the model was trained on, at most 4096)",
            (o, v) => o with { Context = Number(v, 16, ModelOptions.MaximumContextLength) }),
        new("threads", "N", "Threads that compute (default: one per processor core)",
            (o, v) => o with { Threads = Number(v, 1, ModelOptions.MaximumThreads) }),
        new("decodeThreads", "N",
            "Threads that decode, where memory is what limits (default: what `edgellm bench` once measured as this user, else all)",
            (o, v) => o with { DecodeThreads = Number(v, 1, ModelOptions.MaximumThreads) }),
        new("kv", "f16|f32|i8", "How a context is kept (default: f16)", (o, v) => o with { CacheType = CacheTypeOf(v) }),
        new("conversations", "N", "How many conversations' contexts are kept for their next turn (default: 2)",
            (o, v) => o with { Conversations = Number(v, 1, 64) }),
        new("cacheMemory", "SIZE",
            "Memory for beginnings of prompts, which are not computed again, such as 256M; 0 for none (default: a sixteenth of the "
                + "machine's, at most 512M)",
            (o, v) => o with { CacheMemory = BytesOf(v) }),
        new("cacheDisk", "shared|conversations|none",
            "Which of them survive a restart, in files: system prompts and tools, conversations too, or none (default: shared)",
            (o, v) => o with { CacheDisk = CacheDiskOf(v) }),
        new("cacheDiskSize", "SIZE", "Most that these files take, such as 500M (default: 1G)",
            (o, v) => o with { CacheDiskSize = BytesOf(v) }),
        new("speculation", "auto|off",
            "Guess likely next words and compute several at once while that is faster; answers are the same (default: auto)",
            (o, v) => o with { Speculation = SpeculationOf(v) }),
        new("draft", "MODEL",
            "A smaller model of the same vocabulary that guesses what the model says next, where that is faster; answers are the same "
                + "(default: none)",
            (o, v) => o with { Draft = v }),
        new("snapshot", "FILE", "A prompt that `edgellm snapshot` computed before, beside those in the model's folder",
            (o, v) => o with { Snapshot = v }),
        new("parallel", "N",
            "How many answers are computed at once: up to 8 share each reading of the weights (default: 8, as far as memory allows)",
            (o, v) => o with { Parallel = Number(v, 1, SchedulerOptions.MaximumParallel) }),
        new("queue", "N", "How many requests may wait for their turn (default: 16)", (o, v) => o with { Queue = Number(v, 0, 1024) }),
        new("requestSeconds", "N",
            "Seconds that a request may take, its waiting included; then its answer ends with what there is of it (default: 0, any time)",
            (o, v) => o with { RequestSeconds = Number(v, 0, MostSeconds) }),
        new("keepAlive", "TIME",
            "How long a model that was loaded for a request stays loaded after its last use, such as 5m, 1h, 0, or -1 for ever; the "
                + "service's own stays (default: 5m)",
            (o, v) => o with { KeepAlive = Duration.Parse(v) }),
        new("whenFull", "cut|drop|refuse",
            "When the context is full and a request says nothing: cut the answer there, drop the oldest turns before an answer, or "
                + "refuse (default: what the API says, cut in OpenAI's, drop in Ollama's)",
            (o, v) => o with { WhenFull = PolicyOf(v) }),
        new("bodyLimit", "BYTES", "Most bytes of a request (default: 1048576)", (o, v) => o with { BodyLimit = Number(v, 1024, 1 << 28) }),
        new("speechModel", "MODEL",
            "A model that hears (Whisper, Moonshine), for /v1/audio/transcriptions: a name, a file or a folder (default: none)",
            (o, v) => o with { SpeechModel = v }),
        new("bodyLimitAudio", "BYTES", "Most bytes of a recording (default: 26214400)",
            (o, v) => o with { BodyLimitAudio = Number(v, 1024, 1 << 30) }),
        new("audioSeconds", "N", "Most seconds of a recording (default: 7200)",
            (o, v) => o with { AudioSeconds = Number(v, 1, 7 * MostSeconds) }),
        new("stopSeconds", "N", "Seconds that running answers are given when the service is stopped (default: 20)",
            (o, v) => o with { StopSeconds = Number(v, 0, MostSeconds) }),
        new("state", "FOLDER", "A folder of its own for what the service remembers (default: systemd's STATE_DIRECTORY, else none)",
            (o, v) => o with { StateDirectory = v }),
        new("voice", "VOICE",
            "The voice of /v1/audio/speech: a packed file, a voice's folder, or a name (default: the first voice on this machine)",
            (o, v) => o with { Voice = v }),
        new("voiceCommands", "JSON",
            "Programs that speak, by name, which `command:NAME` means as a voice; each a list of a program and its arguments (no "
                + "shell), which reads a sentence on standard input and writes WAV to standard output",
            (o, v) => o with { VoiceCommands = CommandsOf(v) }, ofOthers: true, isObject: true),
        new("wyomingAllow", "LIST",
            "Addresses and networks that `edgellm wyoming` serves beside this machine, separated by commas, such as 192.168.1.0/24",
            (o, v) => o with { WyomingAllow = [.. ListOf(v).Select(NetworkOf)] }, ofOthers: true),
        new("voiceNames", "LIST", "Other names of voices, separated by commas, such as alloy=heart,nova=/srv/voices/other.gguf",
            (o, v) => o with { VoiceNames = VoiceNamesOf(v) }),
        new("page", "FILE",
            "A JSON file with the page's name, logo, accent, greeting, starters, system, onlyFrom, idleSeconds, language (docs/page.md; "
                + "default: none)",
            (o, v) => o with { Page = PageOf(v) }),
        new("ffmpeg", "FILE",
            "The ffmpeg program that makes mp3, opus and aac, and reads recordings in them (default: none; wav, flac and pcm need none)",
            (o, v) => o with { Ffmpeg = ProgramOf(v) }),
    ];

    /// <summary>Its name in the file.</summary>
    public string Name { get; }

    /// <summary>Its name on the command line, where it is not <see cref="IsSecret"/>.</summary>
    public string OptionName { get; }

    /// <summary>Its name in the environment.</summary>
    public string EnvironmentName { get; }

    /// <summary>Name of the value in help texts.</summary>
    public string ValueName { get; }

    /// <summary>Description in one line.</summary>
    public string Description { get; }

    /// <summary>Never on a command line, which every user of the machine can read.</summary>
    public bool IsSecret { get; }

    /// <summary>
    /// Whether other commands than `serve` read it too, or alone: in the file and the environment, not on its command line.
    /// </summary>
    public bool IsOfOthers { get; }

    /// <summary>Whether its value in the file is a JSON object, which other places have as text.</summary>
    public bool IsObject { get; }

    /// <summary>Puts a value into the options. A <see cref="FormatException"/>'s message says what would be right.</summary>
    internal Func<ServerOptions, string, ServerOptions> Apply { get; }

    /// <summary>A network, or a single address.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static IPNetwork NetworkOf(string text) =>
        IPNetwork.TryParse(text, out IPNetwork network) ? network
        : IPAddress.TryParse(text, out IPAddress? address)
        ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)
        : throw new FormatException("addresses or networks, such as 192.168.1.0/24");

    /// <summary>Commands by name: an object of lists of texts.</summary>
    private static Dictionary<string, IReadOnlyList<string>> CommandsOf(string json)
    {
        var commands = new Dictionary<string, IReadOnlyList<string>>();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json,
                new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, MaxDepth = 4 });
            foreach (JsonProperty command in document.RootElement.EnumerateObject())
            {
                string[] words = [.. command.Value.EnumerateArray()
                    .Select(static word => word.ValueKind == JsonValueKind.String ? word.GetString()! : "\0")];
                if (command.Name.Length == 0 || ExternalCommand.ProblemOf(words) is not null || !commands.TryAdd(command.Name, words))
                    throw new FormatException(CommandsForm);
            }
            return commands;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException(CommandsForm);
        }
    }

    private static int Number(string text, int least, int most)
    {
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
            && value >= least && value <= most)
            return value;
        throw new FormatException($"a whole number from {least} to {most}");
    }

    private static bool SpeculationOf(string text) => text switch
    {
        "auto" => true,
        "off" => false,
        _ => throw new FormatException("auto or off"),
    };

    private static FleetRole FleetOf(string text) => text switch
    {
        "worker" => FleetRole.Worker,
        "gateway" => FleetRole.Gateway,
        "off" => FleetRole.None,
        _ => throw new FormatException("worker, gateway or off"),
    };

    private static string FleetNameOf(string text) =>
        ApiKey.IsName(text) ? text : throw new FormatException($"letters, digits, '.', '-' and '_', at most {ApiKey.LongestName}");

    private static bool TlsOf(string text) => text switch
    {
        "self" => true,
        "off" => false,
        _ => throw new FormatException("self or off"),
    };

    private static string FileOf(string text) =>
        File.Exists(text) ? Path.GetFullPath(text) : throw new FormatException("the path of a file that is there");

    private static PrefixDisk CacheDiskOf(string text) => text switch
    {
        "shared" => PrefixDisk.Shared,
        "conversations" => PrefixDisk.Conversations,
        "none" => PrefixDisk.None,
        _ => throw new FormatException("shared, conversations or none"),
    };

    /// <summary>A number of bytes: `1500000`, `256M`, `2G` (powers of 1000, as disks are sold and this program counts).</summary>
    private static long BytesOf(string text)
    {
        string digits = text.TrimEnd('B', 'b');
        long unit = digits.Length == 0 ? 1
            : char.ToUpperInvariant(digits[^1]) switch { 'K' => 1000, 'M' => 1_000_000, 'G' => 1_000_000_000, _ => 1 };
        if (unit > 1) digits = digits[..^1];
        if (long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number <= (1L << 50) / unit)
            return number * unit;
        throw new FormatException("a number of bytes, such as 256M or 2G");
    }

    /// <summary>Names and paths with commas; or a JSON list, whose objects are entries with adapters.</summary>
    private static ServerOptions WithModels(ServerOptions options, string text)
    {
        if (!text.StartsWith('[')) return options with { Models = ListOf(text) };
        (List<string> models, List<ModelEntry> entries) = ModelEntry.ReadList(text);
        return options with { Models = models.Count > 0 ? models : null, Entries = entries };
    }

    private static string[] ListOf(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static string[] OriginsOf(string text)
    {
        string[] origins = ListOf(text);
        foreach (string origin in origins) AllowedOrigin.Parse(origin);
        return origins;
    }

    private static string[] HostsOf(string text)
    {
        string[] hosts = ListOf(text);
        bool areNames = hosts.All(host => host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'));
        return areNames ? hosts : throw new FormatException("host names such as pi.fritz.box, without http:// and without a port");
    }

    private static string[] VoiceNamesOf(string text)
    {
        string[] pairs = ListOf(text);
        bool areWell = pairs.All(pair => pair.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals && equals < pair.Length - 1)
            && pairs.DistinctBy(pair => pair[..pair.IndexOf('=', StringComparison.Ordinal)], StringComparer.OrdinalIgnoreCase)
                .Count() == pairs.Length;
        return areWell ? pairs : throw new FormatException("names with their voice, NAME=VOICE, each once");
    }

    private static string ProgramOf(string text) =>
        File.Exists(text) ? Path.GetFullPath(text)
            : throw new FormatException("the path of a program that is there, such as /usr/bin/ffmpeg");

    private static string KeyOf(string text) =>
        text.Length >= 8 && text.All(c => c is > ' ' and < (char)127) ? text
            : throw new FormatException("at least 8 printable ASCII characters without spaces");

    private static PageOptions PageOf(string path)
    {
        try
        {
            return PageOptions.Read(path);
        }
        catch (InvalidDataException exception)
        {
            throw new IOException(exception.Message); // the file is wrong, not the setting
        }
    }

    private static string KeyIn(string file)
    {
        try
        {
            return KeyOf(InputFile.ReadText(file, InputFile.MostSettingsBytes).TrimStart('\uFEFF').Trim());
        }
        catch (FormatException exception)
        {
            throw new FileException(file, "takes " + exception.Message);
        }
    }

    /// <summary>No file is an empty text here, so that the default one is not looked for.</summary>
    private static string KeysFileOf(string text)
    {
        if (text == "none") return "";
        KeyFile.Read(text);
        return text;
    }

    private static string TemplateOf(string text)
    {
        try
        {
            return NamedTemplates.Read(text);
        }
        catch (InvalidDataException exception)
        {
            throw new IOException(exception.Message, exception);
        }
    }

    private static string NameOf(string text) =>
        text.Length > 0 && text.All(c => c is > ' ' and < (char)127 and not '"' and not '\\') ? text
            : throw new FormatException("printable ASCII characters without spaces");

    private static ContextPolicy PolicyOf(string text) => text switch
    {
        "cut" => ContextPolicy.Cut,
        "drop" => ContextPolicy.DropOldestTurns,
        "refuse" => ContextPolicy.Error,
        _ => throw new FormatException("cut, drop or refuse"),
    };

    private static KeyValueType CacheTypeOf(string text) => text switch
    {
        "f16" => KeyValueType.F16,
        "f32" => KeyValueType.F32,
        "i8" => KeyValueType.I8,
        _ => throw new FormatException("f16, f32 or i8"),
    };

    private static string Separated(string name, char separator)
    {
        var text = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsAsciiLetterUpper(c)) text.Append(separator);
            text.Append(char.ToLowerInvariant(c));
        }
        return text.ToString();
    }
}
