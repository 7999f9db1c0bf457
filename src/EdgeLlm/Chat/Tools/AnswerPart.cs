namespace EdgeLlm.Chat.Tools;

/// <summary>Kinds of pieces of an answer.</summary>
public enum AnswerPartKind
{
    /// <summary>Text for the reader.</summary>
    Content,

    /// <summary>Thoughts before the answer.</summary>
    Reasoning,

    /// <summary>A call begins: its id and name are known.</summary>
    CallBegin,

    /// <summary>The next characters of a call's arguments, which are JSON when all have come.</summary>
    CallArguments,

    /// <summary>A call's arguments have come.</summary>
    CallEnd,
}

/// <summary>A piece of an answer, as it comes.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Text, thoughts or arguments; the tool's name where a call begins; empty where one ends.</param>
/// <param name="Call">The call's number in the answer, from 0; -1 where the piece is of none.</param>
/// <param name="Id">The call's id where one begins.</param>
public readonly record struct AnswerPart(AnswerPartKind Kind, string Text, int Call = -1, string? Id = null)
{
    /// <summary>The name of the tool that is called; empty where the piece is of no call.</summary>
    public string Tool { get; init; } = "";
}
