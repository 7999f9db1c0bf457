using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Arguments of calls with <c>*</c> and <c>**</c>.</summary>
internal static class Calls
{
    /// <summary>The entries of a dict as named arguments.</summary>
    public static List<KeyValuePair<StringValue, Value>> Keywords(Rendering rendering, Value mapping)
    {
        if (mapping is UndefinedValue undefined) throw rendering.Fail(undefined.Message);
        if (mapping is not DictValue dict) throw rendering.Fail($"argument after ** must be a mapping, not {mapping.TypeName}");
        rendering.AllocateItems(dict.Entries.Count);
        List<KeyValuePair<StringValue, Value>> named = [];
        foreach ((Value key, Value value) in dict.Entries)
            named.Add(new(key as StringValue ?? throw rendering.Fail("keywords must be strings"), value));
        return named;
    }
}
