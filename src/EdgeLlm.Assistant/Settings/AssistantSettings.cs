using EdgeLlm.Devices;

namespace EdgeLlm.Assistant.Settings;

/// <summary>Where a request comes from.</summary>
public enum Source
{
    /// <summary>Spoken, or typed at the device's own keyboard.</summary>
    Voice,

    /// <summary>A press of the button.</summary>
    Button,

    /// <summary>The kiosk page of the device.</summary>
    Page,

    /// <summary>Home Assistant, over Wyoming.</summary>
    Wyoming,

    /// <summary>A client of our MCP server.</summary>
    Mcp,

    /// <summary>A program that uses the API.</summary>
    Api,
}

/// <summary>Settings of an assistant: read from assistant.json, checked, and unchanged from then on.</summary>
public sealed record AssistantSettings
{
    /// <summary>The file that is read when no other is named.</summary>
    public const string DefaultFile = "/etc/edgellm/assistant.json";

    /// <summary>File that it was read from.</summary>
    public string File { get; init; } = "";

    /// <summary>Languages of intents: en, de, fr, es. The first is what the assistant answers in.</summary>
    public IReadOnlyList<string> Languages { get; init; } = ["en"];

    /// <summary>The model that answers what no intent does, by name or path; null: the default; "none": none.</summary>
    public string? Model { get; init; }

    /// <summary>The model of embeddings, for notes and near phrases; null: none.</summary>
    public string? EmbeddingModel { get; init; }

    /// <summary>The system prompt.</summary>
    public string System { get; init; } =
        "You are a helpful assistant on a small device. Answer in one or two short sentences, without lists or markup.";

    /// <summary>How speech becomes text.</summary>
    public HearingSettings Hearing { get; init; } = new();

    /// <summary>How text becomes speech.</summary>
    public VoiceSettings Voice { get; init; } = new();

    /// <summary>Where sound comes from and goes to.</summary>
    public AudioSettings Audio { get; init; } = new();

    /// <summary>Time limits.</summary>
    public TimeSettings Times { get; init; } = new();

    /// <summary>Devices, in the file's order.</summary>
    public IReadOnlyList<AssistantDevice> Devices { get; init; } = [];

    /// <summary>Tools that each source may use; "*" is all. Sources that are left out have the defaults.</summary>
    public IReadOnlyDictionary<Source, IReadOnlyList<string>> Sources { get; init; } = new Dictionary<Source, IReadOnlyList<string>>();

    /// <summary>Programs that `run_command` may run, by name.</summary>
    public IReadOnlyList<CommandSettings> Commands { get; init; } = [];

    /// <summary>JSON file with the weather, which something else writes; null: none.</summary>
    public string? WeatherFile { get; init; }

    /// <summary>Folder of text files that `search_notes` searches; null: none.</summary>
    public string? NotesFolder { get; init; }

    /// <summary>MCP servers whose tools the model may call.</summary>
    public IReadOnlyList<McpSettings> McpServers { get; init; } = [];

    /// <summary>Phrases of the house's own, with what they do.</summary>
    public IReadOnlyList<PhraseSettings> Phrases { get; init; } = [];

    /// <summary>Address and port for Home Assistant's conversations; null: none.</summary>
    public string? WyomingListen { get; init; }

    /// <summary>Networks beside this machine that may connect there.</summary>
    public IReadOnlyList<string> WyomingAllow { get; init; } = [];

    /// <summary>UNIX socket at which the page's service reaches the assistant; null: none.</summary>
    public string? Socket { get; init; }

    /// <summary>Tools of a source.</summary>
    public IReadOnlyList<string> ToolsOf(Source source) => Sources.TryGetValue(source, out IReadOnlyList<string>? tools) ? tools
        : source is Source.Voice or Source.Button ? ["*"]
        : ["read_sensor", "get_state", "get_time", "get_weather", "get_timers", "list_devices", "search_notes"];
}

/// <summary>A device with what only an assistant knows of it.</summary>
/// <param name="Device">Where it is connected.</param>
/// <param name="OtherNames">Other names, in any language.</param>
/// <param name="Limits">What may be done with it.</param>
public sealed record AssistantDevice(DeviceSettings Device, IReadOnlyList<string> OtherNames, DeviceLimits Limits)
{
    /// <summary>All names, the one of config first.</summary>
    public IEnumerable<string> Names => [Device.Name, .. OtherNames];

    /// <summary>Whether it acts.</summary>
    public bool IsOutput => Device.Kind is DeviceKind.Light or DeviceKind.Relay or DeviceKind.Strip;
}

/// <summary>Limits of an output, for everybody.</summary>
public sealed record DeviceLimits
{
    /// <summary>Least level above 0.</summary>
    public int LeastLevel { get; init; }

    /// <summary>Greatest level.</summary>
    public int MostLevel { get; init; } = 100;

    /// <summary>Changes in a minute.</summary>
    public int MostChangesPerMinute { get; init; } = 30;

    /// <summary>Time of day in which it may be switched on; null: always. The end may be before the beginning: over midnight.</summary>
    public (TimeOnly From, TimeOnly To)? Hours { get; init; }

    /// <summary>Whether each change takes a confirmation.</summary>
    public bool NeedsConfirmation { get; init; }
}

/// <summary>How speech becomes text.</summary>
public sealed record HearingSettings
{
    /// <summary>A model of our own recognizer, by name or path; null: the only one on this machine.</summary>
    public string? Model { get; init; }

    /// <summary>A program that receives a WAV file on standard input or as {file}, and prints the text; empty: none.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Host and port of a Wyoming service; null: none.</summary>
    public string? Wyoming { get; init; }

    /// <summary>A model of voice activity, or "energy"; null: the first on this machine, else energy.</summary>
    public string? VoiceActivity { get; init; }

    /// <summary>Wake words by name or path; empty: only the button.</summary>
    public IReadOnlyList<string> WakeWords { get; init; } = [];

    /// <summary>Silence that ends a request.</summary>
    public TimeSpan Hangover { get; init; } = TimeSpan.FromMilliseconds(450);
}

/// <summary>How text becomes speech.</summary>
public sealed record VoiceSettings
{
    /// <summary>A voice of our own, by name or path; null: the first on this machine; "none": no speech.</summary>
    public string? Voice { get; init; }

    /// <summary>A program that receives the text on standard input and writes a WAV file to standard output; empty: none.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Host and port of a Wyoming service; null: none.</summary>
    public string? Wyoming { get; init; }

    /// <summary>Factor of the tempo.</summary>
    public double Speed { get; init; } = 1;
}

/// <summary>Where sound comes from and goes to.</summary>
public sealed record AudioSettings
{
    /// <summary>
    /// A program that writes 16 kHz mono 16-bit samples to standard output; "alsa", "alsa:DEVICE", "pipewire" are known, as is "none".
    /// </summary>
    public IReadOnlyList<string> Input { get; init; } = ["alsa"];

    /// <summary>A program that plays 16-bit mono samples from standard input; {rate} in an argument is their rate.</summary>
    public IReadOnlyList<string> Output { get; init; } = ["alsa"];

    /// <summary>Whether the played sound is taken out of the microphone's.</summary>
    public bool CancelsEcho { get; init; } = true;

    /// <summary>Whether a wake word interrupts speech.</summary>
    public bool WakeWordInterrupts { get; init; } = true;

    /// <summary>Whether any voice interrupts speech.</summary>
    public bool VoiceInterrupts { get; init; }
}

/// <summary>Time limits of each state.</summary>
public sealed record TimeSettings
{
    /// <summary>Until somebody begins to speak, and of what is said in all.</summary>
    public TimeSpan Listen { get; init; } = TimeSpan.FromSeconds(12);

    /// <summary>Of recognition.</summary>
    public TimeSpan Recognize { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Until the first word of an answer.</summary>
    public TimeSpan Think { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Of one tool.</summary>
    public TimeSpan Act { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Of an answer's speech.</summary>
    public TimeSpan Speak { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Listening after an answer without a wake word; zero: none.</summary>
    public TimeSpan FollowUp { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For a confirmation.</summary>
    public TimeSpan Confirm { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>A program that `run_command` may run.</summary>
/// <param name="Name">As the model names it.</param>
/// <param name="Description">What it does.</param>
/// <param name="Command">Program and arguments; {name} in an argument is replaced.</param>
/// <param name="Arguments">Pattern that each {name} has to match as a whole.</param>
/// <param name="NeedsConfirmation">Whether it takes a confirmation each time.</param>
public sealed record CommandSettings(string Name, string Description, IReadOnlyList<string> Command,
    IReadOnlyDictionary<string, string> Arguments, bool NeedsConfirmation);

/// <summary>An MCP server.</summary>
/// <param name="Name">Its tools are called NAME_TOOL.</param>
/// <param name="Command">Program and arguments that speak MCP on standard input and output; empty: an address.</param>
/// <param name="Url">Address of one over HTTP; null: a program.</param>
/// <param name="Trusted">Its tools that need no confirmation.</param>
public sealed record McpSettings(string Name, IReadOnlyList<string> Command, string? Url, IReadOnlyList<string> Trusted)
{
    /// <summary>Longest time to connect and to list its tools.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Phrases with what they do.</summary>
/// <param name="Phrases">What is said.</param>
/// <param name="Calls">Tools with their arguments, a JSON object each.</param>
/// <param name="Answer">What is answered; null: what the tools say.</param>
public sealed record PhraseSettings(IReadOnlyList<string> Phrases, IReadOnlyList<(string Tool, string Arguments)> Calls, string? Answer);
