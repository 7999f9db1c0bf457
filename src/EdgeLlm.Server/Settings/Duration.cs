using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Settings;

/// <summary>Durations as Ollama's clients write them: `5m`, `1h30m`, `90s`, a number of seconds; a negative one is for ever.</summary>
internal static partial class Duration
{
    /// <summary>For ever.</summary>
    public static TimeSpan Forever { get; } = TimeSpan.FromSeconds(-1);

    /// <exception cref="FormatException">It is none of these; the message says what is.</exception>
    public static TimeSpan Parse(string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds))
            return OfSeconds(seconds);
        if (!Whole().IsMatch(text)) throw new FormatException("a duration such as 5m, 1h30m, 90s, seconds, 0, or -1 for ever");
        double sum = 0;
        foreach (Match part in Part().Matches(text))
        {
            double unit = part.Groups[2].Value switch { "h" => 3600, "m" => 60, "s" => 1, "ms" => 1e-3, "ns" => 1e-9, _ => 1e-6 };
            sum += unit * double.Parse(part.Groups[1].Value, CultureInfo.InvariantCulture);
        }
        return OfSeconds(text.StartsWith('-') ? -sum : sum);
    }

    /// <summary>Of a request's `keep_alive`: a number of seconds, or a text; null where it says nothing.</summary>
    /// <exception cref="ApiException">It is not a duration.</exception>
    public static TimeSpan? Of(JsonElement? keepAlive)
    {
        try
        {
            return keepAlive switch
            {
                { ValueKind: JsonValueKind.Number } number => OfSeconds(number.GetDouble()),
                { ValueKind: JsonValueKind.String } text when text.GetString()!.Length > 0 => Parse(text.GetString()!),
                _ => null,
            };
        }
        catch (FormatException exception)
        {
            throw ApiException.Field("keep_alive", $"has to be {exception.Message}");
        }
    }

    /// <summary>Of a number of seconds, a negative one for ever.</summary>
    public static TimeSpan OfSeconds(double seconds) => seconds < 0 || seconds > 1e9 ? Forever : TimeSpan.FromSeconds(seconds);

    [GeneratedRegex(@"^[-+]?([0-9]{1,18}(\.[0-9]{1,18})?(h|m|s|ms|us|µs|ns))+$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")]
    private static partial Regex Part();
}
