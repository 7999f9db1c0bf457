using System.Net;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Fleet;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// Settings of the service: see <see cref="Setting.All"/> for the names that each has in the file, the environment and on the command line.
/// </summary>
public sealed record ServerOptions
{
    /// <summary>A GGUF file or a stored model's name; null: the default model.</summary>
    public string? Model { get; init; }

    /// <summary>Jinja source of a chat template instead of the model's own; null: the model's.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Name of the model for clients; null: the model's own name.</summary>
    public string? Name { get; init; }

    /// <summary>Where it listens.</summary>
    public ListenAddress Listen { get; init; } = ListenAddress.Default;

    /// <summary>
    /// Key that clients have to send as `Authorization: Bearer KEY`; null: none, which only a service for this machine alone may do.
    /// </summary>
    public string? ApiKey { get; init; }

    /// <summary>The file of the clients' keys (<see cref="Access.KeyFile"/>); null: there are none beside <see cref="ApiKey"/>.</summary>
    public string? KeysFile { get; init; }

    /// <summary>
    /// Web pages that may call the service from a browser, such as `http://panel.local:8080`, `app://*`; `*` for all. Its own page always
    /// may.
    /// </summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary>
    /// Host names by which browsers may call it, beside addresses, `localhost` and names under `.local`, `.lan`, `.home.arpa`, `.internal`.
    /// </summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Tokens of prompt and answer together; 0: what the model was trained on, at most 4096.</summary>
    public int Context { get; init; }

    /// <summary>Threads that compute; 0: one per core.</summary>
    public int Threads { get; init; }

    /// <summary>Threads that decode, where memory is what limits; 0: all.</summary>
    public int DecodeThreads { get; init; }

    /// <summary>How contexts are kept.</summary>
    public KeyValueType CacheType { get; init; } = KeyValueType.F16;

    /// <summary>Most answers that are computed at once.</summary>
    public int Parallel { get; init; } = 8;

    /// <summary>Policy for a full context where a request says nothing; null: that of its API (OpenAI's: cut, Ollama's: drop).</summary>
    public ContextPolicy? WhenFull { get; init; }

    /// <summary>
    /// How long a model that was loaded for a request stays loaded after its last use; negative: for ever. The service's own stays.
    /// </summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Names and files of other models that are offered; null: all in the model folders.</summary>
    public IReadOnlyList<string>? Models { get; init; }

    /// <summary>
    /// Entries of <see cref="Models"/> that are more than a path: adapters of a model, and models made of another one and adapters.
    /// </summary>
    public IReadOnlyList<ModelEntry> Entries { get; init; } = [];

    /// <summary>Adapters of the service's own model, which answers have where a request does not say.</summary>
    public IReadOnlyList<ScaledPath> Lora { get; init; } = [];

    /// <summary>Control vectors of the service's own model, which answers have where a request does not say.</summary>
    public IReadOnlyList<ScaledPath> ControlVectors { get; init; } = [];

    /// <summary>Seconds that a request may take, its waiting included; 0: any.</summary>
    public int RequestSeconds { get; init; }

    /// <summary>How many conversations' contexts are kept, so that their next turn is not computed from the start.</summary>
    public int Conversations { get; init; } = 2;

    /// <summary>
    /// Bytes in which beginnings of prompts are kept, for other conversations and after a restart; 0: none; null:
    /// <see cref="UsualCacheMemory"/>.
    /// </summary>
    public long? CacheMemory { get; init; }

    /// <summary>Which of them survive a restart, in <see cref="CacheFolder"/>.</summary>
    public PrefixDisk CacheDisk { get; init; } = PrefixDisk.Shared;

    /// <summary>Most bytes of the files in which they do.</summary>
    public long CacheDiskSize { get; init; } = 1_000_000_000;

    /// <summary>The folder of these files; null: nothing survives.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>
    /// A file of `edgellm snapshot`, whose prompt all clients begin with at no cost; null: those beside the model's file alone.
    /// </summary>
    public string? Snapshot { get; init; }

    /// <summary>Guess likely next tokens and compute several in a pass, while that is faster; the answers are the same.</summary>
    public bool Speculation { get; init; } = true;

    /// <summary>
    /// A smaller model of the same vocabulary that guesses the service's own model's next tokens: a file or a folder; null: none.
    /// </summary>
    public string? Draft { get; init; }

    /// <summary>A sixteenth of the machine's memory, at most 512 MB.</summary>
    public static long UsualCacheMemory => Math.Min(MachineMemory.Total / 16, 512_000_000);

    /// <summary>
    /// Bytes that connections and requests take beside the model, at most: measured with 128 clients and 512 idle connections
    /// (`tools/test-storm`).
    /// </summary>
    public const long ServiceBytes = 14_000_000;

    /// <summary>Bytes that the model that hears and the voice take beside, which the plan counts.</summary>
    public long SpeechBytes { get; init; }

    /// <summary>How many requests may wait for their turn.</summary>
    public int Queue { get; init; } = 16;

    /// <summary>Most bytes of a request.</summary>
    public int BodyLimit { get; init; } = 1 << 20;

    /// <summary>A model that hears, for transcriptions: a name or path; null: none.</summary>
    public string? SpeechModel { get; init; }

    /// <summary>Most bytes of a recording.</summary>
    public int BodyLimitAudio { get; init; } = 25 << 20;

    /// <summary>Most seconds of a recording.</summary>
    public int AudioSeconds { get; init; } = 7200;

    /// <summary>Seconds that running answers are given when the service is stopped.</summary>
    public int StopSeconds { get; init; } = 20;

    /// <summary>A folder of its own for what it remembers; null: it remembers nothing. systemd names one in STATE_DIRECTORY.</summary>
    public string? StateDirectory { get; init; }

    /// <summary>Folder where hashes of models are remembered; null: nowhere.</summary>
    public string? IdentityFolder { get; init; }

    /// <summary>The voice that speaks: a packed file, a folder, or a name; null: the first on this machine, if there is one.</summary>
    public string? Voice { get; init; }

    /// <summary>Voices by other names, `NAME=VOICE` each.</summary>
    public IReadOnlyList<string> VoiceNames { get; init; } = [];

    /// <summary>Programs that speak, by name, each with its arguments; `command:NAME` is such a voice.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> VoiceCommands { get; init; } =
        new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Peers of `edgellm wyoming` beside this machine itself.</summary>
    public IReadOnlyList<IPNetwork> WyomingAllow { get; init; } = [];

    /// <summary>
    /// The ffmpeg that makes mp3, opus and aac, and reads recordings that are neither WAV nor FLAC; null: they are refused.
    /// </summary>
    public string? Ffmpeg { get; init; }

    /// <summary>
    /// A certificate in PEM, with those that lead to its authority after it: the service speaks TLS; null: it does not, unless
    /// <see cref="TlsSelf"/>.
    /// </summary>
    public string? TlsCertificate { get; init; }

    /// <summary>The certificate's private key in PEM.</summary>
    public string? TlsKey { get; init; }

    /// <summary>Whether the service speaks TLS with a certificate of its own authority, in <see cref="TlsFolder"/>.</summary>
    public bool TlsSelf { get; init; }

    /// <summary>The folder of the own authority; null: there is none.</summary>
    public string? TlsFolder { get; init; }

    /// <summary>The service's part in a fleet of several machines with one queue.</summary>
    public FleetRole Fleet { get; init; }

    /// <summary>The fleet's broker; null: there is none.</summary>
    public BrokerAddress? Broker { get; init; }

    /// <summary>File of the authority of the broker's certificate, PEM; null: one of the system's.</summary>
    public string? BrokerCa { get; init; }

    /// <summary>Name of this service in the fleet: each worker and each gateway has another one.</summary>
    public string FleetName { get; init; } = "edgellm";

    /// <summary>The folder where a gateway keeps answers by Idempotency-Key; null: in memory alone.</summary>
    public string? FleetFolder { get; init; }

    /// <summary>Where Prometheus may read `/metrics` without a key, and nothing else is served; null: nowhere.</summary>
    public ListenAddress? MetricsListen { get; init; }

    /// <summary>The assistant's UNIX socket, for its page and `/assistant`; null: there is none.</summary>
    public string? AssistantSocket { get; init; }

    /// <summary>Each setting with its value and where that is from, for the admin view.</summary>
    internal IReadOnlyList<SettingInForce> InForce { get; init; } = [];

    /// <summary>Name, colours and manners of the page.</summary>
    public PageOptions Page { get; init; } = new();

    /// <summary>
    /// How often a stream that has no token yet gives a sign of life: proxies and clients take long silence for a dead service.
    /// </summary>
    internal TimeSpan SignInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Most connections at once.</summary>
    internal int Connections { get; init; } = 512;
}
