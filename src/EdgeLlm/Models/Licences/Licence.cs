using EdgeLlm.Gguf;

namespace EdgeLlm.Models.Licences;

/// <summary>A licence as a file states it.</summary>
/// <param name="Stated">The file's words; empty: it states none.</param>
/// <param name="Ids">SPDX names of which all hold; where several may be chosen, each entry has them with ` OR ` between. Empty: it is not
/// known.</param>
internal sealed record Licence(string Stated, IReadOnlyList<string> Ids)
{
    public static Licence NotStated { get; } = new("", []);

    /// <summary>Whether it is stated and known.</summary>
    public bool IsKnown => Ids.Count > 0;

    /// <summary>For a person: SPDX names, and the file's words where they are others.</summary>
    public string Text =>
        Ids.Count == 0 ? Stated.Length == 0 ? "not stated" : Printable.Line(Stated, 80) : string.Join(" AND ", Ids) is var ids
            && Spdx.Plain(ids) == Spdx.Plain(Stated) ? ids : $"{ids} ({Printable.Line(Stated, 60)})";

    /// <summary>The most restrictive of its parts.</summary>
    public CommercialUse Use =>
        Ids.Count == 0 ? CommercialUse.NotStated
            : Ids.Select(id => Alternatives(id).Min(one => Rank(Spdx.Find(one)?.Use ?? CommercialUse.NotStated))).Max() switch
            {
                0 => CommercialUse.Allowed,
                1 => CommercialUse.WithConditions,
                2 => CommercialUse.NotStated,
                _ => CommercialUse.Forbidden,
            };

    /// <summary>Reads general.license, and where that is `other`, general.license.name.</summary>
    public static Licence Of(GgufMetadata data) => Of(TextOf(data, "general.license"), TextOf(data, "general.license.name"));

    /// <param name="licence">A hub's or SPDX's name, an SPDX expression, or several names with commas, of which all hold.</param>
    /// <param name="name">The name of one that the hub calls `other`.</param>
    public static Licence Of(string licence, string name = "")
    {
        string plain = Spdx.Plain(licence);
        if (plain is "" or "unknown" or "none" or "null") return NotStated with { Stated = name };
        if (plain is "other" or "custom" or "proprietary")
        {
            if (name.Length == 0) return new Licence(licence, []);
            return new Licence(name,
                [Spdx.Find(name)?.Id ?? "LicenseRef-"
                    + string.Concat(Printable.Line(name, 60).Trim().Replace(' ', '-')
                        .Where(letter => letter is > ' ' and < (char)127 and not '"'))]);
        }
        if (licence.Contains('(', StringComparison.Ordinal) && licence.Contains(" OR ", StringComparison.Ordinal)
            && licence.Contains(" AND ", StringComparison.Ordinal))
            return new Licence(licence, []);
        var ids = new List<string>();
        foreach (string part in licence.Trim('[', ']', '(', ')', ' ')
            .Split([" AND ", ","], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] choices = [.. part.Split(" OR ", StringSplitOptions.TrimEntries)
                .Select(choice => Spdx.Find(choice.Split(" WITH ")[0].Trim('"', '\''))?.Id ?? "")];
            if (choices.Contains("")) return new Licence(licence, []);
            ids.Add(string.Join(" OR ", choices));
        }
        return new Licence(licence, ids);
    }

    /// <summary>Whether every part is, or has an alternative, among those that are allowed.</summary>
    /// <param name="allowed">SPDX names.</param>
    public bool IsAmong(IReadOnlySet<string> allowed) => Ids.Count > 0 && Ids.All(id => Alternatives(id).Any(allowed.Contains));

    private static string[] Alternatives(string id) => id.Split(" OR ");

    private static int Rank(CommercialUse use) =>
        use switch { CommercialUse.Allowed => 0, CommercialUse.WithConditions => 1, CommercialUse.NotStated => 2, _ => 3 };

    private static string TextOf(GgufMetadata data, string key) =>
        data.TryGet(key, out GgufValue? value) && value.TryGetString(out string? text) ? text
        : value is not null && value.Type == GgufValueType.Array && value.TryGetStringArray(out GgufStringArray? texts)
        ? string.Join(", ", texts) : "";
}
