using System.Text.RegularExpressions;
using EdgeLlm.Chat;

namespace EdgeLlm.Server.Library;

/// <summary>Chat templates that a model made of another one may have instead of the other's: Jinja, as in files of models.</summary>
internal static partial class ModelTemplate
{
    /// <summary>Whether a text has Jinja in it: one without would say the same whatever is asked.</summary>
    public static bool IsJinja(string? text) =>
        text is not null && (text.Contains("{{", StringComparison.Ordinal) || text.Contains("{%", StringComparison.Ordinal));

    /// <summary>Refuses what is not Jinja, and what is more than a file's template may be.</summary>
    /// <exception cref="ArgumentException">It is; the message says what to do.</exception>
    public static void Check(string text)
    {
        if (!IsJinja(text))
            throw new ArgumentException("TEMPLATE must be a chat template in Jinja, with messages in it, and this has no {{ and no {%");
        if (GoAction().IsMatch(text))
            throw new ArgumentException(
                "TEMPLATE must be Jinja, and this is Go's language: leave it out for the model's own, or write Jinja "
                    + "({% for message in messages %})");
        try
        {
            _ = ChatTemplate.Parse(text);
        }
        catch (ChatTemplateException exception)
        {
            throw new ArgumentException($"TEMPLATE must be Jinja: {exception.Message}", exception);
        }
    }

    /// <summary>Marks of Ollama's templates that Jinja has not: `{{ .Prompt }}`, `{{ $i }}`, `{{ if`, `{{- range`, `{{ end }}`.</summary>
    [GeneratedRegex(@"\{\{-?\s*(?:[.$]|(?:if|range|with|define|block|json|len|and|or|eq|ne)\s+[.$(""]|else\b|end\s*-?\}\})")]
    private static partial Regex GoAction();
}
