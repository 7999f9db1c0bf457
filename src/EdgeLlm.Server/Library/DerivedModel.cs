using System.Text.Json;
using System.Text.Json.Serialization;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Library;

/// <summary>
/// A model made of another one, whose map it shares: with adapters, control vectors, a system prompt, turns, options or a licence of its
/// own. An entry of the settings with a base is one, and so is a model made of a Modelfile, kept as a small JSON file in the folder of
/// models. What the other model has comes first.
/// </summary>
public sealed record DerivedModel
{
    /// <summary>The value of <see cref="Template"/> that means an adapter's.</summary>
    internal const string AdapterTemplate = "adapter";

    private static readonly Dictionary<string, JsonElement> NoParameters = [];

    /// <summary>The model that it is made of.</summary>
    public required string From { get; init; }

    /// <summary>A system turn for conversations that have none.</summary>
    public string? System { get; init; }

    /// <summary>Turns before those of conversations that have no system turn.</summary>
    public IReadOnlyList<DerivedTurn> Messages { get => field ?? []; init; } = []; // a file may have null, or nothing

    /// <summary>Options where a request gives none, by Ollama's names.</summary>
    public IReadOnlyDictionary<string, JsonElement> Parameters { get => field ?? NoParameters; init; } = NoParameters;

    /// <summary>Licences' texts.</summary>
    public IReadOnlyList<string> License { get => field ?? []; init; } = [];

    /// <summary>Adapters that it has; one without a path is one of the other model's settings, by name.</summary>
    public IReadOnlyList<AdapterEntry> Adapters { get => field ?? []; init; } = [];

    /// <summary>Control vectors, as <see cref="Adapters"/>.</summary>
    public IReadOnlyList<AdapterEntry> ControlVectors { get => field ?? []; init; } = [];

    /// <summary>
    /// Chat template of its conversations, in Jinja; `adapter`: that of the adapter's folder; null: the model's own.
    /// </summary>
    public string? Template { get; init; }

    /// <summary>Checks what can be checked without the model.</summary>
    /// <exception cref="ArgumentException">A part is wrong; the message names it.</exception>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(From))
            throw new ArgumentException("FROM is missing: the model, or the file of a model, that this one is made of");
        foreach (DerivedTurn turn in Messages)
        {
            if (turn?.Role is not ("system" or "user" or "assistant") || turn.Content is null)
                throw new ArgumentException($"MESSAGE takes system, user or assistant and a text, not '{turn?.Role}'");
        }
        if (License.Any(text => text is null)) throw new ArgumentException("LICENSE takes a text");
        if (Adapters.Concat(ControlVectors)
            .Any(entry => string.IsNullOrEmpty(entry?.Name) || !(Math.Abs(entry.Scale) <= Adaptation.MostScale)))
            throw new ArgumentException(
                $"an adapter has no name, or a scale that is not from -{Adaptation.MostScale} to {Adaptation.MostScale}");
        if (Math.Max(Adapters.Count, ControlVectors.Count) > Adaptation.MostUses)
            throw new ArgumentException($"a model takes at most {Adaptation.MostUses} adapters and as many control vectors");
        if (Template is not (null or AdapterTemplate) && !ModelTemplate.IsJinja(Template))
            throw new ArgumentException($"template takes Jinja or {AdapterTemplate}, not '{Printable.Line(Template, 40)}'");
        try
        {
            GenerationOptions options = new OllamaOptions(Parameters).ToGeneration(Fields.OllamaSampling);
            Fields.Checked(options);
        }
        catch (ApiException exception)
        {
            throw new ArgumentException($"PARAMETER {exception.Message}", exception);
        }
    }

    /// <summary>The model with the parts of the derived one that it is made of, whose name it needs no more.</summary>
    internal DerivedModel Over(DerivedModel other) => this with
    {
        From = other.From,
        System = System ?? other.System,
        Messages = Messages.Count > 0 ? Messages : other.Messages,
        Parameters = Merged(other.Parameters) ?? [],
        License = License.Count > 0 ? License : other.License,
        Adapters = Joined(other.Adapters, Adapters),
        ControlVectors = Joined(other.ControlVectors, ControlVectors),
        Template = Template ?? other.Template,
    };

    /// <summary>The other model's, then these, with the other's paths where they name one of its.</summary>
    private static List<AdapterEntry> Joined(IReadOnlyList<AdapterEntry> others, IReadOnlyList<AdapterEntry> own) =>
        [.. others, .. own.Select(one => one.Path is null && others.FirstOrDefault(other => other.Name == one.Name) is { } named
            ? one with { Path = named.Path } : one)];

    /// <summary>The model as clients are told of it, by its own name.</summary>
    internal ServedModel Of(ServedModel source, string name, DateTimeOffset modified) => source with
    {
        Name = name,
        Base = source.Name,
        Modified = modified,
        Adapters = [.. source.Adapters, .. Adapters],
        ControlVectors = [.. source.ControlVectors, .. ControlVectors],
        Template = Template ?? source.Template,
        ChatTemplate = ModelTemplate.IsJinja(Template) ? Template : source.ChatTemplate,
        System = System ?? source.System,
        Messages = Messages.Count > 0 ? [.. Messages.Select(turn => new ChatMessage(turn.Role, turn.Content))] : source.Messages,
        DefaultOptions = Merged(source.DefaultOptions),
        License = License.Count > 0 ? string.Join("\n\n", License) : source.License,
    };

    private Dictionary<string, JsonElement>? Merged(IReadOnlyDictionary<string, JsonElement>? earlier)
    {
        var all = new Dictionary<string, JsonElement>(earlier ?? new Dictionary<string, JsonElement>());
        foreach ((string option, JsonElement value) in Parameters) all[option] = value;
        return all.Count > 0 ? all : null;
    }
}

/// <summary>A turn of a <see cref="DerivedModel"/>.</summary>
public sealed record DerivedTurn(string Role, string Content);

/// <summary>How these files are written; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(DerivedModel))]
internal sealed partial class DerivedModelJson : JsonSerializerContext;
