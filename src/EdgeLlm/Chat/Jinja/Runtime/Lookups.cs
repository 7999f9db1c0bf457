using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>A method of a type, before it is bound to a receiver.</summary>
internal delegate Value Method<in TReceiver>(Rendering rendering, TReceiver self, Arguments arguments)
    where TReceiver : Value;

/// <summary>Jinja's rules of subscription: <c>value.name</c> prefers attributes to items, <c>value[name]</c> items to attributes.</summary>
internal static class Lookups
{
    public static Value Attribute(Rendering rendering, Value value, string name)
    {
        Value? found = value.Attribute(rendering, name)
            ?? (value is DictValue dict ? dict.Find(rendering, name) : null);
        if (found is FunctionValue) rendering.AllocateCall(); // a method, bound
        return found ?? Missing(rendering, value, new StringValue(name));
    }

    public static Value Item(Rendering rendering, Value value, Value key)
    {
        Value? found = value.Item(rendering, key)
            ?? (key is StringValue name ? value.Attribute(rendering, name.Text) : null);
        return found ?? Missing(rendering, value, key);
    }

    /// <summary>Python's <c>value[start:stop:step]</c>.</summary>
    public static Value Slice(Rendering rendering, Value value, Value start, Value stop, Value step)
    {
        int? length = value is StringValue or ListValue or RangeValue ? value.Length(rendering) : null;
        if (value is UndefinedValue undefined) throw rendering.Fail(undefined.Message);
        if (length is null) throw rendering.Fail($"'{value.TypeName}' object cannot be sliced");
        PythonSlice slice = PythonSlice.Fit(rendering, length.Value, start, stop, step);
        return value switch
        {
            StringValue text => text.Slice(rendering, slice),
            ListValue list => list.Slice(rendering, slice),
            _ => ((RangeValue)value).Slice(slice),
        };
    }

    /// <summary>Follows a filter's <c>attribute</c> argument, a path with dots or a number, from an item.</summary>
    public static Value Path(Rendering rendering, Value item, Value path, Value? absent = null)
    {
        if (path is not StringValue text) return Step(path);
        foreach (string part in text.Text.Split('.'))
        {
            rendering.Step();
            bool isIndex = part.Length > 0 && part.All(char.IsAsciiDigit) && RadixText.TryParse(part, 10, out _);
            item = Step(isIndex ? IntegerValue.Of(int.Parse(part.PadLeft(9, '0')[^9..])) : new StringValue(part));
        }
        return item;

        Value Step(Value key)
        {
            Value found = Item(rendering, item, key);
            return found is UndefinedValue && absent is not null and not NoneValue ? absent : found;
        }
    }

    private static UndefinedValue Missing(Rendering rendering, Value value, Value key)
    {
        rendering.AllocateCall();
        string type = value is NoneValue ? "None" : $"{value.TypeName} object";
        if (key is StringValue name) return new UndefinedValue($"'{type}' has no attribute '{name.Text}'");
        TextBuilder repr = new(rendering);
        key.WriteRepr(rendering, repr);
        return new UndefinedValue($"{type} has no element {repr.ToValue().Text}");
    }
}
