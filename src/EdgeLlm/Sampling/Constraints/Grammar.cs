namespace EdgeLlm.Sampling.Constraints;

/// <summary>Rules by number, and the one that a text starts from.</summary>
internal sealed class Grammar
{
    private readonly Dictionary<string, int> _numbers = [];

    public List<string> Names { get; } = [];

    /// <summary>Rule -> what it consists of; null: it is only spoken of.</summary>
    public List<GrammarNode?> Rules { get; } = [];

    public int Root { get; set; }

    /// <summary>The number of a rule, defined or not yet.</summary>
    public int NumberOf(string name)
    {
        if (_numbers.TryGetValue(name, out int number)) return number;
        _numbers[name] = number = Rules.Count;
        Names.Add(name);
        Rules.Add(null);
        return number;
    }

    /// <summary>A rule without a name.</summary>
    public int Add(GrammarNode node)
    {
        Names.Add("");
        Rules.Add(node);
        return Rules.Count - 1;
    }

    /// <summary>Checks that all rules are defined, and takes the start.</summary>
    /// <exception cref="ConstraintException">One is not.</exception>
    public Grammar From(string root)
    {
        if (!_numbers.TryGetValue(root, out int start) || Rules[start] is null)
            throw new ConstraintException($"the grammar has no rule '{root}', from which it starts");
        int missing = Rules.FindIndex(rule => rule is null);
        if (missing >= 0) throw new ConstraintException($"the grammar has no rule '{Names[missing]}'");
        Root = start;
        return this;
    }
}

/// <summary>
/// Grammars as states: rules that do not call themselves become parts of their callers where that stays small; each other one is an
/// automaton that calls.
/// </summary>
/// <param name="form">How the texts' characters become bytes.</param>
internal sealed class GrammarCompiler(Grammar grammar, AutomatonBuilder builder, TextForm form = TextForm.Plain)
{
    /// <summary>Nodes of a rule, with those that it takes in, up to which it becomes a part of its callers.</summary>
    private const int MostInlined = 400;

    private readonly CompileBudget _budget = builder.Budget;

    /// <summary>Compiles the grammar; gives its start.</summary>
    /// <exception cref="ConstraintException">It is too complex.</exception>
    public int Compile()
    {
        int count = grammar.Rules.Count;
        for (int i = 0; i < count; i++) grammar.Rules[i] = WithoutLeftRecursion(i, grammar.Rules[i]!);
        bool[] isNullable = Nullable();
        bool[] isCalled = Called();
        isCalled[grammar.Root] = true;
        var entries = new int[count];
        for (int i = 0; i < count; i++) entries[i] = isCalled[i] ? builder.AddState() : 0;
        for (int i = 0; i < count; i++)
        {
            if (!isCalled[i]) continue;
            var nfa = new Nfa(_budget);
            nfa.Accept = nfa.Add(grammar.Rules[i]!, 0, form, Call);
            var dfa = Dfa.Of(nfa, _budget);
            dfa.Trim(_budget);
            int start = builder.AddDfa(dfa, rule => entries[rule]) + 1;
            builder.AddCall(entries[i], start, builder.Done);
            if (isNullable[i]) builder.Accept(entries[i]);

            int Call(int rule, int from)
            {
                if (!isCalled[rule]) return nfa.Add(grammar.Rules[rule]!, from, form, Call);
                int to = nfa.AddState();
                nfa.AddEdge(from, Nfa.Kind.Call, to, rule);
                if (isNullable[rule]) nfa.AddEdge(from, Nfa.Kind.Free, to);
                return to;
            }
        }
        return entries[grammar.Root];
    }

    /// <summary>a ::= a x | y as a ::= y x*.</summary>
    private static GrammarNode WithoutLeftRecursion(int rule, GrammarNode node)
    {
        IReadOnlyList<GrammarNode> choices = node is ChoiceNode choice ? choice.Items : [node];
        if (!choices.Any(item => BeginsWithItself(item))) return node;
        GrammarNode[] rests =
            [.. choices.Where(BeginsWithItself).OfType<SequenceNode>().Select(item => GrammarNode.Join([.. item.Items.Skip(1)]))];
        GrammarNode[] starts = [.. choices.Where(item => !BeginsWithItself(item))];
        return rests.Length == 0 ? GrammarNode.Either(starts)
            : GrammarNode.Join([GrammarNode.Either(starts), GrammarNode.Either(rests).Star()]);

        bool BeginsWithItself(GrammarNode item) =>
            item is RuleNode self ? self.Rule == rule : item is SequenceNode { Items: [RuleNode first, ..] } && first.Rule == rule;
    }

    private bool[] Nullable()
    {
        var isNullable = new bool[grammar.Rules.Count];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = 0; i < isNullable.Length; i++)
            {
                if (isNullable[i] || !Of(grammar.Rules[i]!)) continue;
                isNullable[i] = changed = true;
            }
        }
        return isNullable;

        bool Of(GrammarNode node)
        {
            _budget.Spend(1);
            return node switch
            {
                SequenceNode sequence => sequence.Items.All(Of),
                ChoiceNode choice => choice.Items.Any(Of),
                RepeatNode repeat => repeat.Min == 0 || Of(repeat.Item),
                RuleNode rule => isNullable[rule.Rule],
                AnchorNode => true,
                _ => false,
            };
        }
    }

    /// <summary>Whether a rule keeps its own automaton: it comes back to itself, or is large.</summary>
    private bool[] Called()
    {
        var isCalled = new bool[grammar.Rules.Count];
        var sizes = new int[grammar.Rules.Count]; // 0: not visited, -1: on the way
        for (int i = 0; i < sizes.Length; i++) SizeOfRule(i, 0);
        return isCalled;

        int SizeOfRule(int rule, int depth)
        {
            if (sizes[rule] < 0) isCalled[rule] = true;
            if (sizes[rule] != 0) return Math.Max(1, isCalled[rule] ? 1 : sizes[rule]);
            CompileBudget.CheckDepth(depth);
            sizes[rule] = -1;
            long size = SizeOf(grammar.Rules[rule]!, depth + 1);
            sizes[rule] = (int)Math.Clamp(size, 1, int.MaxValue);
            if (size > MostInlined) isCalled[rule] = true;
            return isCalled[rule] ? 1 : sizes[rule];
        }

        long SizeOf(GrammarNode node, int depth)
        {
            _budget.Spend(1);
            return Math.Min(int.MaxValue, node switch
            {
                SetNode set => 1 + set.Set.Ranges.Length,
                SequenceNode sequence => 1 + sequence.Items.Sum(item => SizeOf(item, depth)),
                ChoiceNode choice => 1 + choice.Items.Sum(item => SizeOf(item, depth)),
                RepeatNode repeat => 1 + SizeOf(repeat.Item, depth) * Math.Max(1, Math.Max(repeat.Min, repeat.Max)),
                RuleNode rule => SizeOfRule(rule.Rule, depth + 1),
                _ => 1,
            });
        }
    }
}
