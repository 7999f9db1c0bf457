namespace EdgeLlm.Sampling.Constraints;

/// <summary>Looking further than the next token, for drafts; and the memory of masks, which answers hand on.</summary>
public sealed partial class TokenConstraint
{
    private Matcher.Trial _ahead;

    /// <summary>Takes the memory of all masks now, so that no token allocates any.</summary>
    internal void Reserve()
    {
        foreach (ref TokenMask? kept in _kept.AsSpan()) kept ??= _tree.RentMask();
    }

    /// <summary>Hands the memory of the masks on to other answers; this one has ended.</summary>
    internal void Release()
    {
        foreach (ref TokenMask? kept in _kept.AsSpan())
        {
            if (kept is not null) _tree.ReturnMask(kept);
            kept = null;
        }
    }

    /// <summary>Begins to try tokens after those that were accepted: what follows leaves no trace after <see cref="EndAhead"/>.</summary>
    /// <returns>False where this is not possible: nothing was begun.</returns>
    internal bool TryBeginAhead()
    {
        if (_script is not null || _prefixLeft > 0) return false;
        _ahead = _matcher.BeginTrial();
        return true;
    }

    /// <summary>Tries a token after those that were tried; false: it can't come there, or nothing can follow it.</summary>
    internal bool TryReadAhead(int token)
    {
        ReadOnlySpan<byte> text = _tree.BytesOf(token);
        return !text.IsEmpty && ReadAll(text);
    }

    /// <summary>Forbids the tokens that can't come after those that were tried; the room that is left is not looked at.</summary>
    /// <returns>Whether any token is left.</returns>
    internal bool ForbidAhead(Span<float> logits)
    {
        int ways = Math.Min(_matcher.Positions.Length, MostWays);
        bool isKnown = _matcher.IsOld(_ahead); // numbers that the trial gave out come again, for something else
        if (ways == 1 && isKnown && Keep(0) is { } only)
        {
            Forbid(logits, only.Mask);
            return only.Mask.AsSpan().ContainsAnyExcept(0ul);
        }
        Array.Clear(_wide);
        for (int way = 0; way < ways; way++) _walk.Run(_wide, way, int.MaxValue);
        Forbid(logits, _wide);
        return _wide.AsSpan().ContainsAnyExcept(0ul);
    }

    /// <summary>Takes back all that was tried.</summary>
    internal void EndAhead() => _matcher.EndTrial(_ahead);

    /// <summary>Number of a draft's first tokens that the form allows.</summary>
    internal int CountAllowed(ReadOnlySpan<int> draft)
    {
        if (!TryBeginAhead()) return draft.Length;
        int count = 0;
        while (count < draft.Length && TryReadAhead(draft[count])) count++;
        EndAhead();
        return count;
    }

    private static int MasksOf(TokenTree tree) => Math.Clamp(MostMaskBytes / (8 * tree.Words), 8, MostMasks);
}

/// <summary>The tokens that may come at a position, a bit each.</summary>
internal sealed class TokenMask(int words)
{
    public ulong[] Mask { get; } = new ulong[words];

    /// <summary>Where they may come; a state below 0: not made yet.</summary>
    public Position Position { get; set; }

    /// <summary>By how much the distance to the end grows at most.</summary>
    public int Increase { get; set; }

    /// <summary>When it was last used; the largest is the newest.</summary>
    public long Used { get; set; }
}
