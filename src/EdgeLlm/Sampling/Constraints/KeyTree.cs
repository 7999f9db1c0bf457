namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// The keys of a set as states: the tree of its members' keys, each node together with the state of the free keys' automaton, and that
/// automaton's states alone.
/// </summary>
internal sealed class KeyTree
{
    private const int Enough = 1 << 20; // free keys, more than any answer has

    private readonly MemberSet _set;
    private readonly Dfa? _free;
    private readonly CompileBudget _budget;
    private readonly Dictionary<int, int> _alone = []; // state of the automaton -> state
    private readonly List<List<(byte Value, int To)>> _children = [];
    private readonly List<byte> _bytes = []; // class -> one of its bytes
    private readonly List<int> _sizes = [];  // class -> number of its bytes

    public KeyTree(MemberSet set, Dfa? free, CompileBudget budget)
    {
        _set = set;
        _free = free;
        _budget = budget;
        FindClasses();
        Grow(0, set.Members.Count, 0, free is null ? 0 : 1);
        if (free is null) return;
        for (int i = 0; i < States.Count; i++)
        {
            if (States[i].Free == 0) continue;
            budget.Spend(_bytes.Count);
            for (int c = 0; c < _bytes.Count; c++)
            {
                if (free.Step(States[i].Free, _bytes[c]) is > 0 and var next && ChildOf(i, c) < 0) Alone(next);
            }
        }
    }

    /// <param name="From">The first member that it may become.</param>
    /// <param name="To">After the last.</param>
    /// <param name="Depth">Bytes so far, of those that a member has.</param>
    /// <param name="Free">State of the free keys' automaton, or 0.</param>
    /// <param name="Member">The member whose key ends here, or -1.</param>
    public readonly record struct State(int From, int To, int Depth, int Free, int Member);

    public List<State> States { get; } = [];

    /// <summary>Byte -> class: bytes that are not told apart.</summary>
    public byte[] Map { get; } = new byte[256];

    public int Classes => _bytes.Count;

    /// <summary>Next state for each class of bytes.</summary>
    public IEnumerable<(int Class, int To)> Cells(int state)
    {
        for (int c = 0; c < _bytes.Count; c++)
        {
            int child = ChildOf(state, c);
            if (child >= 0) yield return (c, child);
            else if (States[state].Free != 0 && _free!.Step(States[state].Free, _bytes[c]) is > 0 and var next)
                yield return (c, _alone[next]);
        }
    }

    /// <summary>By state: how many free keys end within 0, 1, 2 ... more bytes; null: none do.</summary>
    public List<int[]?> FreeCounts(int mostBytes)
    {
        var counts = new List<List<int>>();
        if (_free is null) return [.. States.Select(int[]? (_) => null)];
        foreach (State state in States) counts.Add([IsFreeEnd(state) ? 1 : 0]);
        var cells = States.Select((_, i) => Cells(i).ToArray()).ToArray();
        for (int bytes = 1; bytes <= mostBytes; bytes++)
        {
            bool isDone = true;
            for (int i = 0; i < States.Count; i++)
            {
                long sum = counts[i][0];
                _budget.Spend(cells[i].Length);
                foreach ((int c, int to) in cells[i]) sum += (long)_sizes[c] * counts[to][bytes - 1];
                counts[i].Add((int)Math.Min(Enough, sum));
                isDone &= counts[i][bytes] >= Enough || cells[i].Length == 0;
            }
            if (isDone) break;
        }
        return [.. counts.Select(int[]? (list) => list[^1] == 0 ? null : [.. list])];
    }

    /// <summary>The node of the members' tree that a byte leads to, or -1.</summary>
    private int ChildOf(int state, int byteClass)
    {
        foreach ((byte value, int to) in _children[state])
        {
            if (value == _bytes[byteClass]) return to;
        }
        return -1;
    }

    private void FindClasses()
    {
        var numbers = new Dictionary<(int, int), byte>();
        var own = new bool[256];
        foreach (Member member in _set.Members)
        {
            foreach (byte value in member.Key) own[value] = true;
        }
        for (int value = 0; value < 256; value++)
        {
            (int, int) kind = own[value] ? (-1, value) : (_free?.Map[value] ?? 0, -1);
            if (!numbers.TryGetValue(kind, out byte number))
            {
                numbers[kind] = number = (byte)numbers.Count;
                _bytes.Add((byte)value);
                _sizes.Add(0);
            }
            Map[value] = number;
            _sizes[number]++;
        }
    }

    private bool IsFreeEnd(State state) => state.Member < 0 && state.Free > 0 && _free!.Accepts(state.Free);

    private int Grow(int from, int to, int depth, int free)
    {
        CompileBudget.CheckDepth(depth / 10);
        int number = States.Count, member = -1, next = from;
        if (from < to && _set.Members[from].Key.Length == depth) member = next++;
        States.Add(new State(from, to, depth, free, member));
        _children.Add([]);
        CompileBudget.CheckStates(States.Count);
        _budget.Spend(2);
        while (next < to)
        {
            byte value = _set.Members[next].Key[depth];
            int end = next;
            while (end < to && _set.Members[end].Key[depth] == value) end++;
            _budget.Spend(end - next);
            int child = Grow(next, end, depth + 1, free == 0 ? 0 : _free!.Step(free, value));
            _children[number].Add((value, child));
            next = end;
        }
        return number;
    }

    private void Alone(int free)
    {
        if (_alone.ContainsKey(free)) return;
        _alone[free] = States.Count;
        States.Add(new State(0, 0, 0, free, -1));
        _children.Add([]);
    }
}

/// <summary>The product of the allowed keys and of patterns, in which each accepting state knows which patterns matched.</summary>
internal sealed class KeyProduct(Dfa allowed, Dfa[] patterns, CompileBudget budget)
{
    /// <summary>Makes the automaton with quotes; null: it accepts nothing.</summary>
    /// <param name="kind">Matched patterns, as bits -> kind of key, or -1 where such keys are not allowed.</param>
    /// <param name="kindOf">State -> kind.</param>
    public Dfa? Make(Func<int, int> kind, out int[] kindOf)
    {
        byte[] map = new byte[256];
        var classes = new Dictionary<string, byte>();
        var representatives = new List<byte>();
        for (int value = 0; value < 256; value++)
        {
            string key = value == '"' ? "quote"
                : allowed.Map[value] + "," + string.Join(',', patterns.Select(pattern => pattern.Map[value]));
            if (!classes.TryGetValue(key, out byte number))
            {
                classes[key] = number = (byte)classes.Count;
                representatives.Add((byte)value);
            }
            map[value] = number;
        }
        int quote = map['"'];
        // State 1 waits for the first quote; then come the products; kinds have an end state each, after them.
        var numbers = new Dictionary<string, int>();
        var tuples = new List<int[]> { Array.Empty<int>(), Array.Empty<int>() };
        var cells = new List<int[]> { new int[classes.Count], new int[classes.Count] };
        var kinds = new List<int>();
        cells[1][quote] = Number([1, .. patterns.Select(_ => 1)]);
        for (int state = 2; state < tuples.Count; state++)
        {
            for (int c = 0; c < classes.Count; c++)
            {
                budget.Spend(2 * (patterns.Length + 1)); // with the text that finds a tuple
                int[] tuple = tuples[state];
                int next = allowed.Step(tuple[0], representatives[c]);
                if (c == quote && next == 0)
                {
                    if (!allowed.Accepts(tuple[0])) continue;
                    int matched = 0;
                    for (int i = 0; i < patterns.Length; i++) matched |= (patterns[i].Accepts(tuple[i + 1]) ? 1 : 0) << i;
                    if (kind(matched) is >= 0 and var found) cells[state][c] = -1 - KindNumber(found);
                    continue;
                }
                if (next != 0)
                    cells[state][c] = Number([next, .. patterns.Select((pattern, i) => pattern.Step(tuple[i + 1], representatives[c]))]);
            }
        }
        int ends = tuples.Count;
        var dfa = Dfa.Of(map, classes.Count, ends + kinds.Count,
            (state, c) => state >= ends ? 0 : cells[state][c] is < 0 and var end ? ends - 1 - end : cells[state][c],
            state => state >= ends, budget);
        kindOf = new int[ends + kinds.Count];
        for (int i = 0; i < kinds.Count; i++) kindOf[ends + i] = kinds[i];
        return dfa.Trim(budget) ? dfa : null;

        int KindNumber(int found)
        {
            if (!kinds.Contains(found)) kinds.Add(found);
            return kinds.IndexOf(found);
        }

        int Number(int[] tuple)
        {
            string key = string.Join(',', tuple);
            if (numbers.TryGetValue(key, out int number)) return number;
            numbers[key] = number = tuples.Count;
            tuples.Add(tuple);
            cells.Add(new int[classes.Count]);
            budget.Spend(classes.Count);
            CompileBudget.CheckStates(number);
            return number;
        }
    }
}
