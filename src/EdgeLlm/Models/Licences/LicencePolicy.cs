using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Folders;

namespace EdgeLlm.Models.Licences;

/// <summary>A model, adapter or voice was refused for its licence.</summary>
internal static class LicenceRefusal
{
    /// <summary>Whether an exception is one.</summary>
    public static bool Is(Exception exception) =>
        exception is ModelException { Problem: var problem } && problem.Contains(LicencePolicy.Mark, StringComparison.Ordinal);
}

/// <summary>
/// Licences that a machine's owner allows: /etc/edgellm/policy.json, {"licences": {"allow": [SPDX ...]}, "unknown": "refuse" or "allow"}.
/// Without that file everything is allowed; with it, what states no licence that is known is refused unless it says otherwise.
/// </summary>
internal sealed class LicencePolicy
{
    public const string DefaultPath = "/etc/edgellm/policy.json";

    /// <summary>In every refusal's message.</summary>
    internal const string Mark = "is not allowed by ";

    private const int MostBytes = 1 << 20;

    private static readonly AsyncLocal<string?> TestPath = new();

    private readonly HashSet<string> _allowed = new(StringComparer.OrdinalIgnoreCase);
    private readonly bool _restricts, _allowsUnknown;

    private LicencePolicy(string path)
    {
        FilePath = path;
        JsonPart policy = JsonPart.Read(path, MostBytes);
        foreach ((string name, JsonPart value) in policy.Fields())
        {
            switch (name)
            {
                case "licences" or "licenses":
                    foreach ((string field, JsonPart list) in value.Fields())
                    {
                        if (field != "allow") throw list.Error("is not known here: licences has allow");
                        _restricts = true;
                        foreach (JsonPart item in list.Items())
                        {
                            string text = item.Text();
                            _allowed.Add(Spdx.Find(text)?.Id ?? text);
                        }
                    }
                    break;
                case "unknown":
                    _allowsUnknown = value.Text() switch
                    {
                        "allow" => true,
                        "refuse" => false,
                        _ => throw value.Error("is neither refuse nor allow")
                    }; break;
                default: throw value.Error("is not known here: there are licences and unknown");
            }
        }
    }

    /// <summary>The file.</summary>
    public string FilePath { get; }

    /// <summary>Another file in place of <see cref="DefaultPath"/>, for what runs in this test.</summary>
    internal static string? PathOfTest { set => TestPath.Value = value; }

    /// <summary>This machine's, read anew each time: null where there is none.</summary>
    /// <exception cref="ModelException">It is not as it should be: then nothing is allowed.</exception>
    public static LicencePolicy? Current =>
        (TestPath.Value ?? DefaultPath) is var path && (Path.Exists(path) || new FileInfo(path).LinkTarget is not null)
            ? new LicencePolicy(path) : null;

    /// <summary>Refuses what the machine's policy does not allow.</summary>
    /// <param name="path">The model, adapter or voice, for the message.</param>
    /// <exception cref="ModelException">It is not allowed, or the policy can't be read; the message names the licence and the
    /// policy.</exception>
    public static void Require(string path, Licence licence) => Current?.Check(path, licence);

    /// <summary>Requires that the licence of an open file is allowed.</summary>
    /// <exception cref="ModelException">It is not allowed, or the policy can't be read.</exception>
    public static void Require(GgufFile file)
    {
        if (Current is not { } policy) return;
        policy.Check(file.Path, Licence.Of(file.Metadata));
    }

    /// <summary>
    /// Requires that the licence of a folder or file is allowed, which need not be a model: by its README's head, or its keys.
    /// </summary>
    /// <exception cref="ModelException">It is not allowed, or the policy can't be read.</exception>
    public static void Require(string path)
    {
        if (Current is { } policy) policy.Check(path, Of(path));
    }

    /// <summary>Licence that a folder's README.md, or a GGUF file, states.</summary>
    public static Licence Of(string path)
    {
        if (Directory.Exists(path))
        {
            Dictionary<string, string> keys = ModelCard.Keys(path).Where(pair => pair.Key is "general.license" or "general.license.name")
                .ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
            return Licence.Of(keys.GetValueOrDefault("general.license", ""), keys.GetValueOrDefault("general.license.name", ""));
        }
        try
        {
            using GgufFile file = GgufFile.Open(path);
            return Licence.Of(file.Metadata);
        }
        catch (GgufException)
        {
            return Licence.NotStated;
        }
    }

    private void Check(string path, Licence licence)
    {
        if (licence.IsKnown && (!_restricts || licence.IsAmong(_allowed))) return;
        if (!licence.IsKnown && _allowsUnknown) return;
        string problem = licence.IsKnown
            ? $"its licence {licence.Text} {Mark}{FilePath} (it allows "
                + $"{(_allowed.Count == 0 ? "none" : string.Join(", ", _allowed.Order(StringComparer.Ordinal)))})"
            : $"its licence ({licence.Text}) {Mark}{FilePath} (unknown: refuse)";
        throw new ModelException(path, problem);
    }
}
