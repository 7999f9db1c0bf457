using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>What stands behind <c>is</c>.</summary>
internal delegate bool Test(Rendering rendering, Value value, Arguments arguments);
