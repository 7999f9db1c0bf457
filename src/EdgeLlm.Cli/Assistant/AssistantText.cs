using EdgeLlm.Assistant.Conversation;

namespace EdgeLlm.Cli.Assistant;

/// <summary>Shows what happens as lines of text.</summary>
internal static class AssistantText
{
    /// <summary>A line for what matters to a person; states and pieces of answers have none.</summary>
    public static void Write(AssistantEvent happened, TextWriter output)
    {
        string? line = happened.Kind switch
        {
            AssistantEventKind.Heard => $"heard:    {Printable.Line(happened.Text, 500)}",
            AssistantEventKind.Answered => $"answer:   {Printable.Line(happened.Text, 2000)}",
            AssistantEventKind.Call => $"tool:     {Printable.Line(happened.Text, 500)}",
            AssistantEventKind.Device =>
                $"device:   {Printable.Line(happened.Text)} {(happened.Level == 0 ? "off" : happened.Level == 100 ? "on" : $"{happened.Level} %")}",
            AssistantEventKind.Problem => $"problem:  {Printable.Line(happened.Text, 500)}",
            _ => null,
        };
        if (line is not null) output.WriteLine(line);
    }
}
