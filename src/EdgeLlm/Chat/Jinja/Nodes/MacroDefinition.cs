namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A macro, or the body of a call block, which has no name. The flags say which of the special names its body reads.</summary>
internal sealed record MacroDefinition(
    string? Name, int Line, string[] Parameters, Expression?[] Defaults, Statement[] Body,
    bool ReadsCaller, bool ReadsNamed, bool ReadsRest);
