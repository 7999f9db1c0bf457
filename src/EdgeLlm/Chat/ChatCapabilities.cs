namespace EdgeLlm.Chat;

/// <summary>Capabilities of a template, found out by rendering small conversations with it and looking for their words.</summary>
public sealed record ChatCapabilities
{
    /// <summary>Whether a system turn is rendered. If not, its text goes before that of the first user turn.</summary>
    public required bool SupportsSystemRole { get; init; }

    /// <summary>Whether the list of tools is rendered. If not, it goes into the system turn, as JSON.</summary>
    public required bool SupportsTools { get; init; }

    /// <summary>Whether the tool calls of earlier turns are rendered. If not, they go into the turn's text, as JSON.</summary>
    public required bool SupportsToolCalls { get; init; }

    /// <summary>Whether turns of role <c>tool</c> are rendered. If not, they become user turns.</summary>
    public required bool SupportsToolRole { get; init; }

    /// <summary>Whether arguments of tool calls must be JSON objects; their text would be quoted once more.</summary>
    public required bool RequiresObjectArguments { get; init; }

    /// <summary>Whether arguments of tool calls must be text, because the template writes what it is given.</summary>
    public required bool RequiresStringArguments { get; init; }

    /// <summary>Whether content must be a list of <c>{"type": "text", "text": ...}</c>; plain strings are not rendered.</summary>
    public required bool RequiresTypedContent { get; init; }

    /// <summary>Whether a turn without content must have the empty string and not null.</summary>
    public required bool RequiresNonNullContent { get; init; }

    /// <summary>Whether user and assistant turns must alternate. If so, neighbours of one role are joined.</summary>
    public required bool RequiresAlternation { get; init; }

    /// <summary>Whether no tools must be given as an empty list and not as none, because the template walks the list unasked.</summary>
    public required bool RequiresToolsList { get; init; }
}
