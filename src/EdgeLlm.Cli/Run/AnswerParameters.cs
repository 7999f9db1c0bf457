using System.Globalization;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;

namespace EdgeLlm.Cli.Run;

/// <summary>`/set parameter NAME VALUE`: how answers are made, by Ollama's names.</summary>
internal static class AnswerParameters
{
    private static readonly Dictionary<string, Func<GenerationOptions, string, GenerationOptions>> Known = new()
    {
        ["temperature"] = (o, text) => With(o, o.Sampling with { Temperature = Real(text) }),
        ["top_k"] = (o, text) => With(o, o.Sampling with { TopK = Whole(text) }),
        ["top_p"] = (o, text) => With(o, o.Sampling with { TopP = Real(text) }),
        ["min_p"] = (o, text) => With(o, o.Sampling with { MinP = Real(text) }),
        ["typical_p"] = (o, text) => With(o, o.Sampling with { TypicalP = Real(text) }),
        ["repeat_penalty"] = (o, text) => With(o, o.Sampling with { RepeatPenalty = Real(text) }),
        ["repeat_last_n"] = (o, text) => With(o, o.Sampling with { RepeatLastN = Whole(text) }),
        ["presence_penalty"] = (o, text) => With(o, o.Sampling with { PresencePenalty = Real(text) }),
        ["frequency_penalty"] = (o, text) => With(o, o.Sampling with { FrequencyPenalty = Real(text) }),
        ["seed"] = (o, text) => With(o, o.Sampling with { Seed = text == "-1" ? null : (ulong)Math.Max(0, Whole(text)) }),
        ["num_predict"] = (o, text) => o with { MaxTokens = Math.Max(0, Whole(text)) }, // -1: to the end
        ["stop"] = (o, text) => o with { StopStrings = [text] },
    };

    public static IEnumerable<string> Names => Known.Keys;

    /// <summary>Sets one.</summary>
    /// <param name="options">Changed, unless the text is wrong.</param>
    /// <param name="text">The name and the value.</param>
    /// <returns>What to tell.</returns>
    public static string Set(ref GenerationOptions options, string text)
    {
        string[] words = text.Trim().Split(' ', 2, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string names = string.Join(", ", Known.Keys);
        if (words.Length < 2) return $"/set parameter NAME VALUE; there are {names}";
        string name = words[0].ToLowerInvariant().Replace('-', '_');
        if (name == "num_ctx") return "the context's length is chosen at the start: edgellm run --context TOKENS";
        if (!Known.TryGetValue(name, out Func<GenerationOptions, string, GenerationOptions>? set))
            return $"there is no parameter {name}; there are {names}";
        try
        {
            GenerationOptions changed = set(options, words[1]);
            changed.Validate();
            options = changed;
            return $"{name} is {words[1]}";
        }
        catch (Exception exception) when (exception is FormatException or OverflowException)
        {
            return $"{name} takes a number, not '{words[1]}'";
        }
        catch (ArgumentException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>All settings, a name and its value a line.</summary>
    public static string Describe(GenerationOptions options)
    {
        SamplingOptions sampling = options.Sampling;
        return string.Create(CultureInfo.InvariantCulture, $"""
            temperature {sampling.Temperature}
            top_k {sampling.TopK}
            top_p {sampling.TopP}
            min_p {sampling.MinP}
            typical_p {sampling.TypicalP}
            repeat_penalty {sampling.RepeatPenalty}
            repeat_last_n {sampling.RepeatLastN}
            presence_penalty {sampling.PresencePenalty}
            frequency_penalty {sampling.FrequencyPenalty}
            seed {(sampling.Seed is { } seed ? (object)seed : -1)}
            num_predict {(options.MaxTokens > 0 ? options.MaxTokens : -1)}
            """);
    }

    private static GenerationOptions With(GenerationOptions options, SamplingOptions sampling) => options with { Sampling = sampling };

    private static float Real(string text) => float.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    private static int Whole(string text) => int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
}
