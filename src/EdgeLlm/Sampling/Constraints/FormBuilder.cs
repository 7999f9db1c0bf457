using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>Puts a form together: nodes of texts and patterns, in which schemas and grammars are called like rules.</summary>
internal sealed class FormBuilder(AutomatonBuilder builder)
{
    private readonly List<int> _starts = [];
    private readonly Dictionary<string, GrammarNode> _schemas = [];

    /// <summary>JSON of a schema; one for all that have the same text.</summary>
    public GrammarNode Schema(JsonElement schema)
    {
        string text = schema.GetRawText();
        if (!_schemas.TryGetValue(text, out GrammarNode? node))
            _schemas[text] = node = Call(new SchemaCompiler(schema.Clone(), builder).Compile());
        return node;
    }

    /// <summary>A text of a Lark grammar.</summary>
    public GrammarNode Lark(string grammar, TextForm form) =>
        Call(new GrammarCompiler(LarkParser.Parse(grammar, builder.Budget), builder, form).Compile());

    /// <summary>A text that a regular expression matches as a whole.</summary>
    public GrammarNode Regex(string pattern, TextForm form) =>
        Call(builder.AddDfa(PatternDfa.Of(RegexParser.Parse(pattern, builder.Budget), form, builder.Budget)) + 1);

    /// <summary>A pattern without anchors, as a part of its surroundings.</summary>
    public GrammarNode Pattern(string pattern) => RegexParser.Parse(pattern, builder.Budget);

    /// <summary>A node as a rule: what comes several times is compiled once.</summary>
    public GrammarNode Rule(GrammarNode node) => Call(Compile(node));

    /// <summary>Closes the automaton of a node.</summary>
    public Automaton Finish(GrammarNode node, int mostLevels) => builder.Finish(Compile(node), mostLevels);

    private int Compile(GrammarNode node)
    {
        var nfa = new Nfa(builder.Budget);
        nfa.Accept = nfa.Add(node, 0, TextForm.Plain, AddCall);
        var dfa = Dfa.Of(nfa, builder.Budget);
        dfa.Trim(builder.Budget);
        return builder.AddDfa(dfa, rule => _starts[rule]) + 1;

        int AddCall(int rule, int from)
        {
            int to = nfa.AddState();
            nfa.AddEdge(from, Nfa.Kind.Call, to, rule);
            if (builder.IsAccepting(_starts[rule])) nfa.AddEdge(from, Nfa.Kind.Free, to);
            return to;
        }
    }

    private RuleNode Call(int start)
    {
        _starts.Add(start);
        return new RuleNode(_starts.Count - 1);
    }
}
