namespace EdgeLlm.Chat;

/// <summary>
/// A rendered prompt that remembers which of its text was typed and which the template wrote. A special token may be
/// recognized only where it is wholly inside one part that is not from input; the rest is ordinary text, whose tokens may
/// reach across parts.
/// </summary>
public sealed class ChatPrompt
{
    /// <summary>A prompt of these parts.</summary>
    public ChatPrompt(IReadOnlyList<ChatPromptPart> parts)
    {
        Parts = parts;
        Text = parts.Count == 1 ? parts[0].Text : string.Concat(parts.Select(part => part.Text));
    }

    /// <summary>The parts, in order; neighbours differ in origin.</summary>
    public IReadOnlyList<ChatPromptPart> Parts { get; }

    /// <summary>All parts joined.</summary>
    public string Text { get; }
}

/// <summary>A run of a prompt's text that has one origin.</summary>
/// <param name="Text">The text; never empty.</param>
/// <param name="FromInput">
/// True for what users, tools or a model wrote: special tokens must not be parsed in it. False for the template's own text.
/// </param>
public readonly record struct ChatPromptPart(string Text, bool FromInput);
