using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

internal sealed partial class SchemaCompiler
{
    private const int MostPatterns = 8;

    private static readonly Comparer<byte[]> KeyOrder = Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b));

    private int AddObject(SchemaForm form)
    {
        var members = new List<(string Name, bool IsRequired, int Rule)>();
        foreach (string name in NamesOf(form))
        {
            bool required = form.Required.Contains(name);
            SchemaNode[] schemas = MemberSchemas(form, name);
            if (schemas.Any(node => node.IsFalse) || !IsNameAllowed(form, name))
            {
                if (required) return 0;
                members.Add((name, false, 0)); // so that no free key is it
                continue;
            }
            members.Add((name, required, RuleOf(schemas)));
        }
        if (form.MinMembers > form.MaxMembers || form.Required.Count > form.MaxMembers) return 0;
        (Dfa? keys, List<int> kinds) = FreeKeys(form);
        return AddMembers(members, keys, kinds, form.MinMembers, form.MaxMembers);
    }

    /// <summary>The schemas of a member.</summary>
    private SchemaNode[] MemberSchemas(SchemaForm form, string name)
    {
        var schemas = new List<SchemaNode>();
        foreach (SchemaNode node in form.Nodes)
        {
            _budget.Spend(20);
            bool isNamed = node.TryGetMember(name, out JsonElement named);
            if (isNamed) schemas.Add(_document.Child(node, named, "properties", name));
            if (node.TryGet("patternProperties", out JsonElement patterns) && patterns.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty pattern in patterns.EnumerateObject())
                {
                    if (!_validator.Matches(pattern.Name, name)) continue;
                    isNamed = true;
                    schemas.Add(_document.Child(node, pattern.Value, "patternProperties", pattern.Name));
                }
            }
            if (!isNamed && node.TryGet("additionalProperties", out JsonElement others))
                schemas.Add(_document.Child(node, others, "additionalProperties"));
        }
        return [.. schemas];
    }

    private IEnumerable<string> NamesOf(SchemaForm form)
    {
        var names = new List<string>();
        foreach (SchemaNode node in form.Nodes)
        {
            if (!node.TryGet("properties", out JsonElement properties)) continue;
            if (properties.ValueKind != JsonValueKind.Object) throw node.Wrong("properties", "must be an object");
            names.AddRange(properties.EnumerateObject().Select(property => property.Name));
        }
        // Names that only a constant of propertyNames gives are members, too: there are finitely many.
        foreach (SchemaForm name in form.MemberNames.Count == 0 ? [] : _reader.Read(form.MemberNames))
            names.AddRange((name.Constants ?? []).Where(constant => constant.ValueKind == JsonValueKind.String)
                .Select(constant => constant.GetString()!));
        _budget.Spend(names.Count);
        return names.Concat(form.Required).Distinct();
    }

    private bool IsNameAllowed(SchemaForm form, string name)
    {
        if (form.MemberNames.Count == 0) return true;
        using JsonDocument text = JsonDocument.Parse(JsonText.Quoted(name));
        return form.MemberNames.TrueForAll(node => _validator.IsValid(node, text.RootElement));
    }

    /// <summary>The keys, with their quotes, that no name is needed for; null: none. By kind: the rule of their values.</summary>
    private (Dfa? Keys, List<int> Kinds) FreeKeys(SchemaForm form)
    {
        var patterns = new List<(SchemaNode Node, string Pattern, JsonElement Schema)>();
        foreach (SchemaNode node in form.Nodes)
        {
            if (!node.TryGet("patternProperties", out JsonElement list)) continue;
            if (list.ValueKind != JsonValueKind.Object) throw node.Wrong("patternProperties", "must be an object");
            patterns.AddRange(list.EnumerateObject().Select(property => (node, property.Name, property.Value)));
        }
        if (patterns.Count > MostPatterns)
            throw form.Nodes[0].Wrong("patternProperties", $"more than {MostPatterns} patterns are not supported");
        Dfa? allowed = AllowedKeys(form);
        if (allowed is null) return (null, []);
        if (patterns.Count == 0)
        {
            SchemaNode[] schemas = SchemasOf(0);
            return schemas.Any(node => node.IsFalse) ? (null, [])
                : (form.MemberNames.Count == 0 ? _quotedAnyKey ??= PatternDfa.Quoted(allowed, _budget)
                    : PatternDfa.Quoted(allowed, _budget), [RuleOf(schemas)]);
        }
        Dfa[] each =
            [.. patterns.Select(pattern =>
                PatternDfa.Of(PatternDfa.Somewhere(RegexParser.Parse(pattern.Pattern, _budget)), TextForm.Json, _budget))];
        var kinds = new List<int>();
        Dfa? keys = new KeyProduct(allowed, each, _budget).Make(matched =>
        {
            SchemaNode[] schemas = SchemasOf(matched);
            // no value at all, as of two patterns that contradict each other
            if (schemas.Any(node => node.IsFalse) || _reader.Read(schemas).Count == 0) return -1;
            int rule = RuleOf(schemas);
            if (!kinds.Contains(rule)) kinds.Add(rule);
            return kinds.IndexOf(rule);
        }, out int[] kindOf);
        _kindOf = kindOf;
        return keys is null ? (null, []) : (keys, kinds);

        SchemaNode[] SchemasOf(int matched)
        {
            var schemas = new List<SchemaNode>();
            foreach (SchemaNode node in form.Nodes)
            {
                bool isNamed = false;
                for (int i = 0; i < patterns.Count; i++)
                {
                    if (patterns[i].Node != node || (matched >> i & 1) == 0) continue;
                    isNamed = true;
                    schemas.Add(_document.Child(node, patterns[i].Schema, "patternProperties", patterns[i].Pattern));
                }
                if (!isNamed && node.TryGet("additionalProperties", out JsonElement others))
                    schemas.Add(_document.Child(node, others, "additionalProperties"));
            }
            return [.. schemas];
        }
    }

    /// <summary>Names that `propertyNames` allows, without quotes; null: constants only, or none.</summary>
    private Dfa? AllowedKeys(SchemaForm form)
    {
        _anyKey ??= PatternDfa.Of(new SetNode(CharacterSet.All).Star(), TextForm.Json, _budget);
        if (form.MemberNames.Count == 0) return _anyKey;
        SchemaForm[] names =
            [.. _reader.Read(form.MemberNames).Where(name => name.Types.HasFlag(JsonTypes.String) && name.Constants is null)];
        if (names.Length == 0) return null;
        if (names.Length > 1) throw form.MemberNames[0].Wrong("", "alternatives are not supported here");
        return IsEmpty(Content(names[0])) ? null : Content(names[0]);
    }

    /// <summary>Accepting state of the free keys' automaton -> kind; null: all are of kind 0.</summary>
    private int[]? _kindOf;

    /// <summary>An object.</summary>
    /// <param name="members">Named members and the rules of their values.</param>
    /// <param name="freeKeys">Other keys, with their quotes.</param>
    /// <param name="kinds">The rules of their values.</param>
    private int AddMembers(List<(string Name, bool IsRequired, int Rule)> members, Dfa? freeKeys, List<int> kinds, int min, int max)
    {
        int[]? kindOf = _kindOf;
        _kindOf = null;
        if (freeKeys is null && min > members.Count) return 0;
        var set = new MemberSet(_builder.Sets.Count) { Min = min, Max = freeKeys is null ? Math.Min(max, members.Count) : max };
        _builder.Sets.Add(set);
        (int start, int after) = AddSetStates(set, '{', '}');
        foreach ((string name, bool required, int rule) in members)
            set.Members.Add(new Member(JsonText.Quoted(name), required, Value(rule)));
        set.Members.Sort((a, b) => KeyOrder.Compare(a.Key, b.Key));
        set.Free.AddRange(kinds.Select(Value));
        AddKeys(set, freeKeys, kindOf ?? [], freeKeys == _quotedAnyKey);
        return start;

        int Value(int rule)
        {
            int colon = _builder.AddState(Role.MemberValue, set.Number), value = _builder.AddState(Role.MemberValue, set.Number);
            _builder.On(colon, ':', value);
            _builder.AddCall(value, rule, after);
            _builder.AddCall(AfterSpace(value, Role.MemberValue, set.Number), rule, after);
            return colon;
        }
    }

    /// <summary>The states between members. Gives the start and the state after a member.</summary>
    private (int Start, int After) AddSetStates(MemberSet set, char open, char close)
    {
        int number = set.Number, done = _builder.Done;
        int start = _builder.AddState(), first = _builder.AddState(Role.FirstMember, number),
            after = _builder.AddState(Role.AfterMember, number);
        int next = _builder.AddState(Role.NextMember, number);
        set.KeyReturn = _builder.AddState(Role.KeyReturn, number);
        _builder.On(start, open, first, Act.Open);
        int firstSpaced = AfterSpace(first, Role.FirstMember, number), afterSpaced = AfterSpace(after, Role.AfterMember, number);
        foreach (int state in (ReadOnlySpan<int>)[first, firstSpaced, after, afterSpaced]) _builder.On(state, close, done, Act.Close);
        _builder.On(after, ',', next, Act.More);
        _builder.On(afterSpaced, ',', next, Act.More);
        set.BeforeKey = [first, firstSpaced, next, AfterSpace(next, Role.NextMember, number)];
        return (start, after);
    }

    /// <summary>The states of a set's keys: a tree of those of its members, with what free keys there are beside.</summary>
    /// <param name="kindOf">State of the free keys' automaton -> kind, or empty where there is one kind.</param>
    /// <param name="isAny">Whether the free keys are all texts.</param>
    private void AddKeys(MemberSet set, Dfa? freeKeys, int[] kindOf, bool isAny)
    {
        var tree = new KeyTree(set, freeKeys, _budget);
        int first = 0;
        for (int i = 0; i < tree.States.Count; i++)
        {
            int state = _builder.AddRow(tree.Map, tree.Classes, Role.Key, set.Number);
            if (i == 0) first = state;
        }
        for (int i = 0; i < tree.States.Count; i++)
        {
            KeyTree.State state = tree.States[i];
            foreach ((int c, int to) in tree.Cells(i))
                _builder.SetCell(first + i, c, first + to, state.From == state.To ? Act.FreeKey : Act.Key);
            if (isAny && state.Free > 0 && freeKeys!.Accepts(freeKeys.Step(state.Free, (byte)'"'))) _builder.MarkText(first + i);
            int label = state.Member >= 0 ? state.Member : state.Free > 0 && freeKeys!.Accepts(state.Free)
                ? set.Members.Count + (kindOf.Length > 0 ? kindOf[state.Free] : 0) : -1;
            if (label >= 0) _builder.Label(first + i, label);
            set.Depth.Add(state.Depth);
            set.Reach.Add((state.From, state.To));
        }
        set.FreeCounts.AddRange(tree.FreeCounts(MemberSet.MostFreeBytes));
        set.FirstKeyState = set.KeyStart = first;
        foreach (int state in set.BeforeKey) _builder.AddCall(state, first, set.KeyReturn, isKey: true);
    }
}
