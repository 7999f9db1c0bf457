using System.Text;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>A node of a pattern or of a grammar's rule, whatever language it was written in.</summary>
internal abstract record GrammarNode
{
    public static GrammarNode Empty { get; } = new SequenceNode([]);

    /// <summary>A text, code point by code point.</summary>
    public static GrammarNode Text(string text, bool ignoreCase = false)
    {
        var items = new List<GrammarNode>();
        foreach (Rune rune in text.EnumerateRunes())
        {
            CharacterSet set = CharacterSet.Of(rune.Value);
            items.Add(new SetNode(ignoreCase ? set.IgnoringCase() : set));
        }
        return Join(items);
    }

    public static GrammarNode Join(IReadOnlyList<GrammarNode> items) => items.Count == 1 ? items[0] : new SequenceNode(items);

    public static GrammarNode Either(IReadOnlyList<GrammarNode> items) => items.Count == 1 ? items[0] : new ChoiceNode(items);

    public GrammarNode Optional() => new RepeatNode(this, 0, 1);

    public GrammarNode Star() => new RepeatNode(this, 0, RepeatNode.NoLimit);
}

/// <summary>One character of a set.</summary>
internal sealed record SetNode(CharacterSet Set) : GrammarNode;

internal sealed record SequenceNode(IReadOnlyList<GrammarNode> Items) : GrammarNode;

internal sealed record ChoiceNode(IReadOnlyList<GrammarNode> Items) : GrammarNode;

/// <param name="Item">What is repeated.</param>
/// <param name="Min">Times at least.</param>
/// <param name="Max">Times at most, or <see cref="NoLimit"/>.</param>
internal sealed record RepeatNode(GrammarNode Item, int Min, int Max) : GrammarNode
{
    public const int NoLimit = -1;
}

/// <summary>Another rule, by its number.</summary>
internal sealed record RuleNode(int Rule) : GrammarNode;

/// <summary>The beginning or the end of the text.</summary>
internal sealed record AnchorNode(bool IsStart) : GrammarNode;

/// <summary>Any text that does not have another one in it, and then that one.</summary>
internal sealed record UntilNode(string End) : GrammarNode;
