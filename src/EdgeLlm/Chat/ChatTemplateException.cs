namespace EdgeLlm.Chat;

/// <summary>
/// A chat template that cannot be parsed or rendered: a syntax error, an operation that fails, a limit that is reached, or the
/// template's own <c>raise_exception</c>. The message is one line.
/// </summary>
public sealed class ChatTemplateException : Exception
{
    /// <summary>An error at a line of the template.</summary>
    /// <param name="reason">What is wrong; line breaks become spaces, and other characters that are not seen their escapes.</param>
    /// <param name="line">Line in the template, from 1; 0 where no line is to blame.</param>
    public ChatTemplateException(string reason, int line)
        : base(line > 0 ? $"chat template, line {line}: {OneLine(reason)}" : $"chat template: {OneLine(reason)}")
    {
        Reason = reason;
        Line = line;
    }

    /// <summary>Reason of the error, without the place; for <c>raise_exception</c> exactly the template's words.</summary>
    public string Reason { get; }

    /// <summary>Line in the template, from 1; 0 where no line is to blame.</summary>
    public int Line { get; }

    private static string OneLine(string text) => Printable.Line(text.ReplaceLineEndings(" ").Trim());
}
