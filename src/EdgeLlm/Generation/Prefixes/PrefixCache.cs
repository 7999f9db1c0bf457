using EdgeLlm.Models;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>
/// Beginnings of texts that a model has computed: a tree over token ids for each scope, whose nodes own pages of keys and values and
/// checkpoints of what can't be cut. A context loads from it what a new prompt begins with, by copying, so that it continues with the bits
/// that it would have computed. What was used last stays, within a budget of bytes. For several threads.
/// </summary>
internal sealed partial class PrefixCache : IDisposable
{
    /// <summary>Fewer tokens than this are computed again at no cost.</summary>
    private const int LeastTokens = 16;

    private readonly Lock _gate = new();
    private readonly Dictionary<PrefixScope, PrefixNode> _roots = [];
    private readonly LinkedList<PrefixPart> _used =
        []; // in memory; the last used one first, and a page after those that follow it in a text
    private readonly PageLayout _layout;
    private readonly long _budget;
    private long _tick;
    private bool _disposed;

    /// <param name="layout">Of the model's contexts.</param>
    /// <param name="budget">Most bytes of pages and checkpoints in memory.</param>
    public PrefixCache(PageLayout layout, long budget) => (_layout, _budget) = (layout, budget);

    /// <summary>Bytes of pages and checkpoints in memory.</summary>
    public long Bytes { get; private set; }

    /// <summary>Bytes of a page.</summary>
    public int PageBytes => (int)_layout.PageBytes;

    /// <summary>Bytes of a checkpoint.</summary>
    public int CheckpointBytes => (int)_layout.CheckpointBytes;

    /// <summary>The cache of a model; null where its options give it no memory.</summary>
    public static PrefixCache? Of(LanguageModel model) =>
        model.Options.PrefixBytes > 0 ? model.Companion(() => new PrefixCache(model.Pages, model.Options.PrefixBytes)) : null;

    /// <summary>
    /// Loads the longest beginning of a prompt that is here, in the scope or shared, where that is longer than what the context can keep.
    /// </summary>
    /// <param name="prompt">Token ids.</param>
    /// <param name="most">Most tokens to load.</param>
    /// <param name="memory">The context.</param>
    /// <param name="common">How many of the prompt's tokens the context holds.</param>
    /// <returns>How many it holds now, 0 where nothing was done; and how many tokens of the prompt are known, though it may not be possible
    /// to continue from there.</returns>
    public (int Loaded, int Known) Load(PrefixScope scope, IReadOnlyList<int> prompt, int most, KvCache memory, int common)
    {
        lock (_gate)
        {
            int kept = memory.Keeps(common);
            while (true)
            {
                Match found = Find(scope, prompt, most), shared = Find(scope with { Owner = PrefixScope.Shared }, prompt, most);
                Match best = shared.Length > found.Length ? shared : found;
                int known = Math.Max(found.Known, shared.Known);
                if (best.Length <= kept) return (0, known);
                if (TryLoad(best, memory, common)) return (best.Length, known);
            }
        }
    }

    /// <summary>Keeps what a context holds of a text, as far as there is room.</summary>
    /// <param name="tokens">Those that the context holds.</param>
    /// <param name="instructions">How many of them belong to instructions.</param>
    public void Store(PrefixScope scope, IReadOnlyList<int> tokens, KvCache memory, int instructions)
    {
        lock (_gate)
        {
            if (_disposed || tokens.Count < LeastTokens || _layout.PageBytes > int.MaxValue || _layout.CheckpointBytes > int.MaxValue)
                return;
            _tick++;
            if (!_roots.TryGetValue(scope, out PrefixNode? node)) _roots.Add(scope, node = new PrefixNode(null, []));
            while (node.End < tokens.Count && Next(node, tokens, memory) is { } next)
            {
                node = next;
                node.Instructions = Math.Max(node.Instructions, Math.Clamp(instructions - node.Start, 0, node.Tokens.Length));
                foreach (PrefixPart part in node.Parts) Touch(part);
            }
            if (_layout.CheckpointBytes > 0)
            {
                foreach (PrefixNode on in node.Path())
                {
                    foreach (int length in memory.CheckpointLengths.Where(length => length > on.Start && length <= on.End
                        && length <= tokens.Count))
                        KeepCheckpoint(on, length, memory);
                }
            }
            TouchPath(node);
            Prune(node);
            HasChanged = true;
        }
    }

    /// <summary>Forgets all that is in memory.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (PrefixNode root in _roots.Values) Remove(root);
            _roots.Clear();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            Clear();
            _disposed = true;
        }
    }

    private Match Find(PrefixScope scope, IReadOnlyList<int> prompt, int most)
    {
        bool needsCheckpoint = _layout.CheckpointBytes > 0;
        var best = new Match();
        for (PrefixNode? node = _roots.GetValueOrDefault(scope), next = null; node is not null; (node, next) = (next, null))
        {
            foreach (PrefixNode child in node.Children)
            {
                int common = child.CommonWith(prompt, most), known = child.Start + common;
                if (common == 0) continue;
                PrefixPart? checkpoint = null;
                foreach (PrefixPart part in child.Checkpoints)
                {
                    if (part.Length <= known && part.Length > (checkpoint?.Length ?? 0)) checkpoint = part;
                }
                int length = needsCheckpoint ? checkpoint?.Length ?? 0 : known;
                if (length > best.Length) best = best with { Node = child, Length = length, Checkpoint = checkpoint };
                best = best with { Known = Math.Max(best.Known, known) };
                if (common == KvCache.PagePositions) next = child;
            }
        }
        return best;
    }

    /// <summary>Loads what was found; false where a part of it is damaged, which is gone then.</summary>
    private bool TryLoad(Match found, KvCache memory, int common)
    {
        _tick++;
        memory.Truncate(common);
        int firstPage = common / KvCache.PagePositions;
        List<PrefixNode> pages =
            [.. found.Node!.Path().Where(node => node.Page is not null && node.Start / KvCache.PagePositions >= firstPage)];
        bool reads = pages.Exists(node => node.Page!.Memory is null) || found.Checkpoint is { Memory: null };
        byte[] scratch = reads ? new byte[Math.Max(_layout.PageBytes, _layout.CheckpointBytes)] : [];
        foreach (PrefixNode node in pages)
        {
            ReadOnlySpan<byte> page = BytesOf(node.Page!, scratch);
            if (page.IsEmpty) return false;
            memory.LoadPage(node.Start / KvCache.PagePositions, page);
        }
        ReadOnlySpan<byte> checkpoint = found.Checkpoint is { } part ? BytesOf(part, scratch) : [];
        if (found.Checkpoint is not null && checkpoint.IsEmpty) return false;
        memory.Adopt(found.Length, checkpoint);
        if (found.Checkpoint is { } used) Touch(used);
        TouchPath(found.Node);
        return true;
    }

    /// <summary>The node that continues a text after another, made where it is missing; null where there is no room.</summary>
    private PrefixNode? Next(PrefixNode node, IReadOnlyList<int> tokens, KvCache memory)
    {
        int count = Math.Min(KvCache.PagePositions, tokens.Count - node.End);
        foreach (PrefixNode child in node.Children)
        {
            int common = child.CommonWith(tokens, tokens.Count);
            if (common == count) return child;
            if (common < child.Tokens.Length) continue;
            // The end of a shorter text: this one goes on from there.
            if (child.Page is { } page)
            {
                if (page.Memory is null && !TryGetMemory(page, _layout.PageBytes)) return null;
                memory.CopyPage(child.Start / KvCache.PagePositions, page.Memory!.Span);
            }
            child.Tokens = Slice(tokens, child.Start, count);
            return child;
        }
        var made = new PrefixNode(node, Slice(tokens, node.End, count));
        if (_layout.PageBytes > 0)
        {
            made.Page = new PrefixPart(made, 0);
            if (!TryGetMemory(made.Page, _layout.PageBytes)) return null;
            memory.CopyPage(made.Start / KvCache.PagePositions, made.Page.Memory!.Span);
        }
        node.Children.Add(made);
        return made;
    }

    private void KeepCheckpoint(PrefixNode node, int length, KvCache memory)
    {
        if (node.Checkpoints.Exists(part => part.Length == length)) return;
        var made = new PrefixPart(node, length);
        if (!TryGetMemory(made, _layout.CheckpointBytes)) return;
        made.Memory!.Span.Clear(); // a window that is not full takes less
        memory.CopyCheckpoint(length, made.Memory.Span);
        node.Checkpoints.Add(made);
    }

    /// <summary>
    /// Takes memory within the budget, from what was not used for the longest time; false where only what is in use now would be left to
    /// go.
    /// </summary>
    private bool TryGetMemory(PrefixPart part, long bytes)
    {
        if (bytes > _budget) return false;
        while (Bytes + bytes > _budget)
        {
            if (_used.Last is not { Value: var oldest } || oldest.Used == _tick) return false;
            Forget(oldest);
        }
        part.Memory = new AlignedBuffer(bytes);
        Bytes += bytes;
        Touch(part);
        return true;
    }

    /// <summary>Drops a part from memory, and with it what can't do without.</summary>
    private void Forget(PrefixPart part)
    {
        PrefixNode node = part.Node;
        if (part.IsPage && part.File is null)
        {
            Remove(node);
            return;
        }
        Free(part);
        if (part.IsPage && node.StoredTokens < node.Tokens.Length)
        {
            // The file has its beginning.
            foreach (PrefixNode child in node.Children.ToList()) Remove(child);
            node.Tokens = node.Tokens[..node.StoredTokens];
            foreach (PrefixPart checkpoint in node.Checkpoints.Where(checkpoint => checkpoint.Length > node.End).ToList())
            {
                Free(checkpoint);
                node.Checkpoints.Remove(checkpoint);
            }
        }
        else if (!part.IsPage && part.File is null)
        {
            node.Checkpoints.Remove(part);
            Prune(node);
        }
    }

    /// <summary>Drops a node, and its ancestors, as far as they have nothing and lead to nothing.</summary>
    private static void Prune(PrefixNode node)
    {
        while (node is { Parent: { } parent, Page: null, Checkpoints.Count: 0, Children.Count: 0, File: null })
        {
            node.Detach();
            node = parent;
        }
    }

    private void Remove(PrefixNode node)
    {
        foreach (PrefixPart part in node.Subtree().SelectMany(each => each.Parts)) Free(part);
        node.Detach();
    }

    private void Free(PrefixPart part)
    {
        if (part.Memory is not { } memory) return;
        Bytes -= memory.Bytes;
        memory.Dispose();
        part.Memory = null;
        _used.Remove(part.Turn!);
        part.Turn = null;
    }

    private void Touch(PrefixPart part)
    {
        if (part.File is { } file) file.Used = Environment.TickCount64;
        if (part.Memory is null) return;
        part.Used = _tick;
        if (part.Turn is { } turn) _used.Remove(turn);
        else part.Turn = turn = new LinkedListNode<PrefixPart>(part);
        _used.AddFirst(turn);
    }

    /// <summary>
    /// Pages in the order from a text's end, so that its beginning is the last to go. Checkpoints grow old by themselves: only the one that
    /// was gone on from was used.
    /// </summary>
    private void TouchPath(PrefixNode last)
    {
        foreach (PrefixNode node in last.Path())
        {
            node.IsDismissed = false;
            if (node.Page is { } page) Touch(page);
        }
    }

    private static int[] Slice(IReadOnlyList<int> tokens, int start, int count)
    {
        int[] slice = new int[count];
        for (int i = 0; i < count; i++) slice[i] = tokens[start + i];
        return slice;
    }

    /// <param name="Node">The last node of what was found.</param>
    /// <param name="Length">Number of tokens after which a text can continue.</param>
    /// <param name="Checkpoint">Of this length, where one is needed.</param>
    /// <param name="Known">How many tokens of the prompt are in the tree.</param>
    private readonly record struct Match(PrefixNode? Node, int Length, PrefixPart? Checkpoint, int Known);
}
