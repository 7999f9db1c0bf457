using EdgeLlm.Models;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>
/// Up to 32 tokens after those of its parent, with the page of keys and values of their positions and the checkpoints of lengths that end
/// among them. Only a node of 32 tokens has children.
/// </summary>
internal sealed class PrefixNode
{
    /// <param name="parent">Null: this is the beginning of all texts of a scope.</param>
    public PrefixNode(PrefixNode? parent, int[] tokens)
    {
        Parent = parent;
        Start = parent?.End ?? 0;
        Tokens = tokens;
    }

    /// <summary>Null: the beginning of all texts, or a node that was removed.</summary>
    public PrefixNode? Parent { get; private set; }

    /// <summary>Position of its first token.</summary>
    public int Start { get; }

    public int[] Tokens { get; set; }

    /// <summary>Position after its last token.</summary>
    public int End => Start + Tokens.Length;

    public List<PrefixNode> Children { get; } = [];

    /// <summary>Keys and values; null where the model keeps none of all positions.</summary>
    public PrefixPart? Page { get; set; }

    /// <summary>One a length at most.</summary>
    public List<PrefixPart> Checkpoints { get; } = [];

    /// <summary>How many of its tokens belong to instructions (a system prompt and tools) rather than to a conversation.</summary>
    public int Instructions { get; set; }

    /// <summary>The file that has it; null: none.</summary>
    public PrefixFile? File { get; set; }

    /// <summary>How many of its tokens <see cref="File"/> has.</summary>
    public int StoredTokens { get; set; }

    /// <summary>There was no room for it in files; it was not used since.</summary>
    public bool IsDismissed { get; set; }

    public IEnumerable<PrefixPart> Parts => Page is null ? Checkpoints : Checkpoints.Prepend(Page);

    /// <summary>Number of its tokens with which a text continues, up to a limit.</summary>
    public int CommonWith(IReadOnlyList<int> text, int most)
    {
        int common = 0;
        for (int end = Math.Min(Tokens.Length, most - Start); common < end && Tokens[common] == text[Start + common];) common++;
        return common;
    }

    /// <summary>The node and its ancestors but the first, itself first.</summary>
    public IEnumerable<PrefixNode> Path()
    {
        for (PrefixNode node = this; node.Parent is not null; node = node.Parent) yield return node;
    }

    /// <summary>Itself and all that follow it, in the order of the text.</summary>
    public IEnumerable<PrefixNode> Subtree()
    {
        var waiting = new Stack<PrefixNode>([this]); // texts are long: not by recursion
        while (waiting.TryPop(out PrefixNode? node))
        {
            yield return node;
            foreach (PrefixNode child in node.Children) waiting.Push(child);
        }
    }

    /// <summary>Leaves its parent.</summary>
    public void Detach()
    {
        Parent?.Children.Remove(this);
        Parent = null;
    }
}

/// <summary>Bytes that were copied out of a <see cref="KvCache"/>: in memory, in a file, or both.</summary>
/// <param name="length">Of a checkpoint: how many positions it is after. Of a page: 0.</param>
internal sealed class PrefixPart(PrefixNode node, int length)
{
    public PrefixNode Node => node;

    public int Length => length;

    public bool IsPage => length == 0;

    /// <summary>Null: in a file only.</summary>
    public AlignedBuffer? Memory { get; set; }

    /// <summary>When it was last used, while it is in memory.</summary>
    public long Used { get; set; }

    /// <summary>Its place in the order of use, while it is in memory.</summary>
    public LinkedListNode<PrefixPart>? Turn { get; set; }

    /// <summary>The file that has it; null: none. Of a page, the one that has its node.</summary>
    public PrefixFile? File { get; set; }

    /// <summary>Where in the file.</summary>
    public StoredPart Stored { get; set; }
}
