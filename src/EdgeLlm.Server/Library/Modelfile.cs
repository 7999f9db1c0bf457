using System.Globalization;
using System.Text;
using System.Text.Json;
using EdgeLlm.Models;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Library;

/// <summary>
/// Ollama's Modelfile: an instruction a line (FROM, ADAPTER, SYSTEM, TEMPLATE, PARAMETER, MESSAGE, LICENSE), its text also in quotes or in
/// three of them over several lines. TEMPLATE takes Jinja; one in Go's language is refused, with the reason.
/// </summary>
public static class Modelfile
{
    private static readonly string[] Texts = ["stop", "dry_sequence_breakers"];

    /// <summary>The model that a Modelfile makes.</summary>
    /// <exception cref="ArgumentException">A line is wrong; the message has its number.</exception>
    public static DerivedModel Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string? from = null, system = null, template = null;
        var messages = new List<DerivedTurn>();
        var licenses = new List<string>();
        var adapters = new List<AdapterEntry>();
        var parameters = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            int number = i + 1;
            string first = lines[i].Trim();
            if (first.Length == 0 || first[0] == '#') continue;
            (string instruction, string rest) = SplitWord(first);
            string value;
            switch (instruction.ToUpperInvariant())
            {
                case "FROM": from = Value(rest); break;
                case "SYSTEM": system = Value(rest); break;
                case "LICENSE": licenses.Add(Value(rest)); break;
                case "PARAMETER":
                    (string name, string given) = SplitWord(rest);
                    value = Value(given);
                    if (name.Length == 0 || value.Length == 0) throw Wrong(number, "PARAMETER takes a name and a value");
                    if (!parameters.TryGetValue(name.ToLowerInvariant(), out List<string>? values))
                        parameters.Add(name.ToLowerInvariant(), values = []);
                    values.Add(value);
                    break;
                case "MESSAGE":
                    (string role, string said) = SplitWord(rest);
                    messages.Add(new DerivedTurn(role.ToLowerInvariant(), Value(said)));
                    break;
                case "TEMPLATE":
                    template = Value(rest, isExact: true);
                    try
                    {
                        ModelTemplate.Check(template);
                    }
                    catch (ArgumentException exception)
                    {
                        throw Wrong(number, exception.Message);
                    }
                    break;
                case "ADAPTER":
                    value = Value(rest);
                    if (value.Length == 0) throw Wrong(number, "ADAPTER takes the file or folder of an adapter");
                    adapters.Add(new AdapterEntry(StoredModel.NameOf(value.TrimEnd('/')), value, 1));
                    break;
                case var other:
                    throw Wrong(number,
                        $"there is no instruction {Printable.Line(other)}: FROM, ADAPTER, SYSTEM, TEMPLATE, PARAMETER, MESSAGE and LICENSE "
                            + "are");
            }

            // Of an exact text, only the line break that follows the quotes is not meant.
            string Value(string begun, bool isExact = false)
            {
                const string Quotes = "\"\"\"";
                if (!begun.StartsWith(Quotes, StringComparison.Ordinal))
                    return begun.Length >= 2 && begun[0] == '"' && begun[^1] == '"' ? begun[1..^1] : begun;
                var all = new StringBuilder();
                string line = begun[Quotes.Length..];
                int end;
                while ((end = line.IndexOf(Quotes, StringComparison.Ordinal)) < 0)
                {
                    all.Append(line).Append('\n');
                    if (++i >= lines.Length) throw Wrong(number, "the text that begins with \"\"\" does not end");
                    line = lines[i];
                }
                string whole = all.Append(line, 0, end).ToString();
                return !isExact ? whole.Trim('\n') : whole.StartsWith('\n') ? whole[1..] : whole;
            }
        }
        var model = new DerivedModel
        {
            From = from ?? throw new ArgumentException("FROM is missing: the model, or the file of a model, that this one is made of"),
            System = system,
            Template = template,
            Adapters = adapters,
            Messages = messages,
            License = licenses,
            Parameters = parameters.ToDictionary(one => one.Key, one => Json(one.Key, one.Value)),
        };
        model.Validate();
        return model;
    }

    /// <summary>The Modelfile of a model, as `show` gives it.</summary>
    internal static string Of(ServedModel served, string parameters)
    {
        StringBuilder text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"FROM {served.Name}\n");
        foreach (AdapterEntry adapter in served.Adapters) text.Append(CultureInfo.InvariantCulture, $"ADAPTER {adapter.Name}\n");
        if (ModelTemplate.IsJinja(served.Template)) text.Append(CultureInfo.InvariantCulture, $"TEMPLATE \"\"\"{served.Template}\"\"\"\n");
        if (served.System is { } system) text.Append(CultureInfo.InvariantCulture, $"SYSTEM \"\"\"{system}\"\"\"\n");
        foreach (string parameter in parameters.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            text.Append(CultureInfo.InvariantCulture, $"PARAMETER {parameter}\n");
        foreach (Chat.ChatMessage message in served.Messages)
            text.Append(CultureInfo.InvariantCulture, $"MESSAGE {message.Role} \"\"\"{message.Content}\"\"\"\n");
        return text.ToString();
    }

    private static (string Word, string After) SplitWord(string line)
    {
        int end = line.AsSpan().IndexOfAny(' ', '\t');
        return end < 0 ? (line, "") : (line[..end], line[end..].TrimStart());
    }

    private static JsonElement Json(string name, List<string> values)
    {
        if (Texts.Contains(name)) return JsonSerializer.SerializeToElement([.. values], OllamaJson.Default.StringArray);
        string value = values[^1];
        if (value is "true" or "false") return JsonSerializer.Deserialize(value, OllamaJson.Default.JsonElement);
        return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? JsonSerializer.SerializeToElement(number, OllamaJson.Default.Double)
            : JsonSerializer.SerializeToElement(value, OllamaJson.Default.String);
    }

    private static ArgumentException Wrong(int line, string problem) => new($"line {line}: {problem}");
}
