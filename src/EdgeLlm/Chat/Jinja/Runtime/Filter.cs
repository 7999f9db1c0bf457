using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Function after <c>|</c>.</summary>
internal delegate Value Filter(Rendering rendering, Value input, Arguments arguments);
