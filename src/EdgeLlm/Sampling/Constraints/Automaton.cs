namespace EdgeLlm.Sampling.Constraints;

/// <summary>Role of a state, on which its distance to the end depends.</summary>
internal enum Role : byte
{
    /// <summary>On nothing.</summary>
    Plain,

    /// <summary>On how often something came (<see cref="Counter"/>): characters of a string, items of an array.</summary>
    Counter,

    /// <summary>On the members that came; none so far.</summary>
    FirstMember,

    /// <summary>After a comma: a member has to follow.</summary>
    NextMember,

    /// <summary>After a member.</summary>
    AfterMember,

    /// <summary>Between a member's key and its end.</summary>
    MemberValue,

    /// <summary>Within a member's key.</summary>
    Key,

    /// <summary>Place to which a key returns: its label says where it continues.</summary>
    KeyReturn,
}

/// <summary>Condition or effect of a transition beside the state: the top byte of a cell.</summary>
internal enum Act : byte
{
    None,

    /// <summary>Counts one more, if that is within the limit.</summary>
    Count,

    /// <summary>Only where it came often enough.</summary>
    Enough,

    /// <summary>Begins a set of members.</summary>
    Open,

    /// <summary>Only where another member may come.</summary>
    More,

    /// <summary>Only where the members may end.</summary>
    Close,

    /// <summary>A byte of a key: only where a member may still have such a key.</summary>
    Key,

    /// <summary>A byte of a key that no member has: only where it may still differ from all that came.</summary>
    FreeKey,
}

/// <param name="Need">Times at least.</param>
/// <param name="Limit">Times at most; <see cref="NoLimit"/> for any.</param>
/// <param name="Item">The state whose distance one more costs beside its comma, or 0 where it costs one byte.</param>
internal sealed record Counter(int Need, int Limit, int Item)
{
    public const int NoLimit = int.MaxValue;
}

/// <param name="Start">The called rule's first state.</param>
/// <param name="Return">The state after it.</param>
/// <param name="IsTail">Whether nothing follows: the caller's own caller is returned to.</param>
/// <param name="IsKey">Whether it is a member's key.</param>
/// <param name="First">Index of the first bytes of the rule.</param>
internal readonly record struct Call(int Start, int Return, bool IsTail, bool IsKey, int First);

/// <summary>
/// A compiled constraint: deterministic automata over bytes that call each other, with counters and sets of members where states alone
/// would be too many. Immutable; <see cref="Matcher"/> runs it.
/// </summary>
internal sealed class Automaton
{
    private InnerState[]? _inner;

    public const int Target = 0xFFFFFF;
    public const int ActShift = 24;

    /// <summary>More than any distance that is reached.</summary>
    public const int Never = 1 << 28;

    /// <summary>Start of the whole.</summary>
    public required int Root { get; init; }

    /// <summary>Cells: the next state, and an <see cref="Act"/> in the top byte; 0: none.</summary>
    public required int[] Table { get; init; }

    /// <summary>State -> its first cell.</summary>
    public required int[] Row { get; init; }

    /// <summary>State -> where its map of 256 bytes begins.</summary>
    public required int[] MapOf { get; init; }

    public required byte[] Maps { get; init; }

    /// <summary>Whether a rule may end in a state.</summary>
    public required bool[] Accepts { get; init; }

    /// <summary>State -> its calls.</summary>
    public required Call[]?[] Calls { get; init; }

    public required Role[] Roles { get; init; }

    /// <summary>State -> its counter or set of members.</summary>
    public required int[] Owner { get; init; }

    /// <summary>State -> the member that a key which ends there names; -1: none.</summary>
    public required int[] Label { get; init; }

    /// <summary>State -> bytes to the end of its rule, without what counters and members ask for.</summary>
    public required int[] Distance { get; init; }

    /// <summary>State -> calls within calls that its shortest end takes.</summary>
    public required int[] Levels { get; init; }

    /// <summary>Calls within calls at most.</summary>
    public required int MostLevels { get; init; }

    /// <summary>Bytes by which rules begin: 4 words each.</summary>
    public required ulong[] First { get; init; }

    public required Counter[] Counters { get; init; }

    /// <summary>Bytes that one more of a counter costs.</summary>
    public required int[] CounterCost { get; init; }

    public required MemberSet[] Sets { get; init; }

    /// <summary>
    /// Whether a state is a JSON string's content, or that of a key that is not named, between characters: every one is allowed.
    /// </summary>
    public required bool[] IsText { get; init; }

    /// <summary>For each state, its row and the facts of its rule, together: all that following a byte within a rule reads.</summary>
    public InnerState[] Inner => _inner ??= [.. Row.Select(InnerOf)];

    private InnerState InnerOf(int row, int state) =>
        new(row, MapOf[state], (int)Roles[state] << ActShift | Owner[state], Distance[state], Calls[state] is not null || Accepts[state]);

    public int Count => Row.Length;

    /// <summary>Bytes that it takes, nearly.</summary>
    public long Bytes =>
        4L * Table.Length + Maps.Length + 60L * Count + 8L * First.Length + 32L * Calls.Sum(calls => calls?.Length ?? 0)
            + Sets.Sum(set => set.Bytes);

    public int Cell(int state, byte value) => Table[Row[state] + Maps[MapOf[state] + value]];

    public bool Begins(in Call call, byte value) => (First[call.First * 4 + (value >> 6)] >> (value & 63) & 1) != 0;
}

/// <summary>A state as walks of the vocabulary need it: in one place, as these are made of little else.</summary>
/// <param name="Row">Its first cell.</param>
/// <param name="Map">Where its map of 256 bytes begins.</param>
/// <param name="Group">Its role and owner.</param>
/// <param name="Distance">Bytes to the end of its rule, without what counters and members ask for.</param>
/// <param name="MayLeave">Whether it has calls, or its rule may end.</param>
internal readonly record struct InnerState(int Row, int Map, int Group, int Distance, bool MayLeave);
