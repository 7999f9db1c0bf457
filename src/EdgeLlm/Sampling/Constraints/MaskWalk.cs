namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// Finds the tokens that may come next by one way to read the text so far: a walk of the vocabulary's tree. Most of its nodes stay within
/// one rule and are followed by a state and a count alone, at the cost of a table's cell each; the matcher reads a path only where it
/// crosses a rule's border.
/// </summary>
internal sealed class MaskWalk(Matcher matcher, TokenTree tree)
{
    private readonly Way[] _ways = new Way[256]; // depth -> how its bytes are read; state 0: the matcher has to say
    private readonly int[] _states = new int[256]; // the same within a rule, where states say all
    private readonly byte[] _path = new byte[256];
    private readonly ulong[] _followKnown = new ulong[4]; // of what can follow on the rule of a frame, the bytes that were looked at
    private readonly ulong[] _follow = new ulong[4];
    private long[] _keyCosts = []; // key state of a set -> the walk's number and the bytes from it to the members' end
    private long _keyWalk;
    private int _keyFrame = -1;
    private int _followFrame = -1;

    /// <summary>By how much the distance grows at most.</summary>
    public int Increase { get; private set; }

    /// <summary>Nodes that the walks looked at, and those for which the matcher read: what they cost, counted.</summary>
    public (long Nodes, long Reads) Work { get; private set; }

    /// <summary>
    /// Sets the bits of the tokens after which the end is at most a given number of bytes away; the others stay as they are.
    /// </summary>
    /// <param name="way">Which of the matcher's ways to read the text so far.</param>
    /// <param name="prefix">What has to come before the text.</param>
    public void Run(Span<ulong> mask, int way, int most, ReadOnlySpan<byte> prefix = default)
    {
        Increase = -Automaton.Never;
        (_keyFrame, _followFrame) = (-1, -1);
        Matcher.Trial trial = matcher.BeginTrial(way);
        int now = matcher.Distance + prefix.Length;
        bool isText = false;
        if (prefix.IsEmpty)
        {
            isText = matcher.TakesText(out Matcher.TextRoom text) && (text.IsExact || text.Distance <= most);
            if (isText && text.Distance - text.Missing <= most)
            {
                tree.AddPlain(mask, text.Distance - Math.Min(most, text.Distance), text.Characters);
                Increase = text.Distance - now;
            }
            if (matcher.CanEnd)
            {
                foreach (int end in tree.Ends) mask[end >> 6] |= 1UL << (end & 63);
                Increase = Math.Max(Increase, -now);
            }
        }
        Walk(isText ? tree.Rest : tree.All, mask, now, most, prefix);
        matcher.EndTrial(trial);
    }

    private void Walk(TokenTree.Branches branches, Span<ulong> mask, int now, int most, ReadOnlySpan<byte> prefix)
    {
        TokenTree.Node[] nodes = branches.Nodes;
        int start = matcher.Length, synced = 0; // bytes of the path that the matcher has read, the prefix's among them
        long seen = 0, reads = 0;
        _ways[0] = prefix.IsEmpty ? WayOf() : default;
        for (int i = 0; i < nodes.Length;)
        {
            if (IsPlain(_ways[nodes[i].Depth - 1]))
            {
                synced = Math.Min(synced, nodes[i].Depth - 1);
                i = WalkPlain(nodes, i, mask, now, most, ref seen);
                if (i == nodes.Length) break;
            }
            ref readonly TokenTree.Node node = ref nodes[i];
            int depth = node.Depth;
            ref Way to = ref _ways[depth];
            seen++;
            _path[depth - 1] = node.Value;
            synced = Math.Min(synced, depth - 1);
            Step step = _ways[depth - 1].State != 0 ? Follow(_ways[depth - 1], node.Value, ref to) : Step.Unknown;
            if (step == Step.Unknown)
            {
                to = default;
                bool isPrefix = depth <= prefix.Length;
                if (isPrefix) step = node.Value == prefix[depth - 1] ? Step.Taken : Step.Wrong;
                else
                {
                    while (matcher.Length - start > Math.Max(0, synced - prefix.Length)) matcher.Unread();
                    while (matcher.Length - start < depth - 1 - prefix.Length) matcher.Read(_path[matcher.Length - start + prefix.Length]);
                    reads++;
                    step = matcher.Read(node.Value) ? Step.Taken : Step.Wrong;
                    synced = step == Step.Taken ? depth : depth - 1;
                }
                if (step == Step.Taken && depth >= prefix.Length)
                {
                    if (isPrefix && matcher.Length > start) while (matcher.Length > start) matcher.Unread();
                    to = WayOf();
                }
            }
            if (step == Step.Wrong)
            {
                i = node.Next;
                continue;
            }
            i++;
            if (node.Token < 0) continue;
            int distance = to.State != 0 ? DistanceOf(to) : depth < prefix.Length ? now - depth : matcher.Distance;
            if (distance <= most && distance < Automaton.Never) Allow(mask, node.Token, distance - now);
        }
        foreach ((int token, int other) in branches.Same)
        {
            if ((mask[token >> 6] >> (token & 63) & 1) != 0) mask[other >> 6] |= 1UL << (other & 63);
        }
        Work = (Work.Nodes + seen, Work.Reads + reads);
    }

    private bool IsPlain(in Way way) => way.State != 0 && matcher.Automaton.Roles[way.State] == Role.Plain;

    /// <summary>
    /// Follows the nodes below a way whose states say all, by these alone, as long as they stay within their rule. Large masks are made of
    /// little else, so this is short.
    /// </summary>
    /// <param name="first">The node to begin with, one below the way.</param>
    /// <returns>The first node that is not below the way, or for which the matcher has to say; the ways to it are known.</returns>
    private int WalkPlain(ReadOnlySpan<TokenTree.Node> nodes, int first, Span<ulong> mask, int now, int most, ref long seen)
    {
        Automaton automaton = matcher.Automaton;
        ReadOnlySpan<InnerState> inner = automaton.Inner;
        ReadOnlySpan<int> table = automaton.Table;
        ReadOnlySpan<byte> maps = automaton.Maps;
        Span<int> states = _states;
        Span<byte> path = _path;
        int top = nodes[first].Depth - 1, i = first, farthest = -Automaton.Never, depth = top;
        Way way = _ways[top];
        int nearest = Math.Min(most, Automaton.Never - 1) - way.Below;
        states[top] = way.State;
        for (; i < nodes.Length; seen++)
        {
            ref readonly TokenTree.Node node = ref nodes[i];
            depth = node.Depth;
            if (depth <= top) break;
            path[depth - 1] = node.Value;
            ref readonly InnerState state = ref inner[states[depth - 1]];
            if (state.MayLeave && MayLeave(way with { State = states[depth - 1] }, node.Value)) break;
            int cell = table[state.Row + maps[state.Map + node.Value]];
            if (cell == 0)
            {
                i = node.Next;
                continue;
            }
            if (cell > Automaton.Target) break; // it counts, or belongs to members
            ref readonly InnerState next = ref inner[cell];
            if (next.Group != state.Group) break;
            states[depth] = cell;
            i++;
            if (node.Token < 0 || next.Distance > nearest) continue;
            farthest = Math.Max(farthest, next.Distance);
            mask[node.Token >> 6] |= 1UL << (node.Token & 63);
        }
        if (farthest >= 0) Increase = Math.Max(Increase, farthest + way.Below - now);
        for (int known = top + 1; i < nodes.Length && known < depth; known++) _ways[known] = way with { State = states[known] };
        return i;
    }

    private void Allow(Span<ulong> mask, int token, int increase)
    {
        Increase = Math.Max(Increase, increase);
        mask[token >> 6] |= 1UL << (token & 63);
    }

    /// <summary>
    /// Continuation of the matcher's only way within its rule; without a state where it has several, or one that a state and a count do not
    /// tell.
    /// </summary>
    private Way WayOf()
    {
        if (matcher.Positions is not [var position] || matcher.IsNearLimit(position)) return default;
        Automaton automaton = matcher.Automaton;
        Role role = automaton.Roles[position.State];
        if (role is not (Role.Plain or Role.Counter) && !(role == Role.Key && position.Value < 0)) return default;
        return new Way(position.State, position.Value, position.Frame,
            role == Role.Key ? 0 : matcher.DistanceOf(position) - automaton.Distance[position.State]);
    }

    private Step Follow(in Way way, byte value, ref Way to)
    {
        Automaton automaton = matcher.Automaton;
        int state = way.State;
        if ((automaton.Calls[state] is not null || automaton.Accepts[state]) && MayLeave(way, value)) return Step.Unknown;
        int cell = automaton.Cell(state, value);
        if (cell == 0) return Step.Wrong;
        int target = cell & Automaton.Target;
        bool isSame = automaton.Roles[target] == automaton.Roles[state] && automaton.Owner[target] == automaton.Owner[state];
        switch ((Act)(cell >> Automaton.ActShift))
        {
            case Act.None when isSame:
                to = way with { State = target };
                return Step.Taken;
            case Act.Count when isSame:
                Counter counter = automaton.Counters[automaton.Owner[state]];
                if (way.Value >= counter.Limit) return Step.Wrong;
                bool isOwed = way.Value < counter.Need, counts = isOwed || counter.Limit != Counter.NoLimit;
                to = way with
                {
                    State = target,
                    Value = way.Value + (counts ? 1 : 0),
                    Below = way.Below - (isOwed ? automaton.CounterCost[automaton.Owner[state]] : 0),
                };
                return Step.Taken;
            case Act.FreeKey: // of a key unlike all that came
                to = way with { State = target };
                return Step.Taken;
            case Act.Key:
                to = way with { State = target };
                return KeyCost(to) < Automaton.Never ? Step.Taken : Step.Wrong;
            default:
                return Step.Unknown;
        }
    }

    private int DistanceOf(in Way way)
    {
        Automaton automaton = matcher.Automaton;
        return automaton.Roles[way.State] == Role.Key ? matcher.After(way.Frame, KeyCost(way))
            : Math.Min(Automaton.Never, automaton.Distance[way.State] + way.Below);
    }

    /// <summary>Bytes from within a key to the members' end, computed once a state and walk.</summary>
    private int KeyCost(in Way way)
    {
        MemberSet set = matcher.Automaton.Sets[matcher.Automaton.Owner[way.State]];
        if (_keyFrame != way.Frame) (_keyFrame, _keyWalk) = (way.Frame, _keyWalk + 1);
        if (_keyCosts.Length < set.Depth.Count) Array.Resize(ref _keyCosts, set.Depth.Count);
        ref long known = ref _keyCosts[way.State - set.FirstKeyState];
        if (known >> 32 == _keyWalk) return (int)known;
        int cost = matcher.CostWithinKey(way.State, way.Frame);
        known = _keyWalk << 32 | (uint)cost;
        return cost;
    }

    /// <summary>Whether a byte may call another rule or follow on this one's end.</summary>
    private bool MayLeave(in Way way, byte value)
    {
        Automaton automaton = matcher.Automaton;
        if (automaton.Calls[way.State] is { } calls)
        {
            foreach (ref readonly Call call in calls.AsSpan())
            {
                if (automaton.Begins(call, value)) return true;
            }
        }
        if (!automaton.Accepts[way.State] || way.Frame == 0) return false;
        if (automaton.Roles[way.State] == Role.Key) return true;
        if (_followFrame != way.Frame)
        {
            _followFrame = way.Frame;
            Array.Clear(_followKnown);
        }
        ref ulong known = ref _followKnown[value >> 6];
        ref ulong follows = ref _follow[value >> 6];
        ulong bit = 1UL << (value & 63);
        if ((known & bit) == 0)
        {
            known |= bit;
            follows = matcher.CanFollow(way.Frame, value) ? follows | bit : follows & ~bit;
        }
        return (follows & bit) != 0;
    }

    private enum Step
    {
        /// <summary>The matcher has to say.</summary>
        Unknown,
        Taken,
        Wrong,
    }

    /// <param name="Value">Its count, or -1 in a key unlike all before.</param>
    /// <param name="Below">What its distance is more than that of its state; of keys 0.</param>
    private readonly record struct Way(int State, int Value, int Frame, int Below);
}
