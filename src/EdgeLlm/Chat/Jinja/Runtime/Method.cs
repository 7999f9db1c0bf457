using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>A method of a type, before it is bound to a receiver.</summary>
internal delegate Value Method<in TReceiver>(Rendering rendering, TReceiver self, Arguments arguments)
    where TReceiver : Value;
