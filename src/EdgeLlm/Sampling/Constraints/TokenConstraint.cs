namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A constraint at work on one answer: which tokens may come next (a mask, made when first needed and kept), and how to end in time.
/// Nothing is allocated per token once its buffers have grown. Not for several threads at once.
/// </summary>
public sealed partial class TokenConstraint
{
    /// <summary>Masks kept, where they are small; the one that was used longest ago makes room.</summary>
    private const int MostMasks = 64;

    /// <summary>Bytes of all kept masks of an answer.</summary>
    private const int MostMaskBytes = 1 << 19;

    /// <summary>Ways to read a text that are looked at one by one; where there are more, the rest is only followed.</summary>
    private const int MostWays = 64;

    private readonly Matcher _matcher;
    private readonly TokenTree _tree;
    private readonly MaskWalk _walk;
    private readonly byte[] _prefix; // what has to come first, as it was taken off the prompt
    private readonly ulong[] _wide;   // tokens that can come next
    private readonly ulong[] _narrow; // and after which the answer can end in time
    private readonly TokenMask?[] _kept;
    private int[]? _script; // the shortest answer, where there is room for no other
    private int _scriptAt;
    private long _clock;
    private int _prefixLeft;
    private bool _isNarrow; // whether the narrow mask has fewer tokens than the wide one

    internal TokenConstraint(Automaton automaton, TokenTree tree, ReadOnlySpan<byte> prefix = default)
    {
        _matcher = new Matcher(automaton);
        _tree = tree;
        _prefix = prefix.ToArray();
        _prefixLeft = _prefix.Length;
        _walk = new MaskWalk(_matcher, tree);
        _wide = new ulong[tree.Words];
        _narrow = new ulong[tree.Words];
        _kept = new TokenMask?[MasksOf(tree)];
    }

    /// <summary>Bytes, which are tokens at most, to the nearest end; 0: it may end here.</summary>
    public int Distance => _prefixLeft + _matcher.Distance;

    /// <summary>Whether the text may end here.</summary>
    public bool CanEnd => _prefixLeft == 0 && _matcher.CanEnd;

    /// <summary>Whether the text is complete: it may end, and nothing can follow.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>
    /// Whether a token that was wanted was forbidden because of the room that is left, so that the end came sooner than the model would
    /// have had it.
    /// </summary>
    public bool WasForced { get; private set; }

    /// <summary>Nodes of the vocabulary's tree that were looked at, and bytes read on the way: what masks cost, counted.</summary>
    internal (long Nodes, long Reads) Work => _walk.Work;

    /// <summary>
    /// Looks whether there is room for an answer; where it is too short for any but the shortest one, that will be the answer. Only before
    /// the first token.
    /// </summary>
    /// <param name="room">Tokens that the answer may have.</param>
    /// <exception cref="ConstraintException">There is not even room for that one.</exception>
    public void Fit(int room)
    {
        if (Distance <= room) return;
        _script = ShortestTokens();
        if (_script.Length > room)
            throw new ConstraintException(
                $"the shortest answer of the form that is asked for has {_script.Length} tokens, and there is room for {room}");
    }

    /// <summary>
    /// Forbids the tokens that can't come next, and those after which the answer could not end in time: their logits become -infinity.
    /// </summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="room">Tokens that the answer may still have, the next one among them.</param>
    /// <returns>Whether any token is left.</returns>
    public bool Apply(Span<float> logits, int room)
    {
        bool any = ApplyWide(logits, room);
        if (any && _script is null && _isNarrow) Narrow(logits);
        return any;
    }

    /// <summary>
    /// Forbids the tokens that can't come next, but not yet those after which the answer could not end in time: where one of these is
    /// chosen (<see cref="FitsRoom"/>), it is chosen again after <see cref="Narrow"/>. So the room that is left changes nothing as long as
    /// no one asks for more.
    /// </summary>
    /// <returns>Whether any token is left after which it can.</returns>
    internal bool ApplyWide(Span<float> logits, int room)
    {
        if (_script is { } script)
        {
            WasForced = true;
            float logit = _scriptAt < script.Length ? logits[script[_scriptAt]] : 0;
            logits.Fill(float.NegativeInfinity);
            if (_scriptAt < script.Length) logits[script[_scriptAt]] = Math.Max(logit, float.MinValue);
            return _scriptAt < script.Length;
        }
        ReadOnlySpan<ulong> mask = Masks(room);
        Forbid(logits, mask);
        return (_isNarrow ? _narrow : mask).ContainsAnyExcept(0ul);
    }

    /// <summary>Whether the answer can end in time after a token that the last mask allowed.</summary>
    internal bool FitsRoom(int token) => _script is not null || !_isNarrow || (_narrow[token >> 6] >> (token & 63) & 1) != 0;

    /// <summary>Forbids those after which it can't.</summary>
    internal void Narrow(Span<float> logits)
    {
        WasForced = true;
        Forbid(logits, _narrow);
    }

    /// <summary>Takes the next token, which the mask allowed. One that ends an answer changes nothing.</summary>
    /// <exception cref="ArgumentException">The token can't come here.</exception>
    public void Accept(int token)
    {
        ReadOnlySpan<byte> text = _tree.BytesOf(token);
        int common = _prefixLeft > 0 ? text.CommonPrefixLength(_prefix.AsSpan(_prefix.Length - _prefixLeft)) : 0;
        if ((_prefixLeft > common && common < text.Length) || !Read(text[common..]))
            throw new ArgumentException($"token {token} can't come here", nameof(token));
        _prefixLeft -= common;
        _matcher.Settle();
        _scriptAt++;
        IsComplete = _prefixLeft == 0 && _matcher.CanEnd && (_scriptAt >= (_script?.Length ?? int.MaxValue) || !CanContinue());
    }

    /// <summary>Takes a text that has come already, right after <see cref="OutputConstraint.Begin"/>.</summary>
    /// <returns>Whether a text of the form may begin so; where not, this can't be used any more.</returns>
    internal bool TryRead(ReadOnlySpan<byte> text)
    {
        if (!Read(text)) return false;
        _matcher.Settle();
        return true;
    }

    /// <summary>
    /// Reads a token in all ways; where too many come up to follow the right one to its end, in the first one that is right.
    /// </summary>
    private bool Read(ReadOnlySpan<byte> text)
    {
        if (ReadAll(text)) return true;
        for (int way = 0, ways = _matcher.Positions.Length; ways > 1 && way < ways; way++)
        {
            Matcher.Trial trial = _matcher.BeginTrial(way);
            bool reads = ReadAll(text);
            _matcher.EndTrial(trial);
            if (!reads) continue;
            _matcher.Keep(way);
            return ReadAll(text);
        }
        return false;
    }

    private bool ReadAll(ReadOnlySpan<byte> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (_matcher.Read(text[i])) continue;
            while (i-- > 0) _matcher.Unread();
            return false;
        }
        return true;
    }

    /// <summary>
    /// The tokens of the only text that can come next, as far as there is only one; a good guess for speculation, as the model may cut it
    /// differently.
    /// </summary>
    /// <param name="tokens">Where they go.</param>
    /// <returns>How many.</returns>
    public int TryGetForced(Span<int> tokens)
    {
        if (_prefixLeft > 0) return 0;
        Span<byte> text = stackalloc byte[64];
        int length = 0, count = 0;
        Matcher.Trial trial = _matcher.BeginTrial();
        while (length < text.Length && !_matcher.CanEnd && OnlyByte() is >= 0 and var value)
        {
            text[length++] = (byte)value;
            _matcher.Read((byte)value);
        }
        _matcher.EndTrial(trial);
        for (int at = 0; at < length && count < tokens.Length; count++)
        {
            int token = LongestToken(text[at..length], out int bytes);
            if (token < 0) break;
            tokens[count] = token;
            at += bytes;
        }
        return count;
    }

    /// <summary>
    /// Makes the masks [vocabulary bits]: that of the tokens which may come next is given, and where the room forbids some of them,
    /// <see cref="_narrow"/> has the others. Ways to read the text do not know each other, so each has a mask of its own, and theirs
    /// together are the text's.
    /// </summary>
    private ReadOnlySpan<ulong> Masks(int room)
    {
        _isNarrow = false;
        int most = _tree.CanSpell ? room - 1 : int.MaxValue, ways = Math.Min(_matcher.Positions.Length, MostWays);
        if (ways == 1 && _prefixLeft == 0 && Keep(0) is { } only)
        {
            if (Distance + (long)only.Increase > most) Restrict(only.Mask, ways, most);
            return only.Mask;
        }
        Array.Clear(_wide);
        bool isTight = false;
        for (int way = 0; way < ways; way++)
        {
            int distance = _prefixLeft + _matcher.DistanceOf(_matcher.Positions[way]);
            if (_prefixLeft == 0 && Keep(way) is { } kept)
            {
                for (int word = 0; word < _wide.Length; word++) _wide[word] |= kept.Mask[word];
                isTight |= distance + (long)kept.Increase > most;
                continue;
            }
            _walk.Run(_wide, way, int.MaxValue, _prefix.AsSpan(_prefix.Length - _prefixLeft));
            isTight |= distance + (long)_walk.Increase > most;
        }
        if (isTight) Restrict(_wide, ways, most);
        return _wide;
    }

    private void Restrict(ReadOnlySpan<ulong> wide, int ways, int most)
    {
        Array.Clear(_narrow);
        for (int way = 0; way < ways; way++) _walk.Run(_narrow, way, most, _prefix.AsSpan(_prefix.Length - _prefixLeft));
        _isNarrow = !_narrow.AsSpan().SequenceEqual(wide);
    }

    private static void Forbid(Span<float> logits, ReadOnlySpan<ulong> mask)
    {
        int words = Math.Min(mask.Length, (logits.Length + 63) / 64);
        for (int word = 0; word < words; word++)
        {
            ulong bits = mask[word];
            Span<float> part = logits.Slice(word * 64, Math.Min(64, logits.Length - word * 64));
            if (bits == 0) part.Fill(float.NegativeInfinity);
            if (bits is 0 or ulong.MaxValue) continue;
            for (int i = 0; i < part.Length; i++)
            {
                if ((bits >> i & 1) == 0) part[i] = float.NegativeInfinity;
            }
        }
        if (words * 64 < logits.Length) logits[(words * 64)..].Fill(float.NegativeInfinity);
    }

    /// <summary>
    /// The mask of one way to read the text, from those that are kept or made now; null where it is not kept, as it depends on more than
    /// the position.
    /// </summary>
    private TokenMask? Keep(int way)
    {
        Position position = _matcher.Positions[way];
        Automaton automaton = _matcher.Automaton;
        Role role = automaton.Roles[position.State];
        if (role == Role.Key && position.Value >= 0) return null; // compared with the bytes of earlier keys
        if (role == Role.Counter)
        {
            // Far from its bounds a count does not matter: no token reaches them.
            Counter counter = automaton.Counters[automaton.Owner[position.State]];
            if (counter.Need - position.Value > _tree.MostBytes) position = position with { Value = 0 };
            else if (position.Value >= counter.Need && counter.Limit - position.Value >= _tree.MostBytes)
                position = position with { Value = counter.Need };
        }
        int oldest = 0;
        for (int slot = 0; slot < _kept.Length; slot++)
        {
            if (_kept[slot] is not { Position.State: >= 0 } kept)
            {
                oldest = slot;
                break;
            }
            if (kept.Position == position)
            {
                kept.Used = ++_clock;
                return kept;
            }
            if (kept.Used < _kept[oldest]!.Used) oldest = slot;
        }
        TokenMask made = _kept[oldest] ??= _tree.RentMask();
        Array.Clear(made.Mask);
        _walk.Run(made.Mask, way, int.MaxValue);
        (made.Position, made.Increase, made.Used) = (position, _walk.Increase, ++_clock);
        return made;
    }

    private bool CanContinue()
    {
        Matcher.Trial trial = _matcher.BeginTrial();
        bool can = false;
        for (int value = 0; value < 256 && !can; value++) can = _matcher.Read((byte)value);
        _matcher.EndTrial(trial);
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
                if (nodes[i].Token >= 0 && fewest[at + depth] + 1 < fewest[at])
                    (fewest[at], first[at]) = (fewest[at + depth] + 1, (nodes[i].Token, depth));
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
}
