using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

internal sealed partial class SchemaCompiler
{
    /// <summary>Constants of which an array of different items may consist.</summary>
    private const int MostUniqueItems = 2000;

    private int AddArray(SchemaForm form)
    {
        if (form.MinItems > form.MaxItems) return 0;
        int prefix = 0;
        foreach (SchemaNode node in form.Nodes)
        {
            if (!node.TryGet("prefixItems", out JsonElement list)) continue;
            if (list.ValueKind != JsonValueKind.Array) throw node.Wrong("prefixItems", "must be a list of schemas");
            prefix = Math.Max(prefix, list.GetArrayLength());
        }
        prefix = Math.Min(prefix, form.MaxItems);
        SchemaNode[] rest = ItemSchemas(form, prefix);
        if (form.UniqueAt is { } place && form.MaxItems > 1) return AddUniqueItems(form, prefix, rest, place);
        int items = rest.Any(node => node.IsFalse) ? 0 : RuleOf(rest);
        int[] first = new int[prefix];
        for (int i = 0; i < prefix; i++)
        {
            SchemaNode[] schemas = ItemSchemas(form, i);
            if (schemas.Any(node => node.IsFalse)) // the array ends before it
            {
                if (form.MinItems > i) return 0;
                return AddItems(first[..i], 0, form.MinItems, i);
            }
            first[i] = RuleOf(schemas);
        }
        return AddItems(first, items, form.MinItems, form.MaxItems);
    }

    /// <summary>The schemas of the item at an index.</summary>
    private SchemaNode[] ItemSchemas(SchemaForm form, int index)
    {
        var schemas = new List<SchemaNode>();
        foreach (SchemaNode node in form.Nodes)
        {
            if (node.TryGet("prefixItems", out JsonElement list) && index < list.GetArrayLength())
                schemas.Add(_document.Child(node, list[index], "prefixItems", $"{index}"));
            else if (node.TryGet("items", out JsonElement items)) schemas.Add(_document.Child(node, items, "items"));
        }
        return [.. schemas];
    }

    /// <summary>An array whose first items have rules of their own.</summary>
    /// <param name="items">The rule of the others; 0: there are none.</param>
    private int AddItems(int[] first, int items, int min, int max)
    {
        int start = _builder.AddState(), done = _builder.Done, k = first.Length;
        if (items == 0) max = Math.Min(max, k);
        if (min > max) return 0;
        // The counter counts commas: of all items, or of those after the first ones.
        int before = k == 0 ? 1 : k;
        int counter = _builder.AddCounter(Math.Max(0, min - before), max == Counter.NoLimit ? max : Math.Max(0, max - before), items);
        int after = _builder.AddState(Role.Counter, counter); // after an item
        int open = k == 0 ? _builder.AddState(Role.Counter, counter) : _builder.AddState();
        _builder.On(start, '[', open);
        int openSpaced = AfterSpace(open, k == 0 ? Role.Counter : Role.Plain, k == 0 ? counter : 0);
        foreach (int state in (ReadOnlySpan<int>)[open, openSpaced])
        {
            if (min == 0) _builder.On(state, ']', done);
            if (k == 0 && max > 0) _builder.AddCall(state, items, after);
        }
        (int At, int Spaced) next = (open, openSpaced);
        for (int i = 0; i < k; i++)
        {
            int then = i == k - 1 ? after : _builder.AddState();
            _builder.AddCall(next.At, first[i], then);
            _builder.AddCall(next.Spaced, first[i], then);
            if (i == k - 1) break;
            int comma = _builder.AddState();
            _builder.On(then, ',', comma);
            if (i + 1 >= min) _builder.On(EndsWith(then, Role.Plain, 0, Act.None), ',', comma);
            next = (comma, AfterSpace(comma, Role.Plain, 0));
        }
        int afterSpaced = EndsWith(after, Role.Counter, counter, Act.Enough);
        if (max > before)
        {
            int comma = _builder.AddState(Role.Counter, counter);
            _builder.On(after, ',', comma, Act.Count);
            _builder.On(afterSpaced, ',', comma, Act.Count);
            _builder.AddCall(comma, items, after);
            _builder.AddCall(AfterSpace(comma, Role.Counter, counter), items, after);
        }
        return start;

        int EndsWith(int state, Role role, int owner, Act act)
        {
            int spaced = AfterSpace(state, role, owner);
            _builder.On(state, ']', done, act);
            _builder.On(spaced, ']', done, act);
            return spaced;
        }
    }

    /// <summary>An array of different constants.</summary>
    private int AddUniqueItems(SchemaForm form, int prefix, SchemaNode[] items, string place)
    {
        var keys = new HashSet<string>();
        foreach (SchemaForm item in prefix > 0 ? throw Refused() : _reader.Read(items))
        {
            if (item.Constants is not { } constants)
            {
                if ((item.Types & ~(JsonTypes.Null | JsonTypes.Boolean)) != 0) throw Refused();
                if (item.Types.HasFlag(JsonTypes.Null)) keys.Add("null");
                if (item.Types.HasFlag(JsonTypes.Boolean)) keys.UnionWith(["true", "false"]);
                continue;
            }
            if (constants.Exists(value => value.ValueKind is JsonValueKind.Object or JsonValueKind.Array)) throw Refused();
            keys.UnionWith(constants.Select(value => System.Text.Encoding.UTF8.GetString(JsonText.Of(value))));
        }
        if (keys.Count > MostUniqueItems) throw Refused();
        var set = new MemberSet(_builder.Sets.Count) { Min = form.MinItems, Max = Math.Min(form.MaxItems, keys.Count) };
        if (form.MinItems > keys.Count) return 0;
        _builder.Sets.Add(set);
        (int start, int after) = AddSetStates(set, '[', ']');
        foreach (byte[] key in keys.Select(System.Text.Encoding.UTF8.GetBytes).OrderBy(key => key, KeyOrder))
            set.Members.Add(new Member(key, false, after));
        AddKeys(set, null, [], isAny: false);
        return start;

        ConstraintException Refused() =>
            new($"schema {place}/uniqueItems: only supported where the items are constants (enum, const), true, false or null");
    }
}
