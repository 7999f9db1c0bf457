using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// `docs/family-fields.tsv` has every field of config.json that the reference's classes have, made from them by `tools/reference-fields`:
/// each is honoured (some value of it changes the model's keys), refused by name, or without effect for a reason that the table gives.
/// </summary>
public sealed class FamilyFieldsTests
{
    private const string Honoured = "honoured", Refused = "refused", NoEffect = "no effect";
    private const int Here = 4, With = 5, Why = 6, Columns = 7;

    private static readonly string[] Flags = ["true", "false", "null"];
    private static readonly string[] Numbers = ["0", "1", "2", "3", "5", "8", "16", "24", "0.5", "1.5", "100", "null"];
    private static readonly string[] Texts = ["\"no_such_thing\"", "\"gelu\"", "\"relu\"", "\"rope\"", "\"all\"", "null"];
    private static readonly string[] Others = ["[]", "[0]", "[0, 1]", "[\"no_such_thing\"]", "{}", "{\"rope_type\": \"no_such_thing\"}",
        "{\"rope_type\": \"linear\", \"rope_theta\": 10000, \"factor\": 2}"];

    private static string Table => Path.Combine(SharedFolder.RepositoryRoot, "docs", "family-fields.tsv");

    [Fact]
    public void Every_field_of_the_reference_is_honoured_or_refused_by_name_or_has_a_reason_for_no_effect()
    {
        Dictionary<string, List<string>> configs = ConfigsByType(SharedFolder.Require("golden", "logits"));
        string[] lines = File.ReadAllLines(Table);
        var faults = new List<string>();
        for (int i = 1; i < lines.Length; i++)
        {
            string[] row = lines[i].Split('\t');
            Assert.Equal(Columns, row.Length);
            string found = Observe(configs[row[0]], row[1], row[2], row[With]);
            if (Environment.GetEnvironmentVariable("EDGELLM_UPDATE") == "1") row[Here] = found;
            if (row[Here] != found) faults.Add($"{row[0]} {row[1]} is '{row[Here]}' by the table, and in truth {found}");
            if (found == NoEffect && row[Why].Length == 0)
                faults.Add($"{row[0]} {row[1]} has no effect, and the table has no reason for it (the reference reads it in {row[3]})");
            lines[i] = string.Join('\t', row);
        }
        if (Environment.GetEnvironmentVariable("EDGELLM_UPDATE") == "1") File.WriteAllText(Table, string.Join('\n', lines) + "\n");
        Assert.True(faults.Count == 0, string.Join('\n', faults));
    }

    [Fact]
    public void Every_family_has_its_fields_in_the_table()
    {
        string[] types = [.. File.ReadAllLines(Table).Skip(1).Select(line => line.Split('\t')[0]).Distinct()];
        // Folders of more than text have the text model's fields one level down; these are the names of the two levels.
        Assert.Empty(
            Family.All.Select(family => family.ModelType switch
            {
                "mistral3" => "ministral3",
                "qwen3_5_text" => "qwen3_5",
                "gemma4_text" => "gemma4",
                "gemma3" => "gemma3_text",
                var type => type
            }).Except(types).Select(static type => $"{type} has no row in {Table}: docs/add-a-family.md says how they are made"));
    }

    /// <summary>The golden checkpoints' config.json, by model_type.</summary>
    private static Dictionary<string, List<string>> ConfigsByType(string golden)
    {
        var configs = new Dictionary<string, List<string>>();
        foreach (string folder in Directory.GetDirectories(golden))
        {
            JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
            string type = (string)config["model_type"]! is var own && own == "mistral3" ? "ministral3" : own;
            if (!configs.TryGetValue(type, out List<string>? list)) configs.Add(type, list = []);
            list.Add(config.ToJsonString());
        }
        return configs;
    }

    private static string Observe(List<string> configs, string field, string fallback, string with)
    {
        bool isRefused = false;
        // What has to be set for the field to count; a value of the field itself is one more to try.
        string[][] pairs = with.Length == 0 ? [] : [.. with.Split(';').Select(pair => pair.Split('=', 2))];
        string[] own = [.. pairs.Where(pair => pair[0] == field).Select(pair => pair[1])];
        foreach (string text in configs)
        {
            string given = Change(text, [.. pairs.Where(pair => pair[0] != field)]);
            string? unchanged = Keys(given, out string message);
            // Without the field the rest may say nothing at all: then the first value that is taken is what others are compared with.
            foreach (string value in own.Concat(Values(fallback)))
            {
                string? changed = Keys(Change(given, [[field, value]]), out message);
                if (changed is null) isRefused |= message.Contains(field.Split('.')[^1], StringComparison.Ordinal);
                else if ((unchanged ??= changed) != changed) return Honoured;
            }
        }
        return isRefused ? Refused : NoEffect;
    }

    /// <summary>Values of the kind that the field's default is of.</summary>
    private static IEnumerable<string> Values(string fallback) =>
        fallback is "True" or "False" ? Flags
        : fallback.Length > 0 && (char.IsAsciiDigit(fallback[0]) || fallback[0] is '-' or '.') ? Numbers
        : fallback.StartsWith('\'') ? Texts
        : [.. Flags, .. Numbers, .. Texts, .. Others];

    private static string Change(string config, string[][] changes)
    {
        JsonNode root = JsonNode.Parse(config)!;
        foreach (string[] change in changes)
        {
            JsonObject parent = (root["text_config"] ?? root).AsObject();
            string[] path = change[0].Split('.');
            foreach (string name in path[..^1]) parent = (parent[name] ??= new JsonObject()).AsObject();
            parent[path[^1]] = JsonNode.Parse(change[1]);
        }
        return root.ToJsonString();
    }

    /// <summary>All that a config.json says about a model, or null where it is refused.</summary>
    private static string? Keys(string config, out string message)
    {
        try
        {
            var part = JsonPart.Parse("config.json", Encoding.UTF8.GetBytes(config), "");
            Family family = Family.Of(part);
            ModelKeys keys = family.KeysOf(part);
            family.MakeSpec(keys);
            message = "";
            var all = new StringBuilder();
            foreach ((string key, GgufValue value) in keys.Values)
                all.Append(key).Append(' ').Append(value.Type).Append(' ').AppendLine(Convert.ToHexString(value.Bytes));
            foreach (TensorRole role in Enum.GetValues<TensorRole>().Where(role => keys.Has(role))) all.Append(role).Append(' ');
            return all.AppendJoin(',', keys.RopeDivisors).AppendJoin(',', keys.RopeFactors.Short).AppendJoin(',', keys.RopeFactors.Long)
                .Append(keys.SkippedPositions).ToString();
        }
        catch (Exception exception)
        {
            Assert.True(exception is ModelException, $"{exception.GetType().Name} instead of a line for {config}\n{exception.StackTrace}");
            message = exception.Message;
            return null;
        }
    }
}
