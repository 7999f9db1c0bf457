namespace EdgeLlm.Sampling.Constraints;

/// <summary>Patterns as automata.</summary>
internal static class PatternDfa
{
    private static readonly GrammarNode Anything = new SetNode(CharacterSet.All).Star();

    /// <summary>The automaton of the texts that a pattern without rules matches as a whole.</summary>
    public static Dfa Of(GrammarNode pattern, TextForm form, CompileBudget budget)
    {
        var nfa = new Nfa(budget);
        nfa.Accept = nfa.Add(pattern, 0, form);
        var dfa = Dfa.Of(nfa, budget);
        dfa.Trim(budget);
        return dfa;
    }

    /// <summary>The automaton of a list of literals.</summary>
    public static Dfa OfLiterals(IEnumerable<byte[]> literals, CompileBudget budget)
    {
        var map = new byte[256];
        var cells = new List<Dictionary<byte, int>> { new(), new() };
        var accepts = new List<bool> { false, false };
        int classes = 1; // class 0: bytes of no literal
        foreach (byte[] literal in literals)
        {
            int at = 1;
            foreach (byte value in literal)
            {
                budget.Spend(4);
                if (map[value] == 0) map[value] = (byte)classes++;
                if (!cells[at].TryGetValue(map[value], out int next))
                {
                    CompileBudget.CheckStates(cells.Count);
                    cells[at][map[value]] = next = cells.Count;
                    cells.Add([]);
                    accepts.Add(false);
                }
                at = next;
            }
            accepts[at] = true;
        }
        return Dfa.Of(map, classes, cells.Count, (state, c) => cells[state].GetValueOrDefault((byte)c), state => accepts[state], budget);
    }

    /// <summary>A pattern that may begin and end anywhere in the text.</summary>
    public static GrammarNode Somewhere(GrammarNode pattern) => new SequenceNode([Anything, pattern, Anything]);

    /// <summary>Texts of a number of characters.</summary>
    public static Dfa OfLength(int min, int max, CompileBudget budget) =>
        Of(new RepeatNode(new SetNode(CharacterSet.All), min, max == Counter.NoLimit ? RepeatNode.NoLimit : max), TextForm.Json, budget);

    /// <summary>The automaton with a quote before and after its texts, which have some themselves after a backslash only.</summary>
    public static Dfa Quoted(Dfa content, CompileBudget budget)
    {
        byte[] map = [.. content.Map];
        int quote = content.Classes;
        if (quote > 255) throw new ConstraintException("it is too complex: its pattern tells too many bytes apart");
        int inner = map['"'];
        map['"'] = (byte)quote;
        // The content's states follow the new start; the end is the last.
        int states = content.Count + 2, end = states - 1;
        return Dfa.Of(map, quote + 1, states, (state, c) =>
        {
            if (state == 1) return c == quote ? 2 : 0;
            if (state == end) return 0;
            if (content.Next(state - 1, c == quote ? inner : c) is > 0 and var next) return next + 1;
            return c == quote && content.Accepts(state - 1) ? end : 0;
        }, state => state == end, budget);
    }
}
