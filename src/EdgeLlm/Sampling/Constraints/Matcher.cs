namespace EdgeLlm.Sampling.Constraints;

/// <summary>A way in which the text so far can be read.</summary>
/// <param name="State">The automaton's state.</param>
/// <param name="Value">Its count, its members, or -1 in a key unlike all before.</param>
/// <param name="Frame">Where its rule returns to.</param>
internal readonly record struct Position(int State, int Value, int Frame);

/// <summary>
/// Reads a text byte by byte and knows all ways in which it can continue. Bytes can be taken back in the order against that of reading,
/// which is how tokens are tried. Not for several threads at once.
/// </summary>
internal sealed class Matcher
{
    /// <summary>
    /// Ways to read a text that are followed at once; of an ambiguous grammar, others are dropped (each alone can be brought to its end).
    /// </summary>
    private const int MostPositions = 256;

    /// <summary>Bytes of the text that are kept before the rest is forgotten.</summary>
    private const int MostBytesKept = 1024;

    private readonly Automaton _automaton;
    private readonly FrameTable _frames = new();
    private readonly MemberTable _members;
    private readonly int _safeDepth;
    private Position[] _positions = new Position[2 * MostBytesKept]; // of all steps, one after the other
    private int[] _starts = new int[2 * MostBytesKept]; // step -> its first position
    private byte[] _text = new byte[2 * MostBytesKept];
    private Position _lastPosition; // of which the distance was asked for
    private int _lastDistance = -1;
    private int _length; // bytes read
    private int _end;    // positions in use
    private int _trying; // bytes that are only tried

    public Matcher(Automaton automaton)
    {
        _automaton = automaton;
        _members = new MemberTable(automaton);
        _safeDepth = automaton.MostLevels - automaton.Levels.Where(levels => levels < Automaton.Never).Max() - 2;
        _positions[0] = new Position(automaton.Root, 0, 0);
        _end = 1;
    }

    public Automaton Automaton => _automaton;

    /// <summary>Bytes read.</summary>
    public int Length => _length;

    /// <summary>The ways in which the text so far can be read; none: it is wrong.</summary>
    public ReadOnlySpan<Position> Positions => _positions.AsSpan(_starts[_length], _end - _starts[_length]);

    /// <summary>Whether the text may end here.</summary>
    public bool CanEnd
    {
        get
        {
            foreach (Position position in Positions)
            {
                if (CanEndAt(position)) return true;
            }
            return false;
        }
    }

    /// <summary>Bytes to the nearest end.</summary>
    public int Distance
    {
        get
        {
            ReadOnlySpan<Position> positions = Positions;
            if (positions.Length == 1 && (_automaton.Roles[positions[0].State] != Role.Key || positions[0].Value < 0))
            {
                if (positions[0] == _lastPosition) return _lastDistance;
                _lastPosition = positions[0];
                return _lastDistance = DistanceOf(positions[0]);
            }
            int least = Automaton.Never;
            foreach (Position position in positions) least = Math.Min(least, DistanceOf(position));
            return least;
        }
    }

    /// <summary>Reads a byte; false: it can't come here, and was not read.</summary>
    public bool Read(byte value)
    {
        int first = _starts[_length], last = _end;
        if (_length + 2 >= _starts.Length) Array.Resize(ref _starts, _starts.Length * 2);
        if (_length >= _text.Length) Array.Resize(ref _text, _text.Length * 2);
        _text[_length] = value;
        if (last - first == 1)
        {
            // Most often there is one way, and it does not leave its rule.
            Position position = _positions[first];
            int cell = _automaton.Cell(position.State, value);
            if (cell != 0 && (cell <= Automaton.Target || (cell >> Automaton.ActShift == (int)Act.FreeKey && position.Value < 0))
                && _automaton.Calls[position.State] is null && !_automaton.Accepts[position.State]
                && _frames[position.Frame].Depth < _safeDepth)
            {
                Push(position with { State = cell & Automaton.Target });
                _starts[++_length] = last;
                return true;
            }
        }
        _starts[_length + 1] = last;
        for (int i = first; i < last; i++) Step(_positions[i], value, entered: false, last);
        if (_end == last) return false;
        _length++;
        return true;
    }

    /// <summary>Takes back the last byte read.</summary>
    public void Unread()
    {
        _end = _starts[_length];
        _length--;
    }

    /// <summary>Begins to try bytes: what follows leaves no trace after <see cref="EndTrial"/>.</summary>
    /// <param name="only">The number of the only position that is tried; -1: all.</param>
    public Trial BeginTrial(int only = -1)
    {
        _trying++; // one may be within another
        int first = _starts[_length];
        if (_end - first < 2) only = -1;
        if (only >= 0)
        {
            (_positions[first + only], _positions[_end - 1]) = (_positions[_end - 1], _positions[first + only]);
            _starts[_length] = _end - 1;
        }
        return new Trial(_length, _frames.Count, _members.Count, first, only);
    }

    /// <summary>Takes back all that was tried.</summary>
    public void EndTrial(in Trial trial)
    {
        _trying--;
        while (_length > trial.Length) Unread();
        _frames.Truncate(trial.Frames);
        _lastPosition = default; // frames of the trial have their numbers again
        _members.Truncate(trial.Members);
        if (trial.Only < 0) return;
        _starts[_length] = trial.First;
        (_positions[trial.First + trial.Only], _positions[_end - 1]) = (_positions[_end - 1], _positions[trial.First + trial.Only]);
    }

    /// <summary>
    /// Whether what was read since a trial's beginning gave out no numbers, of frames or members, that its end takes back.
    /// </summary>
    public bool IsOld(in Trial trial) => _frames.Count == trial.Frames && _members.Count == trial.Members;

    /// <summary>Drops all ways to read the text but one.</summary>
    public void Keep(int only)
    {
        int first = _starts[_length];
        _positions[first] = _positions[first + only];
        _end = first + 1;
    }

    /// <summary>Forgets how it came here, now and then: bytes read so far can't be taken back any more.</summary>
    public void Settle()
    {
        if (_length < MostBytesKept) return;
        foreach (Position position in Positions)
        {
            if (_automaton.Roles[position.State] == Role.Key) return; // its bytes are needed
        }
        int count = _end - _starts[_length];
        Array.Copy(_positions, _starts[_length], _positions, 0, count);
        _starts[0] = 0;
        _length = 0;
        _end = count;
    }

    public int DistanceOf(in Position position)
    {
        int below = _frames[position.Frame].Distance;
        return Math.Min(Automaton.Never, LocalDistance(position.State, position.Value, position.Frame) + below);
    }

    private int LocalDistance(int state, int value, int frame)
    {
        Automaton automaton = _automaton;
        switch (automaton.Roles[state])
        {
            case Role.Counter:
                Counter counter = automaton.Counters[automaton.Owner[state]];
                int missing = counter.Need - value;
                if (missing <= 0) return automaton.Distance[state];
                return (int)Math.Min(Automaton.Never,
                    automaton.Distance[state] + (long)missing * automaton.CounterCost[automaton.Owner[state]]);
            case Role.FirstMember:
                int rest = _members.RestCost(value);
                return rest > 1 ? rest - 1 : rest;
            case Role.NextMember:
                return _members.CostWithNext(value);
            case Role.AfterMember:
                return _members.RestCost(value);
            case Role.MemberValue:
                return automaton.Distance[state] + _members.RestCost(value);
            case Role.Key:
                int entry = _frames[frame].Value;
                int shared = value < 0 ? 0
                    : _members.CountShared(entry,
                        KeySoFar(automaton.Sets[automaton.Owner[state]].Depth[state - automaton.Sets[automaton.Owner[state]].FirstKeyState],
                            _length));
                return _members.CostWithin(entry, state, shared, RequiredOnly(_frames[frame].Below));
            default:
                return automaton.Distance[state];
        }
    }

    /// <summary>Whether the calls are nested nearly as deeply as they may be, so that what may follow depends on that, too.</summary>
    public bool IsNearLimit(in Position position) => _frames[position.Frame].Depth >= _safeDepth;

    /// <summary>Whether a byte can follow where a frame's rule has ended.</summary>
    public bool CanFollow(int frame, byte value)
    {
        ref readonly FrameTable.Frame next = ref _frames[frame];
        if (_automaton.Roles[next.State] == Role.KeyReturn) return true; // it depends on the key
        int end = _end;
        Step(new Position(next.State, next.Value, next.Below), value, entered: false, end);
        bool can = _end > end;
        _end = end;
        return can;
    }

    /// <summary>Bytes from a key unlike all before to its members' end.</summary>
    public int CostWithinKey(int state, int frame) =>
        _members.CostWithin(_frames[frame].Value, state, 0, RequiredOnly(_frames[frame].Below));

    /// <summary>Bytes to the whole's end from where a frame's rule is so far from its own.</summary>
    public int After(int frame, int distance) => Math.Min(Automaton.Never, distance + _frames[frame].Distance);

    /// <summary>Whether all plain text may come at the only position, which is within a string or a key.</summary>
    public bool TakesText(out TextRoom room)
    {
        room = default;
        ReadOnlySpan<Position> positions = Positions;
        if (positions.Length != 1 || !_automaton.IsText[positions[0].State]) return false;
        Position position = positions[0];
        if (_automaton.Roles[position.State] == Role.Key)
        {
            ref readonly FrameTable.Frame frame = ref _frames[position.Frame];
            if (!_members.MayBeFree(frame.Value, RequiredOnly(frame.Below), out int cost)) return false;
            MemberSet set = _automaton.Sets[_automaton.Owner[position.State]];
            (int from, int to) = set.Reach[position.State - set.FirstKeyState];
            bool isUnlike = from == to && position.Value < 0; // all that came and all that are named: it may end at once
            room = new TextRoom(int.MaxValue, isUnlike ? Distance : Math.Min(Automaton.Never - 1, cost + frame.Distance), 0, isUnlike);
            return true;
        }
        Counter counter = _automaton.Counters[_automaton.Owner[position.State]];
        room = new TextRoom(counter.Limit == Counter.NoLimit ? int.MaxValue : counter.Limit - position.Value, Distance,
            Math.Max(0, counter.Need - position.Value), IsExact: true);
        return true;
    }

    private bool RequiredOnly(int frame) => _frames[frame].Depth >= _safeDepth;

    private void Step(Position position, byte value, bool entered, int first)
    {
        Automaton automaton = _automaton;
        int cell = automaton.Cell(position.State, value);
        if (cell != 0) Take(position, cell, first);
        if (automaton.Calls[position.State] is { } calls)
        {
            foreach (ref readonly Call call in calls.AsSpan())
            {
                if (!automaton.Begins(call, value)) continue;
                if (call.IsKey && !_members.MayGrow(position.Value, RequiredOnly(position.Frame))) continue;
                int frame = call.IsTail ? position.Frame : PushFrame(call.Return, position.Value, position.Frame);
                if (frame < 0) continue;
                int start = call.IsKey && !_members.HasFreeKeys(position.Value) ? -1 : 0;
                Step(new Position(call.Start, start, frame), value, entered: true, first);
            }
        }
        if (!entered && position.Frame != 0 && automaton.Accepts[position.State] && Return(position) is { } next)
            Step(next, value, entered: false, first);
    }

    /// <summary>Continuation of a rule that ends here.</summary>
    private Position? Return(in Position position)
    {
        ref readonly FrameTable.Frame frame = ref _frames[position.Frame];
        if (_automaton.Roles[frame.State] != Role.KeyReturn) return new Position(frame.State, frame.Value, frame.Below);
        int label = _automaton.Label[position.State];
        if (label < 0) return null;
        MemberSet set = _members.SetOf(frame.Value);
        bool isFree = label >= set.Members.Count;
        int entry = _members.After(frame.Value, label, isFree ? KeyBefore(_length) : default, _trying == 0, RequiredOnly(frame.Below));
        if (entry < 0) return null;
        return new Position(isFree ? set.Free[label - set.Members.Count] : set.Members[label].Then, entry, frame.Below);
    }

    private void Take(in Position position, int cell, int first)
    {
        Automaton automaton = _automaton;
        int to = cell & Automaton.Target, value = position.Value;
        switch ((Act)(cell >> Automaton.ActShift))
        {
            case Act.None:
                break;
            case Act.Count:
                Counter counter = automaton.Counters[automaton.Owner[position.State]];
                if (value >= counter.Limit) return;
                if (value < counter.Need || counter.Limit != Counter.NoLimit) value++;
                break;
            case Act.Enough:
                if (value < automaton.Counters[automaton.Owner[position.State]].Need) return;
                break;
            case Act.Open:
                value = _members.Initial(automaton.Owner[to]);
                break;
            case Act.More:
                if (!_members.MayGrow(value, RequiredOnly(position.Frame))) return;
                break;
            case Act.Close:
                if (!_members.MayEnd(value)) return;
                value = 0;
                break;
            case Act.FreeKey when value < 0:
                break;
            case Act.Key or Act.FreeKey:
                int entry = _frames[position.Frame].Value, shared = 0;
                if (value >= 0)
                {
                    MemberSet set = automaton.Sets[automaton.Owner[to]];
                    shared = _members.CountShared(entry, KeySoFar(set.Depth[to - set.FirstKeyState], _length + 1));
                    if (shared == 0) value = -1;
                }
                if (!_members.MayBecome(entry, to, shared, RequiredOnly(_frames[position.Frame].Below))) return;
                break;
        }
        Add(new Position(to, value, position.Frame), first);
    }

    /// <summary>The bytes of a key that is being read, its quote first: back to the last quote that is not escaped.</summary>
    /// <param name="depth">How many they are, where that is known; 0: they have to be looked for.</param>
    /// <param name="end">Where they end.</param>
    private ReadOnlySpan<byte> KeySoFar(int depth, int end)
    {
        if (depth > 0) return _text.AsSpan(end - depth, depth);
        int start = end - 1;
        while (start > 0 && !(_text[start] == '"' && !IsEscaped(start))) start--;
        return _text.AsSpan(start, end - start);
    }

    /// <summary>The bytes of a key whose last quote was just read, with its quotes.</summary>
    private ReadOnlySpan<byte> KeyBefore(int end)
    {
        int start = KeySoFar(0, end - 1) is var inner ? end - 1 - inner.Length : 0;
        return _text.AsSpan(start, end - start);
    }

    private bool IsEscaped(int at)
    {
        int slashes = 0;
        while (at - 1 - slashes >= 0 && _text[at - 1 - slashes] == '\\') slashes++;
        return slashes % 2 == 1;
    }

    private bool CanEndAt(Position position)
    {
        while (_automaton.Accepts[position.State])
        {
            if (position.Frame == 0) return true;
            if (Return(position) is not { } next) return false;
            position = next;
        }
        return false;
    }

    private int PushFrame(int state, int value, int below)
    {
        if (_frames[below].Depth >= _automaton.MostLevels) return -1;
        int local = _automaton.Roles[state] == Role.KeyReturn ? 0 : LocalDistance(state, value, below);
        return _frames.Of(state, value, below, Math.Min(Automaton.Never, local + _frames[below].Distance));
    }

    private void Add(Position position, int first)
    {
        if (_frames[position.Frame].Depth + _automaton.Levels[position.State] > _automaton.MostLevels) return;
        for (int i = first; i < _end; i++)
        {
            if (_positions[i] == position) return;
        }
        if (_end - first < MostPositions) Push(position);
    }

    private void Push(Position position)
    {
        if (_end == _positions.Length) Array.Resize(ref _positions, _positions.Length * 2);
        _positions[_end++] = position;
    }

    /// <summary>State that <see cref="EndTrial"/> restores.</summary>
    /// <param name="First">The first position's place, and <paramref name="Only"/> the one that was tried alone, or -1.</param>
    public readonly record struct Trial(int Length, int Frames, int Members, int First, int Only);

    /// <param name="Characters">That may come.</param>
    /// <param name="Distance">Bytes to the end after them, where they are not owed, or a bound of them.</param>
    /// <param name="Missing">Characters that are owed: each of them lessens the distance by one.</param>
    /// <param name="IsExact">Whether the distance is exact, not only a bound.</param>
    public readonly record struct TextRoom(int Characters, int Distance, int Missing, bool IsExact);
}
