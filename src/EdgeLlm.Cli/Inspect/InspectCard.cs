using System.Security.Cryptography;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Licences;

namespace EdgeLlm.Cli.Inspect;

/// <summary>`inspect --card`: whose a model is, what may be done with it, and how open it is, as far as its files say.</summary>
internal static class InspectCard
{
    private static readonly string[] CodeHosts = ["github.com", "gitlab.com", "codeberg.org", "git.sr.ht", "bitbucket.org"];

    public static void Write(string path)
    {
        if (Directory.Exists(path) && Adapter.IsAdapter(path))
        {
            var data = new OrderedDictionary<string, GgufValue>();
            foreach ((string key, GgufValue value) in ModelCard.Keys(path)) data[key] = value;
            Write(path, new GgufMetadata(path, data), Directory.GetFiles(path, "adapter_*"), []);
            return;
        }
        using GgufFile file = Directory.Exists(path) ? ModelFile.Open(path) : GgufFile.Open(path);
        Write(path, file.Metadata, [.. file.Maps.Select(map => map.Path)], file.Notes);
    }

    private static void Write(string path, GgufMetadata data, IReadOnlyList<string> files, IReadOnlyList<string> notes)
    {
        var report = new Report();
        var licence = Licence.Of(data);
        string[] bases = [.. Texts(data, "general.base_model.")],
            datasets = [.. Texts(data, "general.dataset."), .. Strings(data, "general.datasets")];
        report.Heading(Printable.Line(Path.GetFileName(path.TrimEnd(Path.DirectorySeparatorChar)), 100));
        var fields = new List<(string, string)>
        {
            ("licence", licence.Text),
            ("commercial use", licence.Use switch { CommercialUse.Allowed => "allowed", CommercialUse.Forbidden => "not allowed",
                CommercialUse.WithConditions => "with conditions: read the licence", _ => "not stated" }),
        };
        if (Text(data, "general.license.link") is { } link) fields.Add(("licence text", link));
        AddAll(fields, "base model", bases);
        AddAll(fields, "training data", datasets);
        fields.Add(("openness", OpennessOf(data, datasets.Length > 0)));
        AddAll(fields, "adapters", [.. Strings(data, "edgellm.merged")]);
        foreach (string file in files) fields.Add(("sha256", $"{Sha256Of(file)}  {Printable.Line(Path.GetFileName(file), 80)}"));
        foreach (string note in notes) fields.Add(("note", Printable.Line(note)));
        report.Fields(fields);
    }

    private static void AddAll(List<(string, string)> fields, string name, string[] values)
    {
        for (int i = 0; i < values.Length; i++) fields.Add((i == 0 ? name : "", values[i]));
        if (values.Length == 0 && name != "adapters") fields.Add((name, "not stated"));
    }

    /// <summary>Openness by the file's own words: an address of code, and of data, beside the weights that are here.</summary>
    private static string OpennessOf(GgufMetadata data, bool hasData)
    {
        bool hasCode = new[] { "general.repo_url", "general.url", "general.source.url" }.Any(key => Text(data, key) is { } url
            && CodeHosts.Any(host => url.Contains(host, StringComparison.OrdinalIgnoreCase)));
        return (hasCode, hasData) switch
        {
            (true, true) => "weights, code and data",
            (true, false) => "weights and code (data: not stated)",
            (false, true) => "weights and data (code: not stated)",
            _ => "weights (code and data: not stated)",
        };
    }

    private static IEnumerable<string> Texts(GgufMetadata data, string prefix) =>
        data.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal) && !key.EndsWith(".count", StringComparison.Ordinal))
        .GroupBy(key => key[prefix.Length..].Split('.')[0])
        .Select(group => string.Join(", ", group.Select(key => Text(data, key)).OfType<string>())).Where(text => text.Length > 0);

    private static IEnumerable<string> Strings(GgufMetadata data, string key) =>
        data.TryGet(key, out GgufValue? value) && value.TryGetStringArray(out GgufStringArray? texts)
            ? texts.Take(50).Select(text => Printable.Line(text, 200)) : [];

    private static string? Text(GgufMetadata data, string key) =>
        data.TryGet(key, out GgufValue? value) && value.TryGetString(out string? text) && text.Length > 0
            ? Printable.Line(text, 200) : null;

    private static string Sha256Of(string file)
    {
        using FileStream stream = InputFile.Open(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
