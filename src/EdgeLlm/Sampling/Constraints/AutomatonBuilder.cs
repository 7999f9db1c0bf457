namespace EdgeLlm.Sampling.Constraints;

/// <summary>Collects the states of an <see cref="Automaton"/>. State 0 is none.</summary>
internal sealed partial class AutomatonBuilder
{
    private const string Marks = "\":,{}[] \n\t"; // bytes that structure has; any other is class 0

    private readonly CompileBudget _budget;
    private readonly List<int> _table = [0];
    private readonly List<int> _row = [];
    private readonly List<int> _width = [];
    private readonly List<int> _mapOf = [];
    private readonly List<byte[]> _maps = [];
    private readonly Dictionary<byte[], int> _mapNumbers = [];
    private readonly List<bool> _accepts = [];
    private readonly List<List<(int Start, int Return, bool IsKey)>?> _calls = [];
    private readonly List<Role> _roles = [];
    private readonly List<int> _owner = [];
    private readonly List<int> _label = [];
    private readonly List<bool> _isText = [];
    private readonly List<Counter> _counters = [];
    private readonly byte[] _marks = new byte[256];
    private readonly int _done;

    public AutomatonBuilder(CompileBudget budget)
    {
        _budget = budget;
        for (int i = 0; i < Marks.Length; i++) _marks[Marks[i]] = (byte)(i + 1);
        AddState();
        _done = AddState();
        _accepts[_done] = true;
    }

    public CompileBudget Budget => _budget;

    /// <summary>Sets of members, each with its states.</summary>
    public List<MemberSet> Sets { get; } = [];

    /// <summary>A state in which a rule ends and nothing follows.</summary>
    public int Done => _done;

    public bool IsAccepting(int state) => _accepts[state];

    /// <summary>A state of JSON's structure, without transitions.</summary>
    public int AddState(Role role = Role.Plain, int owner = 0) => AddRow(_marks, Marks.Length + 1, role, owner);

    public int AddCounter(int need, int limit, int item)
    {
        _counters.Add(new Counter(need, limit, item));
        return _counters.Count - 1;
    }

    /// <summary>Lets a state of JSON's structure continue with a mark.</summary>
    public void On(int state, char mark, int to, Act act = Act.None) =>
        _table[_row[state] + _marks[mark]] = to | (int)act << Automaton.ActShift;

    public void AddCall(int state, int start, int then, bool isKey = false)
    {
        _budget.Spend(1);
        (_calls[state] ??= []).Add((start, then, isKey));
    }

    public void Accept(int state) => _accepts[state] = true;

    /// <summary>Takes back that rules may end in these states.</summary>
    public void Unaccept(int from, int to)
    {
        for (int state = from; state <= to; state++) _accepts[state] = false;
    }

    public void Label(int state, int label)
    {
        _accepts[state] = true;
        _label[state] = label;
    }

    public void MarkText(int state) => _isText[state] = true;

    /// <summary>Adds an automaton's states; gives the number of its state 0 (its start is the next).</summary>
    /// <param name="rules">Rule -> its start, for its calls.</param>
    /// <param name="cell">Changes a cell: state, class, next state of the automaton (not 0) -> cell.</param>
    public int AddDfa(Dfa dfa, Func<int, int>? rules = null, Role role = Role.Plain, int owner = 0,
        Func<int, int, int, int, int>? cell = null)
    {
        int first = _row.Count;
        for (int state = 1; state < dfa.Count; state++)
        {
            int number = AddRow(dfa.Map, dfa.Classes, role, owner);
            for (int c = 0; c < dfa.Classes; c++)
            {
                int next = dfa.Next(state, c);
                if (next != 0) _table[_row[number] + c] = cell?.Invoke(first - 1, state, c, next) ?? first - 1 + next;
            }
            _accepts[number] = dfa.Accepts(state);
            foreach ((int rule, int to) in dfa.Calls(state)) AddCall(number, rules!(rule), first - 1 + to);
        }
        return first - 1;
    }

    /// <summary>Adds a state with a row for a map of bytes.</summary>
    public int AddRow(byte[] map, int classes, Role role = Role.Plain, int owner = 0)
    {
        _budget.Spend(classes);
        CompileBudget.CheckStates(_row.Count);
        if (_table.Count > CompileBudget.MostCells)
            throw new ConstraintException("it is too complex: its table of states is too large; make it smaller or bound its repeats");
        _row.Add(_table.Count);
        _width.Add(classes);
        for (int c = 0; c < classes; c++) _table.Add(0);
        if (!_mapNumbers.TryGetValue(map, out int number))
        {
            _mapNumbers[map] = number = _maps.Count;
            _maps.Add(map);
        }
        _mapOf.Add(number * 256);
        _accepts.Add(false);
        _calls.Add(null);
        _roles.Add(role);
        _owner.Add(owner);
        _label.Add(-1);
        _isText.Add(false);
        return _row.Count - 1;
    }

    /// <summary>Sets a cell of a state that was added by <see cref="AddRow"/>.</summary>
    public void SetCell(int state, int byteClass, int to, Act act = Act.None) =>
        _table[_row[state] + byteClass] = to | (int)act << Automaton.ActShift;
}
