using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Function after <c>is</c>.</summary>
internal delegate bool Test(Rendering rendering, Value value, Arguments arguments);
