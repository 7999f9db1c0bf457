using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>A function of the runtime, or a method bound to its receiver.</summary>
internal sealed class FunctionValue(string name, Func<Rendering, Arguments, Value> body) : Value
{
    public string Name { get; } = name;

    public override string TypeName => "builtin_function_or_method";

    public override Value Call(Rendering rendering, Arguments arguments) => body(rendering, arguments);

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append($"<function {Name}>");
}
