using EdgeLlm.Chat.Jinja.Nodes;
using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>A macro with the scope that it was defined in.</summary>
internal sealed class MacroValue(MacroDefinition macro, Scope scope) : Value
{
    public override string TypeName => "Macro";

    private string Description => macro.Name is null ? "anonymous" : $"'{macro.Name}'";

    public override Value? Attribute(Rendering rendering, string name) => name switch
    {
        "name" => macro.Name is null ? NoneValue.Instance : new StringValue(macro.Name),
        "arguments" => ListValue.Tuple([.. macro.Parameters.Select(parameter => new StringValue(parameter))]),
        "catch_kwargs" => BooleanValue.Of(macro.ReadsNamed),
        "catch_varargs" => BooleanValue.Of(macro.ReadsRest),
        "caller" => BooleanValue.Of(macro.ReadsCaller),
        _ => null,
    };

    public override Value Call(Rendering rendering, Arguments arguments)
    {
        rendering.AllocateScope();
        Scope inner = new(scope);
        Bind(rendering, arguments, inner);
        return rendering.Capture((macro.Body, inner), static (rendering, state) =>
        {
            Statement.ExecuteAll(state.Body, rendering, state.inner);
        });
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append($"<Macro {Description}>");

    private void Bind(Rendering rendering, Arguments arguments, Scope inner)
    {
        int count = macro.Parameters.Length;
        List<KeyValuePair<StringValue, Value>> named = [.. arguments.Named];
        bool[] isMissing = new bool[count];
        for (int i = 0; i < count; i++)
        {
            string parameter = macro.Parameters[i];
            Value? value = i < arguments.Positional.Count ? arguments.Positional[i] : Take(rendering, named, parameter);
            isMissing[i] = value is null;
            inner.Set(rendering, parameter, value ?? new UndefinedValue($"parameter '{parameter}' was not provided"));
        }
        for (int i = 0; i < count; i++)
        {
            if (isMissing[i] && macro.Defaults[i] is Expression expression)
                inner.Set(rendering, macro.Parameters[i], expression.Evaluate(rendering, inner));
        }
        if (macro.ReadsCaller && !macro.Parameters.Contains("caller"))
            inner.Set(rendering, "caller", Take(rendering, named, "caller") ?? new UndefinedValue("No caller defined"));
        if (macro.ReadsNamed) inner.Set(rendering, "kwargs", Named(rendering, named));
        else if (named.Count > 0) throw rendering.Fail($"macro {Description} takes no keyword argument '{named[0].Key.Text}'");
        if (macro.ReadsRest) inner.Set(rendering, "varargs", new ListValue([.. arguments.Positional.Skip(count)], isTuple: true));
        else if (arguments.Positional.Count > count) throw rendering.Fail($"macro {Description} takes not more than {count} argument(s)");
    }

    private static Value? Take(Rendering rendering, List<KeyValuePair<StringValue, Value>> named, string name)
    {
        rendering.Step(named.Count);
        int index = named.FindIndex(pair => pair.Key.Text == name);
        if (index < 0) return null;
        Value value = named[index].Value;
        named.RemoveAt(index);
        return value;
    }

    private static DictValue Named(Rendering rendering, List<KeyValuePair<StringValue, Value>> named)
    {
        DictValue dict = new();
        foreach ((StringValue name, Value value) in named) dict.Set(rendering, name, value);
        return dict;
    }
}

/// <summary>A function of the runtime, or a method bound to its receiver.</summary>
internal sealed class FunctionValue(string name, Func<Rendering, Arguments, Value> body) : Value
{
    public string Name { get; } = name;

    public override string TypeName => "builtin_function_or_method";

    public override Value Call(Rendering rendering, Arguments arguments) => body(rendering, arguments);

    public override void WriteRepr(Rendering rendering, TextBuilder text) => text.Append($"<function {Name}>");
}
