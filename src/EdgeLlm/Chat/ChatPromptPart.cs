namespace EdgeLlm.Chat;

/// <summary>A run of a prompt's text that has one origin.</summary>
/// <param name="Text">The text; never empty.</param>
/// <param name="FromInput">
/// True for what users, tools or a model wrote: special tokens must not be parsed in it. False for the template's own text.
/// </param>
public readonly record struct ChatPromptPart(string Text, bool FromInput);
