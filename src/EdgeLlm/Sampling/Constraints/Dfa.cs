namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A deterministic automaton over classes of bytes, whose states may also call rules. State 0 takes nothing and is where every other byte
/// leads; the start is 1.
/// </summary>
internal sealed class Dfa
{
    private readonly List<int> _table = []; // [states, classes]
    private readonly List<bool> _accepts = [];
    private readonly List<(int Rule, int To)[]> _calls = [];

    private Dfa(byte[] map, int classes)
    {
        Map = map;
        Classes = classes;
    }

    /// <summary>Byte -> class.</summary>
    public byte[] Map { get; }

    public int Classes { get; }

    public int Count => _accepts.Count;

    public bool Accepts(int state) => _accepts[state];

    public IReadOnlyList<(int Rule, int To)> Calls(int state) => _calls[state];

    /// <summary>The next state on a class of bytes, or 0.</summary>
    public int Next(int state, int byteClass) => _table[state * Classes + byteClass];

    /// <summary>The next state on a byte, or 0.</summary>
    public int Step(int state, byte value) => _table[state * Classes + Map[value]];

    /// <summary>Makes it by the subset construction.</summary>
    public static Dfa Of(Nfa nfa, CompileBudget budget)
    {
        (byte[] map, byte[] representatives) = ClassesOf(nfa);
        var dfa = new Dfa(map, representatives.Length);
        var numbers = new Dictionary<int[], int>(new SameNumbers());
        var sets = new List<int[]>();
        var closure = new Closure(nfa, budget);
        dfa.Add([], false, numbers, sets, budget);
        int[] first = closure.Of([0], atStart: true);
        dfa.Add(first, closure.Accepts(first, atStart: true), numbers, sets, budget);
        numbers.Clear(); // the start is told from other states with its set: only there does ^ hold
        numbers.Add([], 0);
        var kernels = new Dictionary<int[], int>(new SameNumbers()); // targets -> the state that they come to
        var targets = new List<int>[representatives.Length];
        for (int c = 0; c < targets.Length; c++) targets[c] = [];
        for (int state = 1; state < dfa.Count; state++)
        {
            var calls = new SortedDictionary<int, List<int>>();
            foreach (int from in sets[state])
            {
                for (int e = nfa.FirstEdge(from); e >= 0; e = nfa[e].Next)
                {
                    Nfa.Edge edge = nfa[e];
                    if (edge.Kind == Nfa.Kind.Call)
                    {
                        if (!calls.TryGetValue(edge.Low, out List<int>? to)) calls[edge.Low] = to = [];
                        to.Add(edge.To);
                    }
                    if (edge.Kind != Nfa.Kind.Bytes) continue;
                    for (int c = map[edge.Low]; c <= map[edge.High]; c++) targets[c].Add(edge.To);
                    budget.Spend(map[edge.High] - map[edge.Low] + 1);
                }
            }
            for (int c = 0; c < targets.Length; c++)
            {
                if (targets[c].Count == 0) continue;
                dfa._table[state * dfa.Classes + c] = Target(targets[c]);
                targets[c].Clear();
            }
            if (calls.Count > 0)
                dfa._calls[state] = [.. calls.Select(call => (call.Key, Target(call.Value)))];
        }
        return dfa;

        int Target(List<int> to)
        {
            to.Sort();
            int[] kernel = [.. to.Distinct()];
            budget.Spend(4 * to.Count + 4);
            if (kernels.TryGetValue(kernel, out int number)) return number;
            return kernels[kernel] = dfa.NumberOf(closure.Of(to, atStart: false), closure, numbers, sets, budget);
        }
    }

    /// <summary>An automaton given by its states: cell(state, byte class), accepts(state). Calls are none.</summary>
    public static Dfa Of(byte[] map, int classes, int states, Func<int, int, int> cell, Func<int, bool> accepts, CompileBudget budget)
    {
        var dfa = new Dfa(map, classes);
        CompileBudget.CheckStates(states);
        for (int state = 0; state < states; state++)
        {
            budget.Spend(classes);
            dfa.AddRow(state > 0 && accepts(state));
            for (int c = 0; c < classes && state > 0; c++) dfa._table[state * classes + c] = cell(state, c);
        }
        return dfa;
    }

    /// <summary>The texts that both accept, without states that lead nowhere. Neither may have calls.</summary>
    public static Dfa Intersect(Dfa a, Dfa b, CompileBudget budget)
    {
        (byte[] map, List<byte> representatives) = JoinClasses(a, b);
        var dfa = new Dfa(map, representatives.Count);
        var numbers = new Dictionary<(int, int), int>();
        var pairs = new List<(int A, int B)> { (0, 0) };
        dfa.AddRow(false);
        Number((1, 1));
        for (int state = 1; state < dfa.Count; state++)
        {
            budget.Spend(representatives.Count);
            (int inA, int inB) = pairs[state];
            for (int c = 0; c < representatives.Count; c++)
            {
                int nextA = a.Step(inA, representatives[c]), nextB = b.Step(inB, representatives[c]);
                if (nextA != 0 && nextB != 0) dfa._table[state * dfa.Classes + c] = Number((nextA, nextB));
            }
        }
        dfa.Trim(budget);
        return dfa;

        int Number((int A, int B) pair)
        {
            if (numbers.TryGetValue(pair, out int number)) return number;
            numbers[pair] = number = dfa.Count;
            pairs.Add(pair);
            dfa.AddRow(a.Accepts(pair.A) && b.Accepts(pair.B));
            CompileBudget.CheckStates(dfa.Count);
            return number;
        }
    }

    /// <summary>Takes away the ways into states from which nothing is accepted. Whether anything is left.</summary>
    public bool Trim(CompileBudget budget)
    {
        var isAlive = new bool[Count];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int state = Count - 1; state > 0; state--)
            {
                if (isAlive[state]) continue;
                budget.Spend(Classes);
                bool alive = _accepts[state] || _calls[state].Length > 0;
                for (int c = 0; c < Classes && !alive; c++) alive = Next(state, c) is var next && next != 0 && isAlive[next];
                if (alive) isAlive[state] = changed = true;
            }
        }
        for (int i = Classes; i < _table.Count; i++)
        {
            if (!isAlive[_table[i]]) _table[i] = 0;
        }
        return Count > 1 && isAlive[1];
    }

    private static (byte[] Map, List<byte> Representatives) JoinClasses(Dfa a, Dfa b)
    {
        var map = new byte[256];
        var seen = new Dictionary<(byte, byte), byte>();
        var representatives = new List<byte>();
        for (int value = 0; value < 256; value++)
        {
            (byte, byte) pair = (a.Map[value], b.Map[value]);
            if (!seen.TryGetValue(pair, out byte number))
            {
                seen[pair] = number = (byte)representatives.Count;
                representatives.Add((byte)value);
            }
            map[value] = number;
        }
        return (map, representatives);
    }

    private static (byte[] Map, byte[] Representatives) ClassesOf(Nfa nfa)
    {
        var begins = new bool[257];
        begins[0] = true;
        for (int state = 0; state < nfa.Count; state++)
        {
            for (int e = nfa.FirstEdge(state); e >= 0; e = nfa[e].Next)
            {
                if (nfa[e].Kind != Nfa.Kind.Bytes) continue;
                begins[nfa[e].Low] = true;
                begins[nfa[e].High + 1] = true;
            }
        }
        var map = new byte[256];
        var representatives = new List<byte>();
        for (int value = 0; value < 256; value++)
        {
            if (begins[value]) representatives.Add((byte)value);
            map[value] = (byte)(representatives.Count - 1);
        }
        return (map, [.. representatives]);
    }

    private int NumberOf(int[] set, Closure closure, Dictionary<int[], int> numbers, List<int[]> sets, CompileBudget budget) =>
        numbers.TryGetValue(set, out int number) ? number : Add(set, closure.Accepts(set, atStart: false), numbers, sets, budget);

    private int Add(int[] set, bool accepts, Dictionary<int[], int> numbers, List<int[]> sets, CompileBudget budget)
    {
        int number = Count;
        numbers[set] = number;
        sets.Add(set);
        AddRow(accepts);
        budget.Spend(2 * Classes + 4 * set.Length + 20);
        CompileBudget.CheckStates(Count);
        return number;
    }

    private void AddRow(bool accepts)
    {
        if (_table.Count > CompileBudget.MostCells)
            throw new ConstraintException("it is too complex: its table of states is too large; make it smaller or bound its repeats");
        for (int c = 0; c < Classes; c++) _table.Add(0);
        _accepts.Add(accepts);
        _calls.Add([]);
    }

    /// <summary>States that free edges lead to, sorted.</summary>
    private sealed class Closure(Nfa nfa, CompileBudget budget)
    {
        private readonly int[] _seen = new int[nfa.Count];
        private readonly Stack<int> _todo = new();
        private int _round;

        public int[] Of(List<int> states, bool atStart) => Collect(states, atStart, atEnd: false);

        public bool Accepts(int[] set, bool atStart) =>
            Array.BinarySearch(set, nfa.Accept) >= 0 || Array.BinarySearch(Collect(set, atStart, atEnd: true), nfa.Accept) >= 0;

        private int[] Collect(IEnumerable<int> states, bool atStart, bool atEnd)
        {
            _round++;
            var found = new List<int>();
            foreach (int state in states) Visit(state);
            while (_todo.TryPop(out int state))
            {
                for (int e = nfa.FirstFree(state); e >= 0; e = nfa[e].Next)
                {
                    budget.Spend(1);
                    Nfa.Kind kind = nfa[e].Kind;
                    if (kind == Nfa.Kind.Free || (kind == Nfa.Kind.AtStart && atStart) || (kind == Nfa.Kind.AtEnd && atEnd))
                        Visit(nfa[e].To);
                }
            }
            budget.Spend(4 * found.Count); // sorted, copied, compared
            found.Sort();
            return [.. found];

            void Visit(int state)
            {
                if (_seen[state] == _round) return;
                _seen[state] = _round;
                found.Add(state);
                _todo.Push(state);
            }
        }
    }

    private sealed class SameNumbers : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] numbers)
        {
            var hash = new HashCode();
            foreach (int number in numbers) hash.Add(number);
            return hash.ToHashCode();
        }
    }
}
