using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server;

/// <summary>The model of the service, as its clients are told of it.</summary>
/// <param name="Name">What clients call it.</param>
/// <param name="Path">The GGUF file.</param>
/// <param name="Family">Its architecture.</param>
/// <param name="Parameters">How many weights it has.</param>
/// <param name="Quantization">What people call its element type, such as Q4_1.</param>
/// <param name="Size">Bytes of the file.</param>
/// <param name="Modified">When the file was written.</param>
public sealed record ServedModel(string Name, string Path, string Family, long Parameters, string Quantization,
    long Size, DateTimeOffset Modified)
{
    private const string Tag = ":latest";

    /// <summary>The file's metadata by GGUF key, without long arrays and texts.</summary>
    public IReadOnlyDictionary<string, JsonElement> Metadata { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The model that it is made of; null: it is one itself.</summary>
    public string? Base { get; init; }

    /// <summary>Adapters of its answers, where a request does not say.</summary>
    public IReadOnlyList<AdapterEntry> Adapters { get; init; } = [];

    /// <summary>Control vectors of its answers, where a request does not say.</summary>
    public IReadOnlyList<AdapterEntry> ControlVectors { get; init; } = [];

    /// <summary>
    /// Chat template of its conversations, in Jinja; `adapter`: that of an adapter's folder; null: the model's own.
    /// </summary>
    public string? Template { get; init; }

    /// <summary>Tokens of a context, as it is served.</summary>
    public int ContextLength { get; init; }

    /// <summary>Jinja source of its chat template; null: it has none.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>A system turn for conversations that have none.</summary>
    public string? System { get; init; }

    /// <summary>Turns before those of conversations that have no system turn of their own.</summary>
    public IReadOnlyList<ChatMessage> Messages { get; init; } = [];

    /// <summary>Its licence's text, or name; null: its file says nothing.</summary>
    public string? License { get; init; }

    /// <summary>Options that hold where a request of Ollama's API does not give them.</summary>
    public IReadOnlyDictionary<string, JsonElement>? DefaultOptions { get; init; }

    /// <summary>Whether it makes vectors of texts and no text.</summary>
    public bool IsEncoder { get; init; }

    /// <summary>The name with a tag, which Ollama's clients expect.</summary>
    public string TaggedName => Name.Contains(':', StringComparison.Ordinal) ? Name : Name + Tag;

    /// <summary>Whether a client means this model: with the tag or without, in any case.</summary>
    public bool IsCalled(string name) => IsCalled(Name, name);

    internal static bool IsCalled(string own, string name) => WithoutTag(name).Equals(WithoutTag(own), StringComparison.OrdinalIgnoreCase);

    private static string WithoutTag(string name) => name.EndsWith(Tag, StringComparison.OrdinalIgnoreCase) ? name[..^Tag.Length] : name;
}
