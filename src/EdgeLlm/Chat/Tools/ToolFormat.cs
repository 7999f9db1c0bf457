using System.Text.Json;
using System.Text.RegularExpressions;

namespace EdgeLlm.Chat.Tools;

/// <summary>
/// How the models of a family write calls of tools: optional texts around all calls, and the parts of each. See <see cref="ToolFormats"/>.
/// </summary>
/// <param name="name">Its name in messages.</param>
public sealed partial class ToolFormat(string name)
{
    /// <summary>Its name in messages: the family that it comes from.</summary>
    public string Name { get; } = name;

    /// <summary>Texts by which calls begin, wherever they come; each is the beginning of <see cref="Begin"/> or of a call.</summary>
    internal string[] Triggers { get; init; } = [];

    /// <summary>Texts by which calls begin where an answer does. White space in them stands for any.</summary>
    internal string[] StartTriggers { get; init; } = [];

    /// <summary>Whether a trigger counts only with a tool's name after it.</summary>
    internal bool NamesFollowTriggers { get; init; }

    /// <summary>Text that a model writes before <see cref="Begin"/> where a call is required; it is not read as part of the call.</summary>
    internal string Preface { get; init; } = "";

    /// <summary>Before the first call.</summary>
    internal CallPart[] Begin { get; init; } = [];

    /// <summary>A call.</summary>
    internal CallPart[] Call { get; init; } = [];

    /// <summary>Between calls.</summary>
    internal string Separator { get; init; } = "";

    /// <summary>After the last call.</summary>
    internal string End { get; init; } = "";

    /// <summary>Markup that is not text of an answer and is left out of it.</summary>
    internal string[] Dropped { get; init; } = [];

    /// <summary>Texts all of which a template shows that writes calls in this format.</summary>
    internal string[] Signs { get; init; } = [];

    /// <summary>Whether an id has to be nine letters and digits, as Mistral's templates insist.</summary>
    internal bool HasShortIds { get; init; }

    /// <summary>Whether calls are elements between <see cref="Begin"/> and <see cref="End"/>, or have a separator of their own.</summary>
    internal bool HasList => End.Length > 0 || !string.IsNullOrWhiteSpace(Separator);

    /// <summary>Hermes': what the built-in instructions ask for where a template knows no tools.</summary>
    public static ToolFormat Usual => ToolFormats.BuiltIn;

    /// <summary>
    /// The format of a template: the one in which it writes earlier calls; where it writes none, the one that its text mentions; where it
    /// knows no tools, that of the built-in instructions.
    /// </summary>
    /// <param name="template">The template.</param>
    /// <param name="source">Its Jinja source.</param>
    public static ToolFormat Detect(ChatTemplate template, string source)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(source);
        if (template.Capabilities.SupportsToolCalls && RenderedCall(template) is { } call && ToolFormats.Find(call) is { } shown)
            return shown;
        if (!template.Capabilities.SupportsToolCalls && !template.Capabilities.SupportsTools) return ToolFormats.BuiltIn;
        return ToolFormats.Find(source) ?? (template.Capabilities.SupportsTools ? ToolFormats.Json : ToolFormats.BuiltIn);
    }

    /// <summary>Texts of the format that may be tokens of their own: without them in the answer nothing is read.</summary>
    public IEnumerable<string> Markup =>
        ((string[])[Preface, Separator, End, .. Triggers, .. Dropped, .. Begin.Concat(Call).SelectMany(TextsOf)])
        .SelectMany(text => MarkupPattern().Matches(text).Select(match => match.Value)).Distinct();

    /// <summary>A new id for a call.</summary>
    internal string NewId()
    {
        const string Letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        string id = System.Security.Cryptography.RandomNumberGenerator.GetString(Letters, HasShortIds ? 9 : 24);
        return HasShortIds ? id : "call_" + id;
    }

    /// <summary>The first place in a text at which a call begins, or may begin as far as the text goes.</summary>
    /// <param name="text">A text.</param>
    /// <param name="isStart">Whether the answer begins with it.</param>
    /// <param name="names">The tools' names.</param>
    /// <param name="isWhole">Whether the trigger is there whole.</param>
    /// <returns>The place, or the text's length where there is none.</returns>
    internal int FindTrigger(ReadOnlySpan<char> text, bool isStart, IReadOnlyCollection<string> names, out bool isWhole)
    {
        int first = text.Length;
        isWhole = false;
        if (isStart)
        {
            int start = text.Length - text.TrimStart().Length;
            foreach (string trigger in StartTriggers)
            {
                TextMatch match = FlexibleText.Match(text[start..], trigger, out _);
                if (match == TextMatch.No || start == text.Length) continue;
                isWhole |= match == TextMatch.Whole;
                first = start;
            }
            if (isWhole) return first;
        }
        foreach (string trigger in Triggers)
        {
            if (NamesFollowTriggers)
            {
                foreach (string name in names) Look(text, trigger + name, ref first, ref isWhole);
            }
            else
            {
                Look(text, trigger, ref first, ref isWhole);
            }
        }
        return first;

        static void Look(ReadOnlySpan<char> text, string trigger, ref int first, ref bool isWhole)
        {
            int at = text.IndexOf(trigger, StringComparison.Ordinal);
            bool whole = at >= 0;
            if (!whole) at = text.Length - FlexibleText.LongestOverlap(text, trigger);
            if (at > first || at == text.Length || (at == first && isWhole)) return;
            (first, isWhole) = (at, whole);
        }
    }

    private static IEnumerable<string> TextsOf(CallPart part) => part switch
    {
        TextPart text => [text.Text],
        EitherPart either => either.Ways.SelectMany(way => way.SelectMany(TextsOf)),
        ParametersPart parameters => [parameters.Head, parameters.Middle, parameters.Tail],
        ValuesPart values => [values.Notation.Open, values.Notation.Close, values.Notation.Quote ?? ""],
        _ => [],
    };

    /// <summary>Text of a template for a call of the tool `probe` with one argument, or null where it refuses.</summary>
    private static string? RenderedCall(ChatTemplate template)
    {
        var tool = new ToolDefinition("probe") { Description = "d" };
        ChatMessage user = new("user", "u"),
            call = new("assistant", "") { ToolCalls = [new ChatToolCall("call00001", "probe", """{"probe_argument": "needle"}""")] };
        ChatMessage answer = new("tool", "t") { ToolCallId = "call00001", Name = "probe" };
        foreach (ChatMessage[] messages in (ChatMessage[][])[[user, call], [user, call, answer]])
        {
            try
            {
                JsonElement tools = ToolDefinition.ToJson([tool]);
                ChatRequest before = new() { Messages = [user], Tools = tools, AddGenerationPrompt = false };
                string all = template.Render(before with { Messages = messages }).Text, first = template.Render(before).Text;
                int common = 0;
                while (common < first.Length && common < all.Length && first[common] == all[common]) common++;
                return all[common..];
            }
            catch (ChatTemplateException)
            {
                // The next form, or the template's source, says more.
            }
        }
        return null;
    }

    [GeneratedRegex(@"<[^<>\s""'={}]+>|\[/?[A-Z_]+\]|<\|""\|>|｜DSML｜")]
    private static partial Regex MarkupPattern();
}
