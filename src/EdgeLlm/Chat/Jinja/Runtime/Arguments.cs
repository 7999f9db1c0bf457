using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>The arguments of one call, evaluated. Names are values too, because <c>**</c> may bring them from input.</summary>
internal sealed record Arguments(IReadOnlyList<Value> Positional, IReadOnlyList<KeyValuePair<StringValue, Value>> Named)
{
    public static Arguments None { get; } = new([], []);

    public static Arguments Of(params Value[] positional) => new(positional, []);

    /// <summary>Assigns the arguments to a function's parameters; those that were not given are null.</summary>
    /// <param name="rendering">For the error.</param>
    /// <param name="function">The function's name, for the error.</param>
    /// <param name="required">How many of the parameters must be given.</param>
    /// <param name="parameters">Names of the parameters, in order.</param>
    public Value?[] Bind(Rendering rendering, string function, int required, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
            throw rendering.Fail($"{function} takes at most {parameters.Length} arguments, not {Positional.Count}");
        Value?[] values = new Value?[parameters.Length];
        for (int i = 0; i < Positional.Count; i++) values[i] = Positional[i];
        foreach ((StringValue name, Value value) in Named)
        {
            int index = parameters.IndexOf(name.Text);
            if (index < 0) throw rendering.Fail($"{function} has no argument '{name.Text}'");
            if (values[index] is not null) throw rendering.Fail($"{function} got its argument '{name.Text}' twice");
            values[index] = value;
        }
        for (int i = 0; i < required; i++)
            if (values[i] is null) throw rendering.Fail($"{function} misses its argument '{parameters[i]}'");
        return values;
    }

    /// <summary>The arguments without the first positional ones.</summary>
    public Arguments Skip(int count) => new([.. Positional.Skip(count)], Named);
}
