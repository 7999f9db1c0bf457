using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>The methods of Python's dict; those that change it are closed in Jinja's immutable sandbox.</summary>
internal static class DictMethods
{
    public static Value? Find(DictValue self, string name) => name switch
    {
        "get" => Bind(self, name, Get),
        "items" => View(self, name, DictViewKind.Items),
        "keys" => View(self, name, DictViewKind.Keys),
        "values" => View(self, name, DictViewKind.Values),
        "copy" => Bind(self, name, Copy),
        "fromkeys" => Bind(self, name, FromKeys),
        "clear" or "pop" or "popitem" or "setdefault" or "update" =>
            new UndefinedValue($"access to attribute '{name}' of 'dict' object is unsafe."),
        _ => null,
    };

    private static FunctionValue Bind(DictValue self, string name, Method<DictValue> method) =>
        new(name, (rendering, arguments) => method(rendering, self, arguments));

    private static FunctionValue View(DictValue self, string name, DictViewKind kind) => new(name, (rendering, arguments) =>
    {
        arguments.Bind(rendering, name, 0);
        return new DictViewValue(self, kind);
    });

    private static Value Get(Rendering rendering, DictValue self, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "get", 1, "key", "default");
        return self.Find(rendering, values[0]!) ?? values[1] ?? NoneValue.Instance;
    }

    private static DictValue Copy(Rendering rendering, DictValue self, Arguments arguments)
    {
        arguments.Bind(rendering, "copy", 0);
        DictValue copy = new();
        copy.SetAll(rendering, self);
        return copy;
    }

    private static DictValue FromKeys(Rendering rendering, DictValue self, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "fromkeys", 1, "keys", "value");
        DictValue dict = new();
        IEnumerator<Value> keys = rendering.Iterate(values[0]!);
        while (keys.MoveNext()) dict.Set(rendering, keys.Current, values[1] ?? NoneValue.Instance);
        return dict;
    }
}
