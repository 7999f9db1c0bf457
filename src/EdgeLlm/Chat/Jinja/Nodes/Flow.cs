namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>What is to happen after a statement.</summary>
internal enum Flow { Next, Break, Continue }
