using System.Buffers;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>How characters become bytes.</summary>
internal enum TextForm
{
    /// <summary>UTF-8.</summary>
    Plain,

    /// <summary>
    /// UTF-8 within a JSON string: quotes, backslashes and control characters as their shortest escape, all else as it is.
    /// </summary>
    Json,
}

/// <summary>A nondeterministic automaton over bytes and calls of rules (Thompson's construction). State 0 is the start.</summary>
internal sealed class Nfa(CompileBudget budget)
{
    private readonly List<Edge> _edges = [];
    private readonly List<int> _first = [-1];     // state -> its first edge that takes a byte or a rule
    private readonly List<int> _firstFree = [-1]; // state -> its first other edge

    /// <summary>Kinds of edges that take no byte.</summary>
    public enum Kind : byte { Bytes, Free, Call, AtStart, AtEnd }

    /// <param name="Kind">What it takes.</param>
    /// <param name="Low">The lowest byte, or the rule.</param>
    /// <param name="High">The highest byte.</param>
    /// <param name="To">The next state.</param>
    /// <param name="Next">The next edge of its state, or -1.</param>
    public readonly record struct Edge(Kind Kind, int Low, int High, int To, int Next);

    public int Count => _first.Count;

    /// <summary>The only accepting state.</summary>
    public int Accept { get; set; }

    public Edge this[int edge] => _edges[edge];

    /// <summary>The first edge of a state that takes a byte or a rule, or -1.</summary>
    public int FirstEdge(int state) => _first[state];

    /// <summary>The first edge of a state that takes nothing, or -1.</summary>
    public int FirstFree(int state) => _firstFree[state];

    public int AddState()
    {
        budget.Spend(3);
        CompileBudget.CheckStates(_first.Count);
        _first.Add(-1);
        _firstFree.Add(-1);
        return _first.Count - 1;
    }

    public void AddEdge(int from, Kind kind, int to, int low = 0, int high = 0)
    {
        budget.Spend(3);
        List<int> first = kind is Kind.Bytes or Kind.Call ? _first : _firstFree;
        _edges.Add(new Edge(kind, low, high, to, first[from]));
        first[from] = _edges.Count - 1;
    }

    /// <summary>Adds a node after a state; gives the state after it.</summary>
    /// <param name="form">How its characters become bytes.</param>
    /// <param name="rule">Adds a call, or the rule itself, between two states.</param>
    public int Add(GrammarNode node, int from, TextForm form, Func<int, int, int>? rule = null, int depth = 0)
    {
        CompileBudget.CheckDepth(depth);
        int to;
        switch (node)
        {
            case SetNode set:
                to = AddState();
                AddSet(set.Set, from, to, form);
                return to;
            case SequenceNode sequence:
                foreach (GrammarNode item in sequence.Items) from = Add(item, from, form, rule, depth + 1);
                return from;
            case ChoiceNode choice:
                to = AddState();
                foreach (GrammarNode item in choice.Items)
                {
                    int start = AddState();
                    AddEdge(from, Kind.Free, start);
                    AddEdge(Add(item, start, form, rule, depth + 1), Kind.Free, to);
                }
                return to;
            case RepeatNode repeat:
                return AddRepeat(repeat, from, form, rule, depth);
            case RuleNode call:
                return rule is not null ? rule(call.Rule, from) : throw new InvalidOperationException("a pattern has no rules");
            case UntilNode until:
                return AddUntil(until.End, from);
            case AnchorNode anchor:
                to = AddState();
                AddEdge(from, anchor.IsStart ? Kind.AtStart : Kind.AtEnd, to);
                return to;
            default:
                throw new InvalidOperationException(node.GetType().Name);
        }
    }

    /// <summary>Knuth, Morris and Pratt's automaton: state i has read the first i characters of the end.</summary>
    private int AddUntil(string end, int from)
    {
        int[] text = [.. end.EnumerateRunes().Select(rune => rune.Value)];
        int[] states = [.. Enumerable.Range(0, text.Length + 1).Select(_ => AddState())];
        AddEdge(from, Kind.Free, states[0]);
        int[] known = [.. text.Distinct()];
        CharacterSet others = CharacterSet.Of(known.Select(c => (c, c))).Negate();
        for (int i = 0; i < text.Length; i++)
        {
            AddSet(others, states[i], states[0], TextForm.Plain);
            foreach (int c in known)
            {
                int[] read = [.. text.Take(i), c];
                int next = Math.Min(read.Length, text.Length);
                while (!read.AsSpan(read.Length - next).SequenceEqual(text.AsSpan(0, next))) next--;
                AddSet(CharacterSet.Of((c, c)), states[i], states[next], TextForm.Plain);
            }
        }
        return states[^1];
    }

    private int AddRepeat(RepeatNode repeat, int from, TextForm form, Func<int, int, int>? rule, int depth)
    {
        for (int i = 0; i < repeat.Min; i++) from = Add(repeat.Item, from, form, rule, depth + 1);
        int to = AddState();
        if (repeat.Max == RepeatNode.NoLimit)
        {
            AddEdge(from, Kind.Free, to);
            int start = AddState();
            AddEdge(to, Kind.Free, start);
            AddEdge(Add(repeat.Item, start, form, rule, depth + 1), Kind.Free, to);
            return to;
        }
        AddEdge(from, Kind.Free, to);
        for (int i = repeat.Min; i < repeat.Max; i++)
        {
            int start = AddState();
            AddEdge(from, Kind.Free, start);
            from = Add(repeat.Item, start, form, rule, depth + 1);
            AddEdge(from, Kind.Free, to);
        }
        return to;
    }

    private void AddSet(CharacterSet set, int from, int to, TextForm form)
    {
        foreach ((int low, int high) in set.Ranges)
        {
            if (form == TextForm.Plain)
            {
                AddRange(low, high, from, to);
                continue;
            }
            for (int c = low; c <= Math.Min(high, '\\'); c++)
            {
                if (c < ' ' || c is '"' or '\\') AddEscape((byte)c, from, to);
            }
            foreach ((int first, int last) in (ReadOnlySpan<(int, int)>)[(' ', '!'), ('#', '['), (']', 0x10FFFF)])
            {
                if (low <= last && high >= first) AddRange(Math.Max(low, first), Math.Min(high, last), from, to);
            }
        }
    }

    private void AddRange(int low, int high, int from, int to)
    {
        foreach ((byte Low, byte High)[] path in CharacterSet.Utf8(low, high))
        {
            int at = from;
            for (int i = 0; i < path.Length; i++)
            {
                int next = i == path.Length - 1 ? to : AddState();
                AddEdge(at, Kind.Bytes, next, path[i].Low, path[i].High);
                at = next;
            }
        }
    }

    private void AddEscape(byte c, int from, int to)
    {
        var escaped = new ArrayBufferWriter<byte>();
        JsonText.WriteEscaped(c, escaped);
        int at = from;
        for (int i = 0; i < escaped.WrittenCount; i++)
        {
            int next = i == escaped.WrittenCount - 1 ? to : AddState();
            AddEdge(at, Kind.Bytes, next, escaped.WrittenSpan[i], escaped.WrittenSpan[i]);
            at = next;
        }
    }
}
