using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models.Adapters;

/// <summary>
/// A regular expression of adapter_config.json, which has to fit a module's whole name. Matched without backtracking: its time grows with
/// the name's length alone.
/// </summary>
internal sealed class ModulePattern
{
    private const int MostLength = 1000;
    private const int MostRepeats = 1000; // of all counts of an expression, multiplied: each is copies of what it counts

    private readonly Regex _regex;

    private ModulePattern(Regex regex) => _regex = regex;

    /// <param name="field">Where it is from.</param>
    /// <param name="expression">Python's, as peft puts it together.</param>
    /// <param name="key">What of it the file has; null: the expression.</param>
    /// <exception cref="ModelException">It is too long, or no expression that can be matched without backtracking.</exception>
    public static ModulePattern Of(JsonPart field, string expression, string? key = null)
    {
        string written = key ?? expression;
        if (written.Length > MostLength) throw field.Error($"has an expression of {written.Length} characters; it may have {MostLength}");
        try
        {
            if (Repeats(written) <= MostRepeats)
                return new ModulePattern(new Regex($@"\A(?:{expression})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant));
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException or OutOfMemoryException)
        {
            // Refused below.
        }
        throw field.Error(
            $"has the expression '{FolderFile.Printable(written)}', which can't be matched here (it is not valid, looks around or back, "
                + "or repeats too often)");
    }

    public bool Matches(string module) => _regex.IsMatch(module);

    /// <summary>The number in the first group, where the name fits; otherwise null.</summary>
    public long? Number(string module) =>
        _regex.Match(module) is { Success: true } match
            && long.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private static double Repeats(string expression)
    {
        double all = 1;
        for (int i = 0; i < expression.Length; i++)
        {
            if (expression[i] != '{' || expression.IndexOf('}', i) is not (> 0 and var end)) continue;
            foreach (string count in expression[(i + 1)..end].Split(','))
            {
                if (double.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out double number) && number > 1) all *= number;
            }
        }
        return all;
    }
}

/// <summary>Which modules a field means: names that end a module's, one expression for the whole name, or all linear ones.</summary>
internal sealed class ModuleNames
{
    private readonly HashSet<string> _names = [];
    private ModulePattern? _pattern;
    private bool _isAllLinear;

    /// <summary>Whether it is one expression.</summary>
    public bool IsExpression => _pattern is not null;

    /// <summary>Null where the field is missing, null or empty.</summary>
    public static ModuleNames? Read(JsonPart? field, bool allowsAllLinear)
    {
        if (field is not { } value) return null;
        var names = new ModuleNames();
        if (value.Element.ValueKind == JsonValueKind.String)
        {
            string text = value.Text();
            if (text.Length == 0) return null;
            if (allowsAllLinear && text == "all-linear") names._isAllLinear = true;
            else names._pattern = ModulePattern.Of(value, text);
            return names;
        }
        foreach (JsonPart item in value.Items().Take(AdapterConfig.MostKeys + 1)) names._names.Add(item.Text());
        if (names._names.Count > AdapterConfig.MostKeys) throw value.Error($"has more than {AdapterConfig.MostKeys} names");
        return names._names.Count == 0 ? null : names;
    }

    public bool Matches(string module)
    {
        if (_isAllLinear)
            return !module.EndsWith("lm_head", StringComparison.Ordinal) && !module.EndsWith("embed_tokens", StringComparison.Ordinal);
        if (_pattern is not null) return _pattern.Matches(module);
        if (_names.Contains(module)) return true;
        for (int dot = module.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = module.IndexOf('.', dot + 1))
        {
            if (_names.Contains(module[(dot + 1)..])) return true;
        }
        return false;
    }
}
