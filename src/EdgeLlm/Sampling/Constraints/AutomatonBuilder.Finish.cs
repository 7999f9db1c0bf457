namespace EdgeLlm.Sampling.Constraints;

internal sealed partial class AutomatonBuilder
{
    private int[] _distance = [];
    private int[] _levels = [];

    /// <summary>Computes what all states need, takes away what leads nowhere, and closes the automaton.</summary>
    /// <param name="root">Start of the whole.</param>
    /// <param name="mostLevels">Calls within calls at most.</param>
    /// <exception cref="ConstraintException">No text is accepted, or a rule calls itself before it takes a byte.</exception>
    public Automaton Finish(int root, int mostLevels)
    {
        ComputeDistances();
        if (_distance[root] >= Automaton.Never) throw new ConstraintException("no text at all satisfies it");
        if (_levels[root] > mostLevels) throw new ConstraintException($"its shortest text is nested more than {mostLevels} deep");
        Prune();
        (ulong[] first, Dictionary<int, int> numbers) = FirstBytes();
        CheckLeftRecursion();
        var calls = new Call[]?[_row.Count];
        for (int state = 0; state < calls.Length; state++)
        {
            if (_calls[state] is not { Count: > 0 } list) continue;
            calls[state] =
                [.. list.Select(call => new Call(call.Start, call.Return, IsEndOnly(call.Return), call.IsKey, numbers[call.Start]))];
        }
        return new Automaton
        {
            Root = root,
            Table = [.. _table],
            Row = [.. _row],
            MapOf = [.. _mapOf],
            Maps = [.. _maps.SelectMany(map => map)],
            Accepts = [.. _accepts],
            Calls = calls,
            Roles = [.. _roles],
            Owner = [.. _owner],
            Label = [.. _label],
            Distance = _distance,
            Levels = _levels,
            MostLevels = mostLevels,
            First = first,
            Counters = [.. _counters],
            CounterCost = [.. _counters.Select(CostOf)],
            Sets = [.. Sets],
            IsText = [.. _isText],
        };
    }

    /// <summary>Bytes that one more of a counter costs.</summary>
    private int CostOf(Counter counter) => counter.Item == 0 ? 1 : Add(1, EntryDistance(counter.Item));

    /// <summary>A rule's distance from its start, where nothing has come yet.</summary>
    private int EntryDistance(int state)
    {
        if (_roles[state] != Role.Counter || _distance[state] >= Automaton.Never) return _distance[state];
        Counter counter = _counters[_owner[state]];
        return counter.Need == 0 ? _distance[state]
            : (int)Math.Min(Automaton.Never, _distance[state] + (long)counter.Need * CostOf(counter));
    }

    private void ComputeDistances()
    {
        _distance = new int[_row.Count];
        _levels = new int[_row.Count];
        for (int state = 0; state < _row.Count; state++)
        {
            bool isFixed = _roles[state] is Role.FirstMember or Role.NextMember or Role.AfterMember or Role.Key
                or Role.KeyReturn || _accepts[state];
            _distance[state] = _levels[state] = isFixed ? 0 : Automaton.Never;
        }
        // Distances only shrink; automata are added start first, so backwards takes few rounds.
        for (bool changed = true; changed;)
        {
            changed = false;
            foreach (MemberSet set in Sets)
            {
                _budget.Spend(8 * set.Members.Count);
                changed |= set.SetCosts(EntryDistance, state => _levels[state]);
            }
            for (int state = _row.Count - 1; state >= 0; state--)
            {
                if (_accepts[state] || _roles[state] is not (Role.Plain or Role.Counter or Role.MemberValue)) continue;
                (int distance, int levels) = Shortest(state);
                if (distance < _distance[state])
                {
                    _distance[state] = distance;
                    changed = true;
                }
                if (levels < _levels[state])
                {
                    _levels[state] = levels;
                    changed = true;
                }
            }
        }
    }

    private (int Distance, int Levels) Shortest(int state)
    {
        int distance = Automaton.Never, levels = Automaton.Never;
        int start = _row[state];
        _budget.Spend(_width[state] + 1);
        for (int i = start; i < start + _width[state]; i++)
        {
            int cell = _table[i];
            if (cell == 0) continue;
            int to = cell & Automaton.Target;
            var act = (Act)(cell >> Automaton.ActShift);
            int rest = act == Act.Open ? Sets[_owner[to]].EntryCost : SameCounter(state, to) ? _distance[to] : EntryDistance(to);
            distance = Math.Min(distance, Add(1, rest));
            levels = Math.Min(levels, act == Act.Open ? Sets[_owner[to]].EntryLevels : _levels[to]);
        }
        foreach ((int called, int then, bool _) in _calls[state] ?? [])
        {
            _budget.Spend(1);
            distance = Math.Min(distance, Add(EntryDistance(called), SameCounter(state, then) ? _distance[then] : EntryDistance(then)));
            int inner = IsEndOnly(then) ? _levels[called] : Add(1, _levels[called]);
            levels = Math.Min(levels, Math.Max(inner, _levels[then]));
        }
        return (distance, levels);

        bool SameCounter(int from, int to) => _roles[from] == Role.Counter && _roles[to] == Role.Counter && _owner[from] == _owner[to];
    }

    private static int Add(int a, int b) => Math.Min(Automaton.Never, a + b);

    private void Prune()
    {
        for (int i = 0; i < _table.Count; i++)
        {
            int cell = _table[i];
            if (cell == 0) continue;
            int to = cell & Automaton.Target;
            bool dead = (Act)(cell >> Automaton.ActShift) == Act.Open ? Sets[_owner[to]].EntryCost >= Automaton.Never
                : _distance[to] >= Automaton.Never;
            if (dead) _table[i] = 0;
        }
        foreach (List<(int Start, int Return, bool IsKey)>? calls in _calls)
            calls?.RemoveAll(call => _distance[call.Start] >= Automaton.Never || _distance[call.Return] >= Automaton.Never);
    }

    /// <summary>Whether a state only ends its rule.</summary>
    private bool IsEndOnly(int state)
    {
        if (!_accepts[state] || _label[state] >= 0 || _roles[state] != Role.Plain || _calls[state] is { Count: > 0 }) return false;
        for (int i = _row[state]; i < _row[state] + _width[state]; i++)
        {
            if (_table[i] != 0) return false;
        }
        return true;
    }

    private (ulong[] First, Dictionary<int, int> Numbers) FirstBytes()
    {
        var numbers = new Dictionary<int, int>();
        var starts = new List<int>();
        foreach (List<(int Start, int Return, bool IsKey)>? calls in _calls)
        {
            foreach ((int start, int _, bool _) in calls ?? [])
            {
                if (numbers.TryAdd(start, starts.Count)) starts.Add(start);
            }
        }
        var first = new ulong[4 * starts.Count];
        for (int i = 0; i < starts.Count; i++)
        {
            byte[] map = _maps[_mapOf[starts[i]] / 256];
            _budget.Spend(256);
            for (int value = 0; value < 256; value++)
            {
                if (_table[_row[starts[i]] + map[value]] != 0) first[i * 4 + (value >> 6)] |= 1UL << (value & 63);
            }
        }
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int i = starts.Count - 1; i >= 0; i--)
            {
                foreach ((int start, int _, bool _) in _calls[starts[i]] ?? [])
                {
                    _budget.Spend(4);
                    for (int word = 0; word < 4; word++)
                    {
                        ulong more = first[numbers[start] * 4 + word] & ~first[i * 4 + word];
                        changed |= more != 0;
                        first[i * 4 + word] |= more;
                    }
                }
            }
        }
        return (first, numbers);
    }

    private void CheckLeftRecursion()
    {
        var color = new byte[_row.Count]; // 1: on the way, 2: done
        var todo = new Stack<(int State, int Call)>();
        for (int root = 0; root < _row.Count; root++)
        {
            if (color[root] != 0 || _calls[root] is not { Count: > 0 }) continue;
            todo.Push((root, 0));
            color[root] = 1;
            while (todo.TryPop(out (int State, int Call) top))
            {
                _budget.Spend(1);
                List<(int Start, int Return, bool IsKey)>? calls = _calls[top.State];
                if (calls is null || top.Call >= calls.Count)
                {
                    color[top.State] = 2;
                    continue;
                }
                todo.Push((top.State, top.Call + 1));
                int next = calls[top.Call].Start;
                if (color[next] == 1)
                    throw new ConstraintException("a rule calls itself before it takes a character (left recursion through another rule)");
                if (color[next] != 0) continue;
                color[next] = 1;
                todo.Push((next, 0));
            }
        }
    }
}
