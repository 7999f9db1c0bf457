namespace EdgeLlm.Sampling.Constraints;

/// <summary>A key or item that may come once.</summary>
/// <param name="Key">Its bytes.</param>
/// <param name="IsRequired">Whether it has to come.</param>
/// <param name="Then">The state after the key.</param>
internal sealed record Member(byte[] Key, bool IsRequired, int Then);

/// <summary>
/// The members of an object (or the items of an array of different constants), which come once each and in any order, and keys of a pattern
/// ("free" ones) that are not named. What came so far is a number of a <see cref="MemberTable"/>.
/// </summary>
internal sealed class MemberSet(int number)
{
    private int[] _optional = []; // optional members, cheapest first

    public int Number => number;

    /// <summary>Named members in the order of their keys' bytes: those with one beginning are neighbours.</summary>
    public List<Member> Members { get; } = [];

    /// <summary>The states after free keys, by kind.</summary>
    public List<int> Free { get; } = [];

    public int Min { get; set; }

    public int Max { get; set; } = int.MaxValue;

    /// <summary>The state from which keys are read.</summary>
    public int KeyStart { get; set; }

    /// <summary>Where a key returns to.</summary>
    public int KeyReturn { get; set; }

    /// <summary>The states in which a key may begin.</summary>
    public int[] BeforeKey { get; set; } = [];

    /// <summary>The first state of <see cref="Depth"/> and its like: that of the keys' automaton.</summary>
    public int FirstKeyState { get; set; }

    /// <summary>Key state -> bytes of the key so far.</summary>
    public List<int> Depth { get; } = [];

    /// <summary>Key state -> the members that it may become: from, to (exclusive).</summary>
    public List<(int From, int To)> Reach { get; } = [];

    /// <summary>
    /// Key state -> number of free keys that end in at most a given number of further bytes [0 to at most <see cref="MostFreeBytes"/>],
    /// saturated; null: none.
    /// </summary>
    public List<int[]?> FreeCounts { get; } = [];

    /// <summary>Key state -> bytes after the key's end that the cheapest free one costs.</summary>
    public int FreeThen { get; private set; } = Automaton.Never;

    /// <summary>Bytes of a free key up to which <see cref="FreeCounts"/> counts.</summary>
    public const int MostFreeBytes = 64;

    /// <summary>Bytes that each member's value costs after its key, with the mark between.</summary>
    public int[] ThenCost { get; private set; } = [];

    /// <summary>Distance from the opening mark to the end.</summary>
    public int EntryCost { get; private set; } = Automaton.Never;

    public int EntryLevels { get; private set; } = Automaton.Never;

    public int Required { get; private set; }

    /// <summary>Bytes that it takes, nearly.</summary>
    public long Bytes =>
        Members.Sum(member => 64L + member.Key.Length) + 12L * Depth.Count + FreeCounts.Sum(counts => 8L + 4 * (counts?.Length ?? 0));

    public bool IsPossible(int member) => ThenCost[member] < Automaton.Never;

    public int MemberCost(int member) => Math.Min(Automaton.Never, Members[member].Key.Length + ThenCost[member]);

    /// <summary>Takes the distances of the states after keys; whether anything became nearer.</summary>
    public bool SetCosts(Func<int, int> distance, Func<int, int> levels)
    {
        if (ThenCost.Length != Members.Count) ThenCost = new int[Members.Count];
        Required = Members.Count(member => member.IsRequired);
        for (int i = 0; i < Members.Count; i++) ThenCost[i] = distance(Members[i].Then);
        FreeThen = Free.Count == 0 ? Automaton.Never
            : Free.Max(distance); // the dearest: which kind comes is not known before the key's end
        _optional = [.. Enumerable.Range(0, Members.Count).Where(i => !Members[i].IsRequired && IsPossible(i)).OrderBy(MemberCost)];
        long cost = Required > Max ? Automaton.Never : RestCost([], 0, Required, 0);
        int entry = (int)Math.Min(Automaton.Never, cost > 1 && cost < Automaton.Never ? cost - 1 : cost); // no comma before the first
        int deepest = 0;
        for (int i = 0; i < Members.Count; i++)
        {
            if (Members[i].IsRequired) deepest = Math.Max(deepest, levels(Members[i].Then));
        }
        if (Min > Required)
            deepest = Math.Max(deepest, _optional.Select(i => levels(Members[i].Then)).Concat(Free.Select(levels)).DefaultIfEmpty(0).Max());
        deepest = Math.Min(Automaton.Never, deepest + 1);
        bool changed = entry < EntryCost || deepest < EntryLevels;
        EntryCost = entry;
        EntryLevels = deepest;
        return changed;
    }

    /// <summary>
    /// Bytes to the end after a member: those that are required and did not come, as many more as there have to be, the closing mark.
    /// </summary>
    /// <param name="came">A bit for each member that came; empty: none did.</param>
    /// <param name="count">Members that came.</param>
    /// <param name="missing">Required ones that did not.</param>
    /// <param name="freeKeys">Free keys that came.</param>
    public int RestCost(ReadOnlySpan<ulong> came, int count, int missing, int freeKeys)
    {
        long cost = 1;
        for (int i = 0; i < Members.Count && missing > 0; i++)
        {
            if (Members[i].IsRequired && !Came(came, i)) cost += 1 + MemberCost(i);
        }
        int more = Min - count - missing, next = 0;
        while (more-- > 0 && cost < Automaton.Never)
        {
            while (next < _optional.Length && Came(came, _optional[next])) next++;
            int named = next < _optional.Length ? MemberCost(_optional[next]) : Automaton.Never, free = FreeCost(freeKeys);
            cost += 1 + Math.Min(named, free);
            if (named <= free) next++;
            else freeKeys++;
        }
        return (int)Math.Min(Automaton.Never, cost);
    }

    /// <summary>Bytes of the cheapest member that may come, of those that are optional.</summary>
    public int CheapestOptional(ReadOnlySpan<ulong> came, int freeKeys)
    {
        foreach (int i in _optional)
        {
            if (!Came(came, i)) return Math.Min(MemberCost(i), FreeCost(freeKeys));
        }
        return FreeCost(freeKeys);
    }

    /// <summary>Whether a member's bit is set.</summary>
    public static bool Came(ReadOnlySpan<ulong> came, int member) =>
        member >> 6 < came.Length && (came[member >> 6] >> (member & 63) & 1) != 0;

    /// <summary>Bytes of the shortest free key that differs from a given number of others, with its value.</summary>
    public int FreeCost(int others) =>
        Free.Count == 0 ? Automaton.Never : Math.Min(Automaton.Never, FreeBytes(KeyStart, others) + FreeThen);

    /// <summary>
    /// Bytes from a key's state to the end of the shortest free key that differs from a given number of others;
    /// <see cref="Automaton.Never"/> if there may be none.
    /// </summary>
    public int FreeBytes(int keyState, int others)
    {
        if (FreeCounts[keyState - FirstKeyState] is not { } counts) return Automaton.Never;
        for (int bytes = 0; bytes < counts.Length; bytes++)
        {
            if (counts[bytes] > others) return bytes;
        }
        return Automaton.Never;
    }
}
