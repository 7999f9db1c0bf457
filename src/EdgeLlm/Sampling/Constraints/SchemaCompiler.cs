using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// JSON Schema as states. A rule is made for each set of subschemas that hold together of one value, once, so that schemas may be
/// recursive.
/// </summary>
internal sealed partial class SchemaCompiler
{
    /// <summary>White space in one place: nothing, a space, or a line break and up to a given number of spaces or tabs.</summary>
    private const int MostIndent = 20;

    private const int MostComparedText = 500;

    private readonly SchemaDocument _document;
    private readonly AutomatonBuilder _builder;
    private readonly CompileBudget _budget;
    private readonly SchemaReader _reader;
    private readonly SchemaValidator _validator;
    private readonly Dictionary<string, int> _rules = [];
    private readonly Queue<(SchemaNode[] Nodes, int Start)> _todo = new();
    private readonly Dictionary<(int, int), int> _texts = [];
    private readonly Dictionary<string, int> _numbers = [];
    private readonly Dictionary<string, int> _patterns = [];
    private readonly Dictionary<string, int> _sameTexts = []; // a subschema's text -> its first number
    private readonly int _space;
    private readonly int _scalars;
    private Dfa? _anyKey;
    private Dfa? _quotedAnyKey;

    public SchemaCompiler(JsonElement schema, AutomatonBuilder builder)
    {
        _builder = builder;
        _budget = builder.Budget;
        _document = new SchemaDocument(schema, _budget);
        _reader = new SchemaReader(_document, _budget, AreDisjoint);
        _validator = new SchemaValidator(_document, _budget);
        _space = AddSpace();
        _scalars = builder.AddDfa(
            PatternDfa.Of(GrammarNode.Either([GrammarNode.Text("true"), GrammarNode.Text("false")]), TextForm.Plain, _budget)) + 1;
        Null = builder.AddDfa(PatternDfa.Of(GrammarNode.Text("null"), TextForm.Plain, _budget)) + 1;
    }

    private int Null { get; }

    /// <summary>Compiles the whole; gives its start.</summary>
    /// <exception cref="ConstraintException">A keyword is wrong, not supported or too complex; the message names its place.</exception>
    public int Compile()
    {
        int root = RuleOf([_document.Root]);
        while (_todo.TryDequeue(out (SchemaNode[] Nodes, int Start) next)) Build(next.Nodes, next.Start);
        return root;
    }

    /// <summary>The start of the rule for schemas that hold together; made later.</summary>
    private int RuleOf(IEnumerable<SchemaNode> nodes)
    {
        SchemaNode[] all = [.. nodes.Where(node => !node.IsTrue).DistinctBy(node => node.Id).OrderBy(node => node.Id)];
        string key = string.Join(',', all.Select(NumberOf));
        if (_rules.TryGetValue(key, out int start)) return start;
        _rules[key] = start = _builder.AddState();
        _todo.Enqueue((all, start));
        return start;
    }

    /// <summary>One number for subschemas with one text: references are all from the root.</summary>
    private int NumberOf(SchemaNode node)
    {
        string text = node.Schema.GetRawText();
        if (text.Length > MostComparedText) return node.Id;
        return _sameTexts.TryGetValue(text, out int number) ? number : _sameTexts[text] = node.Id;
    }

    private void Build(SchemaNode[] nodes, int start)
    {
        foreach (SchemaForm form in _reader.Read(nodes))
        {
            if (form.Constants is { } constants)
            {
                AddConstants(start, constants);
                continue;
            }
            if (form.Types.HasFlag(JsonTypes.Null)) Alternative(start, Null);
            if (form.Types.HasFlag(JsonTypes.Boolean)) Alternative(start, _scalars);
            if (form.Types.HasFlag(JsonTypes.Number)) Alternative(start, Number(form));
            if (form.Types.HasFlag(JsonTypes.String)) Alternative(start, Text(form));
            if (form.Types.HasFlag(JsonTypes.Array)) Alternative(start, AddArray(form));
            if (form.Types.HasFlag(JsonTypes.Object)) Alternative(start, AddObject(form));
        }
    }

    private int Number(SchemaForm form)
    {
        string key = $"{form.IsInteger} {form.Min} {form.Max} {string.Join(',', form.Multiples)}";
        if (_numbers.TryGetValue(key, out int start)) return start;
        Dfa dfa = NumberPattern.Of(form, _budget);
        return _numbers[key] = IsEmpty(dfa) ? 0 : _builder.AddDfa(dfa) + 1;
    }

    private void Alternative(int start, int rule)
    {
        if (rule > 0) _builder.AddCall(start, rule, _builder.Done);
    }

    private int AddSpace()
    {
        int start = _builder.AddState(), indent = _builder.AddState(Role.Counter, _builder.AddCounter(0, MostIndent, 0));
        _builder.On(start, ' ', _builder.Done);
        _builder.On(start, '\n', indent);
        _builder.On(indent, ' ', indent, Act.Count);
        _builder.On(indent, '\t', indent, Act.Count);
        _builder.Accept(indent);
        return start;
    }

    /// <summary>A state like another, which may come after white space; and the white space.</summary>
    private int AfterSpace(int state, Role role, int owner)
    {
        int after = _builder.AddState(role, owner);
        _builder.AddCall(state, _space, after);
        return after;
    }

    /// <summary>Constants: scalars as one automaton, others each as the only value of its form.</summary>
    private void AddConstants(int start, List<JsonElement> constants)
    {
        var scalars = new List<byte[]>();
        foreach (JsonElement value in constants)
        {
            if (value.ValueKind is JsonValueKind.Object or JsonValueKind.Array) Alternative(start, Constant(value, 0));
            else scalars.Add(JsonText.Of(value));
        }
        if (scalars.Count > 0) Alternative(start, _builder.AddDfa(PatternDfa.OfLiterals(scalars, _budget)) + 1);
    }

    /// <summary>The rule of a constant; members may come in any order.</summary>
    private int Constant(JsonElement value, int depth)
    {
        CompileBudget.CheckDepth(depth);
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new List<(string, bool, int)>();
                foreach (JsonProperty property in value.EnumerateObject())
                    members.Add((property.Name, true, Constant(property.Value, depth + 1)));
                return AddMembers(members, null, [], 0, Counter.NoLimit);
            case JsonValueKind.Array:
                int[] items = [.. value.EnumerateArray().Select(item => Constant(item, depth + 1))];
                return AddItems(items, 0, items.Length, items.Length);
            default:
                return _builder.AddDfa(PatternDfa.OfLiterals([JsonText.Of(value)], _budget)) + 1;
        }
    }

    /// <summary>Whether no value satisfies both.</summary>
    private bool AreDisjoint(SchemaForm a, SchemaForm b) => AreDisjoint(a, b, 0);

    private bool AreDisjoint(SchemaForm a, SchemaForm b, int depth)
    {
        _budget.Spend(20);
        JsonTypes both = a.Types & b.Types;
        if (both == JsonTypes.None) return true;
        if (depth > 8) return false;
        if (a.Constants is { } constants)
            return constants.TrueForAll(value => !b.Nodes.TrueForAll(node => _validator.IsValid(node, value)));
        if (b.Constants is not null) return AreDisjoint(b, a, depth);
        if (both.HasFlag(JsonTypes.Null) || both.HasFlag(JsonTypes.Boolean)) return false;
        if (both.HasFlag(JsonTypes.Number) && !IsEmpty(Dfa.Intersect(NumberPattern.Of(a, _budget), NumberPattern.Of(b, _budget), _budget)))
            return false;
        if (both.HasFlag(JsonTypes.String) && !IsEmpty(Dfa.Intersect(Content(a), Content(b), _budget))) return false;
        if (both.HasFlag(JsonTypes.Array) && a.MinItems <= b.MaxItems && b.MinItems <= a.MaxItems) return false;
        return !both.HasFlag(JsonTypes.Object) || a.MinMembers > b.MaxMembers || b.MinMembers > a.MaxMembers
            || a.Required.Concat(b.Required)
                .Any(name => (a.Required.Contains(name) || b.Required.Contains(name)) && MembersDiffer(a, b, name, depth));
    }

    private static bool IsEmpty(Dfa dfa) =>
        dfa.Count < 2 || (!dfa.Accepts(1) && Enumerable.Range(0, dfa.Classes).All(c => dfa.Next(1, c) == 0));

    /// <summary>Whether a member that one of two forms requires can't be the same in both.</summary>
    private bool MembersDiffer(SchemaForm a, SchemaForm b, string name, int depth)
    {
        List<SchemaForm> inA = _reader.Read(MemberSchemas(a, name)), inB = _reader.Read(MemberSchemas(b, name));
        return inA.TrueForAll(x => inB.TrueForAll(y => AreDisjoint(x, y, depth + 1)));
    }
}
