using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>The methods of Python's list and tuple. Those that change a list are closed in Jinja's immutable sandbox.</summary>
internal static class ListMethods
{
    public static Value? Find(ListValue self, string name) => name switch
    {
        "count" => Bind(self, name, Count),
        "index" => Bind(self, name, Index),
        "copy" when !self.IsTuple => Bind(self, name, Copy),
        "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove" when !self.IsTuple =>
            new UndefinedValue($"access to attribute '{name}' of 'list' object is unsafe."),
        _ => null,
    };

    private static FunctionValue Bind(ListValue self, string name, Method<ListValue> method) =>
        new(name, (rendering, arguments) => method(rendering, self, arguments));

    private static IntegerValue Count(Rendering rendering, ListValue self, Arguments arguments)
    {
        Value wanted = arguments.Bind(rendering, "count", 1, "value")[0]!;
        return IntegerValue.Of(self.Items.Count(item => Operators.AreEqual(rendering, item, wanted)));
    }

    private static IntegerValue Index(Rendering rendering, ListValue self, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "index", 1, "value", "start", "stop");
        PythonSlice range = PythonSlice.Fit(rendering, self.Items.Count, values[1] ?? NoneValue.Instance, values[2] ?? NoneValue.Instance,
            NoneValue.Instance);
        for (int i = range.Start; i < range.Start + range.Count; i++)
            if (Operators.AreEqual(rendering, self.Items[i], values[0]!)) return IntegerValue.Of(i);
        throw rendering.Fail("the value is not in the list");
    }

    private static ListValue Copy(Rendering rendering, ListValue self, Arguments arguments)
    {
        arguments.Bind(rendering, "copy", 0);
        return new ListValue(rendering.ToList(self));
    }
}
