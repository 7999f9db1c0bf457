using System.Runtime.InteropServices;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// Sets of members, as numbers: equal contents have equal numbers, so that positions can be compared and masks found again. Entries are
/// only added, and taken away again from the end.
/// </summary>
internal sealed class MemberTable
{
    /// <summary>Bytes to the end of a key that differs from all others, where all texts are keys.</summary>
    private const int MostBytesOfAnyKey = 8;

    private readonly Automaton _automaton;
    private readonly List<Entry> _entries = [];
    private readonly List<ulong> _came = []; // bits of the named members that came, by entry
    private readonly List<FreeKey> _keys = [default];
    private readonly List<byte> _keyBytes = [];
    private readonly Dictionary<(int Before, int Label, int Key), int> _after = [];
    private readonly Dictionary<long, int> _hashedKeys = [];
    private readonly int[] _initial;

    public MemberTable(Automaton automaton)
    {
        _automaton = automaton;
        _initial = new int[automaton.Sets.Length];
        _entries.Add(default);
        for (int i = 0; i < _initial.Length; i++)
        {
            MemberSet set = automaton.Sets[i];
            _initial[i] = _entries.Count;
            _entries.Add(new Entry(i, 0, _came.Count, 0, set.Required, 0, 0, false));
            for (int word = 0; word < WordsOf(set); word++) _came.Add(0);
            Complete(_initial[i]);
        }
    }

    /// <summary>Entries so far; <see cref="Truncate"/> goes back to it.</summary>
    public int Count => _entries.Count;

    public int Initial(int set) => _initial[set];

    public int RestCost(int entry) => _entries[entry].RestCost;

    /// <summary>Whether another member may come.</summary>
    public bool MayGrow(int entry, bool requiredOnly)
    {
        Entry e = _entries[entry];
        return e.Missing > 0 || (!requiredOnly && e.Count < _automaton.Sets[e.Set].Max && e.NextCost < Automaton.Never);
    }

    /// <summary>Whether the members may end.</summary>
    public bool MayEnd(int entry)
    {
        Entry e = _entries[entry];
        return e.Missing == 0 && e.Count >= _automaton.Sets[e.Set].Min;
    }

    /// <summary>Bytes to the end where a member has to follow.</summary>
    public int CostWithNext(int entry)
    {
        Entry e = _entries[entry];
        bool owed = e.Missing > 0 || e.Count < _automaton.Sets[e.Set].Min;
        return owed ? e.RestCost - 1 : Math.Min(Automaton.Never, e.RestCost + e.NextCost);
    }

    /// <summary>
    /// Whether a key that is not named may come where all texts are keys; and a bound of the bytes from within it to the members' end.
    /// </summary>
    public bool MayBeFree(int entry, bool requiredOnly, out int cost)
    {
        Entry e = _entries[entry];
        MemberSet set = _automaton.Sets[e.Set];
        cost = MostBytesOfAnyKey + set.FreeThen + e.RestCost;
        return !requiredOnly && !e.IsBlurred && e.Count + e.Missing < set.Max && set.FreeThen < Automaton.Never;
    }

    /// <summary>Whether a key may still become that of a member.</summary>
    /// <param name="keyState">Its state.</param>
    /// <param name="shared">Earlier free keys that begin so far as it does.</param>
    public bool MayBecome(int entry, int keyState, int shared, bool requiredOnly) =>
        CostWithin(entry, keyState, shared, requiredOnly) < Automaton.Never;

    /// <summary>Bytes to the members' end from within a key; <see cref="Automaton.Never"/> if it can't become one.</summary>
    public int CostWithin(int entry, int keyState, int shared, bool requiredOnly)
    {
        Entry e = _entries[entry];
        MemberSet set = _automaton.Sets[e.Set];
        int state = keyState - set.FirstKeyState;
        (int from, int to) = set.Reach[state];
        int best = Automaton.Never;
        bool optionalToo = !requiredOnly && e.Count + e.Missing < set.Max;
        for (int i = from; i < to; i++)
        {
            if (Came(e, i) || !set.IsPossible(i)) continue;
            bool required = set.Members[i].IsRequired;
            if (!required && !optionalToo) continue;
            bool owed = required || e.Count + e.Missing < set.Min;
            int rest = e.RestCost - (owed ? 1 + CostOfOwed(set, i, required, e) : 0);
            best = Math.Min(best, set.Members[i].Key.Length - set.Depth[state] + set.ThenCost[i] + Math.Max(1, rest));
        }
        if (optionalToo && set.FreeThen < Automaton.Never)
        {
            int bytes = set.FreeBytes(keyState, shared);
            int rest = e.RestCost - (e.Count + e.Missing < set.Min ? 1 + set.CheapestOptional(CameOf(e), e.FreeKeys) : 0);
            if (bytes < Automaton.Never) best = Math.Min(best, bytes + set.FreeThen + Math.Max(1, rest));
        }
        return best;
    }

    /// <summary>The entry after a member, or -1 where it may not come.</summary>
    /// <param name="label">Its number; those of free keys follow those of members.</param>
    /// <param name="key">The key's bytes.</param>
    /// <param name="known">Whether the key is to be remembered; otherwise a second free key that follows is refused.</param>
    public int After(int entry, int label, ReadOnlySpan<byte> key, bool known, bool requiredOnly)
    {
        Entry e = _entries[entry];
        MemberSet set = _automaton.Sets[e.Set];
        bool isFree = label >= set.Members.Count, isRequired = !isFree && set.Members[label].IsRequired;
        if (!isRequired && (requiredOnly || e.Count + e.Missing >= set.Max)) return -1;
        if (isFree ? e.IsBlurred || set.FreeThen >= Automaton.Never || Holds(e.Keys, key) : Came(e, label) || !set.IsPossible(label))
            return -1;
        int keyNumber = isFree ? known ? NumberOf(e.Keys, key) : -1 : 0;
        if (_after.TryGetValue((entry, isFree ? -1 : label, keyNumber), out int after)) return after;
        int cameAt = _came.Count, words = WordsOf(set);
        for (int i = 0; i < words; i++) _came.Add(_came[e.CameAt + i]);
        if (!isFree) CollectionsMarshal.AsSpan(_came)[cameAt + (label >> 6)] |= 1UL << (label & 63);
        after = _entries.Count;
        _entries.Add(e with
        {
            CameAt = cameAt,
            Count = e.Count + 1,
            Missing = e.Missing - (isRequired ? 1 : 0),
            Keys = isFree && known ? keyNumber : e.Keys,
            FreeKeys = e.FreeKeys + (isFree ? 1 : 0),
            IsBlurred = e.IsBlurred || (isFree && !known),
            Before = (entry, isFree ? -1 : label, keyNumber),
        });
        Complete(after);
        _after[_entries[after].Before] = after;
        return after;
    }

    /// <summary>The set that an entry is of.</summary>
    public MemberSet SetOf(int entry) => _automaton.Sets[_entries[entry].Set];

    /// <summary>Whether free keys came, so that a new one has to be compared.</summary>
    public bool HasFreeKeys(int entry) => _entries[entry].Keys != 0;

    /// <summary>How many free keys that came begin with these bytes.</summary>
    public int CountShared(int entry, ReadOnlySpan<byte> prefix)
    {
        int count = 0;
        for (int key = _entries[entry].Keys; key != 0; key = _keys[key].Before)
        {
            if (BytesOf(key).StartsWith(prefix)) count++;
        }
        return count;
    }

    /// <summary>Takes away the entries from this on.</summary>
    public void Truncate(int count)
    {
        for (int i = _entries.Count - 1; i >= count; i--) _after.Remove(_entries[i].Before);
        if (count >= _entries.Count) return;
        _came.RemoveRange(_entries[count].CameAt, _came.Count - _entries[count].CameAt);
        _entries.RemoveRange(count, _entries.Count - count);
    }

    private static int WordsOf(MemberSet set) => (set.Members.Count + 63) / 64;

    private bool Came(in Entry e, int member) => MemberSet.Came(CameOf(e), member);

    private ReadOnlySpan<ulong> CameOf(in Entry e) => CollectionsMarshal.AsSpan(_came).Slice(e.CameAt, WordsOf(_automaton.Sets[e.Set]));

    private int CostOfOwed(MemberSet set, int member, bool required, in Entry e)
    {
        if (required) return set.MemberCost(member);
        // One of those that fill up to the least number: the dearest of them is not owed any more, which the cheapest bounds.
        return Math.Min(set.MemberCost(member), set.CheapestOptional(CameOf(e), e.FreeKeys));
    }

    private void Complete(int entry)
    {
        Entry e = _entries[entry];
        MemberSet set = _automaton.Sets[e.Set];
        int rest = set.RestCost(CameOf(e), e.Count, e.Missing, e.FreeKeys);
        int next = e.IsBlurred && set.Free.Count > 0 ? set.CheapestOptional(CameOf(e), Automaton.Never)
            : set.CheapestOptional(CameOf(e), e.FreeKeys);
        _entries[entry] = e with { RestCost = rest, NextCost = e.Count + e.Missing >= set.Max ? Automaton.Never : next };
    }

    private ReadOnlySpan<byte> BytesOf(int key) => CollectionsMarshal.AsSpan(_keyBytes).Slice(_keys[key].At, _keys[key].Length);

    private bool Holds(int keys, ReadOnlySpan<byte> key)
    {
        for (; keys != 0; keys = _keys[keys].Before)
        {
            if (BytesOf(keys).SequenceEqual(key)) return true;
        }
        return false;
    }

    /// <summary>The list of free keys with one more; an equal list has one number.</summary>
    private int NumberOf(int before, ReadOnlySpan<byte> key)
    {
        var hash = new HashCode();
        hash.Add(before);
        hash.AddBytes(key);
        long code = (long)before << 32 | (uint)hash.ToHashCode();
        if (_hashedKeys.TryGetValue(code, out int number) && _keys[number].Before == before && BytesOf(number).SequenceEqual(key))
            return number;
        _keys.Add(new FreeKey(before, _keyBytes.Count, key.Length));
        foreach (byte value in key) _keyBytes.Add(value);
        _hashedKeys[code] = _keys.Count - 1;
        return _keys.Count - 1;
    }

    private readonly record struct FreeKey(int Before, int At, int Length);

    /// <param name="Set">Which set.</param>
    /// <param name="Keys">The last of the free keys that came, or 0.</param>
    /// <param name="CameAt">Where its bits begin.</param>
    /// <param name="Count">Members that came.</param>
    /// <param name="Missing">Required members that did not.</param>
    /// <param name="FreeKeys">Free keys that came.</param>
    /// <param name="RestCost">Bytes to the end.</param>
    /// <param name="IsBlurred">Whether a free key came that was not remembered.</param>
    private readonly record struct Entry(int Set, int Keys, int CameAt, int Count, int Missing, int FreeKeys, int RestCost, bool IsBlurred)
    {
        /// <summary>Bytes of the cheapest member that may follow beside the required ones.</summary>
        public int NextCost { get; init; }

        /// <summary>Entry before it.</summary>
        public (int Entry, int Label, int Key) Before { get; init; }
    }
}
