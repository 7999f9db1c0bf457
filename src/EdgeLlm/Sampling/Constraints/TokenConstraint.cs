using System.Numerics;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A constraint at work on one answer: which tokens may come next (a mask, made when first needed and kept), and how to end in time. Nothing is allocated
/// per token once its buffers have grown. Not for several threads at once.
/// </summary>
public sealed class TokenConstraint
{
    /// <summary>Masks kept; the one that was used longest ago makes room.</summary>
    private const int MostMasks = 64;

    /// <summary>Ways to read a text up to which its mask is kept.</summary>
    private const int MostKeyPositions = 4;

    private readonly Matcher _matcher;
    private readonly TokenTree _tree;
    private readonly byte[] _prefix; // what has to come first, as it was taken off the prompt
    private readonly ulong[] _scratch;
    private readonly Kept[] _kept = new Kept[MostMasks];
    private readonly Position[] _keys = new Position[MostMasks * MostKeyPositions];
    private readonly Position[] _key = new Position[MostKeyPositions];
    private int[]? _script; // the shortest answer, where there is room for no other
    private int _scriptAt;
    private long _clock;
    private int _prefixLeft;
    private int _increase;

    internal TokenConstraint(Automaton automaton, TokenTree tree, ReadOnlySpan<byte> prefix = default)
    {
        _matcher = new Matcher(automaton);
        _tree = tree;
        _prefix = prefix.ToArray();
        _prefixLeft = _prefix.Length;
        _scratch = new ulong[tree.Words];
    }

    /// <summary>Bytes, which are tokens at most, to the nearest end; 0: it may end here.</summary>
    public int Distance => _prefixLeft + _matcher.Distance;

    /// <summary>Whether the text may end here.</summary>
    public bool CanEnd => _prefixLeft == 0 && _matcher.CanEnd;

    /// <summary>Whether the text is complete: it may end, and nothing can follow.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether tokens were forbidden because of the room that is left, so that the end came sooner than the model may have had it.</summary>
    public bool WasForced { get; private set; }

    /// <summary>
    /// Looks whether there is room for an answer; where it is too short for any but the shortest one, that will be the answer. Only before the first token.
    /// </summary>
    /// <param name="room">Tokens that the answer may have.</param>
    /// <exception cref="ConstraintException">There is not even room for that one.</exception>
    public void Fit(int room)
    {
        if (Distance <= room) return;
        _script = ShortestTokens();
        if (_script.Length > room) throw new ConstraintException($"the shortest answer of the form that is asked for has {_script.Length} tokens, and there is room for {room}");
    }

    /// <summary>Forbids the tokens that can't come next: their logits become -infinity.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="room">Tokens that the answer may still have, the next one among them. Those after which it could not end in time are forbidden, too.</param>
    /// <returns>Whether any token is left.</returns>
    public bool Apply(Span<float> logits, int room)
    {
        if (_script is { } script)
        {
            WasForced = true;
            float logit = _scriptAt < script.Length ? logits[script[_scriptAt]] : 0;
            logits.Fill(float.NegativeInfinity);
            if (_scriptAt < script.Length) logits[script[_scriptAt]] = Math.Max(logit, float.MinValue);
            return _scriptAt < script.Length;
        }
        ReadOnlySpan<ulong> mask = MaskFor(room);
        int words = Math.Min(mask.Length, (logits.Length + 63) / 64);
        bool any = false;
        for (int word = 0; word < words; word++)
        {
            ulong bits = mask[word];
            any |= bits != 0;
            Span<float> part = logits.Slice(word * 64, Math.Min(64, logits.Length - word * 64));
            if (bits == 0) part.Fill(float.NegativeInfinity);
            if (bits is 0 or ulong.MaxValue) continue;
            for (int i = 0; i < part.Length; i++)
            {
                if ((bits >> i & 1) == 0) part[i] = float.NegativeInfinity;
            }
        }
        if (words * 64 < logits.Length) logits[(words * 64)..].Fill(float.NegativeInfinity);
        return any;
    }

    /// <summary>Takes the next token, which the mask allowed. One that ends an answer changes nothing.</summary>
    /// <exception cref="ArgumentException">The token can't come here.</exception>
    public void Accept(int token)
    {
        foreach (byte value in _tree.BytesOf(token))
        {
            if (_prefixLeft > 0 && value == _prefix[^_prefixLeft])
            {
                _prefixLeft--;
                continue;
            }
            if (_prefixLeft > 0 || !_matcher.Read(value)) throw new ArgumentException($"token {token} can't come here", nameof(token));
        }
        _matcher.Settle();
        _scriptAt++;
        IsComplete = _prefixLeft == 0 && _matcher.CanEnd && (_scriptAt >= (_script?.Length ?? int.MaxValue) || !CanContinue());
    }

    /// <summary>The tokens of the only text that can come next, as far as there is only one; a good guess for speculation, as the model may cut it differently.</summary>
    /// <param name="tokens">Where they go.</param>
    /// <returns>How many.</returns>
    public int TryGetForced(Span<int> tokens)
    {
        if (_prefixLeft > 0) return 0;
        Span<byte> text = stackalloc byte[64];
        int length = 0, count = 0;
        (int Length, int Frames, int Members) mark = _matcher.BeginTrial();
        while (length < text.Length && !_matcher.CanEnd && OnlyByte() is >= 0 and var value)
        {
            text[length++] = (byte)value;
            _matcher.Read((byte)value);
        }
        _matcher.EndTrial(mark);
        for (int at = 0; at < length && count < tokens.Length; count++)
        {
            int token = LongestToken(text[at..length], out int bytes);
            if (token < 0) break;
            tokens[count] = token;
            at += bytes;
        }
        return count;
    }

    /// <summary>The mask [vocabulary bits] of the tokens that may come next.</summary>
    internal ReadOnlySpan<ulong> MaskFor(int room)
    {
        int distance = Distance, increase;
        ReadOnlySpan<ulong> mask;
        int keyLength = MakeKey();
        int slot = keyLength > 0 ? Find(keyLength) : -1;
        if (slot >= 0)
        {
            mask = _kept[slot].Mask;
            increase = _kept[slot].Increase;
            _kept[slot].Used = ++_clock;
        }
        else
        {
            Span<ulong> made = keyLength > 0 ? Take(keyLength, out slot) : _scratch;
            increase = Make(made, int.MaxValue);
            if (slot >= 0) _kept[slot].Increase = increase;
            mask = made;
        }
        if (_tree.CanSpell && distance + (long)increase > room - 1)
        {
            int before = CountOf(mask);
            Make(_scratch, room - 1);
            if (CountOf(_scratch) < before) WasForced = true;
            mask = _scratch;
        }
        return mask;
    }

    private static int CountOf(ReadOnlySpan<ulong> mask)
    {
        int count = 0;
        foreach (ulong word in mask) count += BitOperations.PopCount(word);
        return count;
    }

    /// <summary>Makes the mask of the tokens after which the end is at most so many bytes away; gives by how much the distance grows at most.</summary>
    private int Make(Span<ulong> mask, int most)
    {
        _increase = -Automaton.Never;
        int now = Distance;
        mask.Clear();
        if (_prefixLeft > 0)
        {
            Walk(_tree.All, mask, now, most);
            return _increase;
        }
        bool isText = _matcher.TakesText(out int characters, out int distance) && (most == int.MaxValue || distance <= most);
        if (isText)
        {
            _tree.SetPlain(mask, characters);
            _increase = distance - now;
        }
        bool canEnd = _matcher.CanEnd;
        Walk(isText ? _tree.Rest : _tree.All, mask, now, most);
        if (!canEnd) return _increase;
        foreach (int end in _tree.Ends) mask[end >> 6] |= 1UL << (end & 63);
        return Math.Max(_increase, -now);
    }

    private void Walk(TokenTree.Branches tree, Span<ulong> mask, int now, int most)
    {
        TokenTree.Node[] nodes = tree.Nodes;
        Matcher matcher = _matcher;
        Automaton automaton = matcher.Automaton;
        (int Length, int Frames, int Members) mark = matcher.BeginTrial();
        int start = mark.Length, prefix = _prefixLeft, synced = 0; // bytes of the path that the matcher has read
        // Most nodes stay within one rule: those are followed by their states alone, and the matcher reads the path only where one leaves it.
        Position here = matcher.Positions[0];
        bool isPlain = prefix == 0 && matcher.Positions.Length == 1 && matcher.IsPlain(here) && automaton.Roles[here.State] is Role.Plain or Role.Counter;
        int below = isPlain ? now - automaton.Distance[here.State] : 0;
        Span<int> states = stackalloc int[256]; // depth -> state; 0: the matcher has to say
        Span<byte> path = stackalloc byte[256];
        states[0] = isPlain ? here.State : 0;
        for (int i = 0; i < nodes.Length;)
        {
            ref readonly TokenTree.Node node = ref nodes[i];
            int depth = node.Depth, from = states[depth - 1];
            path[depth - 1] = node.Value;
            states[depth] = 0;
            synced = Math.Min(synced, depth - 1);
            if (from != 0)
            {
                int cell = automaton.Cell(from, node.Value);
                bool stays = automaton.Calls[from] is null && !automaton.Accepts[from];
                int to = cell & Automaton.Target;
                bool counts = cell != 0 && automaton.Roles[to] == Role.Counter && (automaton.Roles[from] != Role.Counter || automaton.Owner[to] != automaton.Owner[from]);
                if (cell == 0 && stays)
                {
                    i = node.Next;
                    continue;
                }
                if (cell is > 0 and <= Automaton.Target && stays && !counts)
                {
                    states[depth] = cell;
                    i++;
                    if (node.Token < 0) continue;
                    int plain = automaton.Distance[cell] + below;
                    if (plain <= most) Allow(mask, node.Token, plain - now);
                    continue;
                }
            }
            bool isPrefix = depth <= prefix;
            bool reads;
            if (isPrefix)
            {
                reads = node.Value == _prefix[^(prefix - depth + 1)];
            }
            else
            {
                while (matcher.Length - start > Math.Max(0, synced - prefix)) matcher.Unread();
                while (matcher.Length - start < depth - 1 - prefix) matcher.Read(path[matcher.Length - start + prefix]);
                reads = matcher.Read(node.Value);
                synced = reads ? depth : depth - 1;
            }
            if (!reads)
            {
                i = node.Next;
                continue;
            }
            i++;
            if (node.Token < 0) continue;
            if (isPrefix)
            {
                while (matcher.Length > start) matcher.Unread();
            }
            int distance = matcher.Distance + (isPrefix ? prefix - depth : 0);
            if (distance <= most && distance < Automaton.Never) Allow(mask, node.Token, distance - now);
        }
        matcher.EndTrial(mark);
        foreach ((int token, int other) in tree.Same)
        {
            if ((mask[token >> 6] >> (token & 63) & 1) != 0) mask[other >> 6] |= 1UL << (other & 63);
        }
    }

    private void Allow(Span<ulong> mask, int token, int increase)
    {
        _increase = Math.Max(_increase, increase);
        mask[token >> 6] |= 1UL << (token & 63);
    }

    /// <summary>What the mask depends on; 0: too much to keep it.</summary>
    private int MakeKey()
    {
        ReadOnlySpan<Position> positions = _matcher.Positions;
        if (_prefixLeft > 0 || positions.Length > MostKeyPositions) return 0;
        Automaton automaton = _matcher.Automaton;
        for (int i = 0; i < positions.Length; i++)
        {
            Position position = positions[i];
            if (automaton.Roles[position.State] == Role.Key && position.Value >= 0) return 0; // compared with the bytes of earlier keys
            if (automaton.Roles[position.State] == Role.Counter)
            {
                // Far from its bounds a count does not matter: no token reaches them.
                Counter counter = automaton.Counters[automaton.Owner[position.State]];
                if (counter.Need - position.Value > _tree.MostBytes) position = position with { Value = 0 };
                else if (position.Value >= counter.Need && counter.Limit - position.Value >= _tree.MostBytes) position = position with { Value = counter.Need };
            }
            _key[i] = position;
        }
        return positions.Length;
    }

    private int Find(int length)
    {
        for (int slot = 0; slot < MostMasks; slot++)
        {
            if (_kept[slot].Length == length && _keys.AsSpan(slot * MostKeyPositions, length).SequenceEqual(_key.AsSpan(0, length))) return slot;
        }
        return -1;
    }

    private Span<ulong> Take(int length, out int slot)
    {
        slot = 0;
        for (int i = 0; i < MostMasks; i++)
        {
            if (_kept[i].Used < _kept[slot].Used) slot = i;
        }
        _kept[slot].Mask ??= new ulong[_tree.Words];
        _kept[slot].Length = length;
        _kept[slot].Used = ++_clock;
        _key.AsSpan(0, length).CopyTo(_keys.AsSpan(slot * MostKeyPositions));
        return _kept[slot].Mask;
    }

    private bool CanContinue()
    {
        (int Length, int Frames, int Members) mark = _matcher.BeginTrial();
        bool can = false;
        for (int value = 0; value < 256 && !can; value++) can = _matcher.Read((byte)value);
        _matcher.EndTrial(mark);
        return can;
    }

    /// <summary>The only byte that can come next, or -1.</summary>
    private int OnlyByte()
    {
        int only = -1;
        for (int value = 0; value < 256; value++)
        {
            if (!_matcher.Read((byte)value)) continue;
            _matcher.Unread();
            if (only >= 0) return -1;
            only = value;
        }
        return only;
    }

    /// <summary>The shortest answer as the fewest tokens that spell it.</summary>
    private int[] ShortestTokens()
    {
        var text = new List<byte>(_prefix);
        var matcher = new Matcher(_matcher.Automaton);
        while (matcher.Distance is > 0 and var distance)
        {
            int value = 0;
            for (; value < 256; value++)
            {
                if (!matcher.Read((byte)value)) continue;
                if (matcher.Distance < distance) break;
                matcher.Unread();
            }
            if (value == 256) throw new ConstraintException("the form that is asked for has no shortest answer");
            text.Add((byte)value);
        }
        // From the end: the fewest tokens of each rest.
        byte[] bytes = [.. text];
        var fewest = new int[bytes.Length + 1];
        var first = new (int Token, int Bytes)[bytes.Length];
        for (int at = bytes.Length - 1; at >= 0; at--)
        {
            fewest[at] = Automaton.Never;
            TokenTree.Node[] nodes = _tree.All.Nodes;
            for (int i = 0, depth = 0; i < nodes.Length && at + depth < bytes.Length && nodes[i].Depth == depth + 1;)
            {
                if (nodes[i].Value != bytes[at + depth])
                {
                    i = nodes[i].Next;
                    continue;
                }
                depth++;
                if (nodes[i].Token >= 0 && fewest[at + depth] + 1 < fewest[at]) (fewest[at], first[at]) = (fewest[at + depth] + 1, (nodes[i].Token, depth));
                i++;
            }
        }
        if (fewest[0] >= Automaton.Never) throw new ConstraintException("the model has no tokens for the form that is asked for");
        var tokens = new List<int>();
        for (int at = 0; at < bytes.Length; at += first[at].Bytes) tokens.Add(first[at].Token);
        return [.. tokens];
    }

    private int LongestToken(ReadOnlySpan<byte> text, out int bytes)
    {
        TokenTree.Node[] nodes = _tree.All.Nodes;
        int token = -1;
        bytes = 0;
        for (int i = 0, depth = 0; i < nodes.Length && depth < text.Length;)
        {
            if (nodes[i].Depth <= depth) break;
            if (nodes[i].Value != text[depth])
            {
                i = nodes[i].Next;
                continue;
            }
            depth++;
            if (nodes[i].Token >= 0) (token, bytes) = (nodes[i].Token, depth);
            i++;
        }
        return token;
    }

    private struct Kept
    {
        public ulong[] Mask;
        public int Length;
        public int Increase;
        public long Used;
    }
}
