using System.Buffers.Binary;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>Files of the tree: nodes taken from them, and nodes still to be written.</summary>
internal sealed partial class PrefixCache
{
    /// <summary>Receives files that have turned out to be damaged, out of the tree already.</summary>
    public Action<PrefixFile>? OnDamage { get; set; }

    /// <summary>Whether something was kept since <see cref="Unwritten"/> last found nothing.</summary>
    public bool HasChanged { get; private set; }

    /// <summary>Whether a file's parts fit the model's contexts.</summary>
    public bool Takes(PrefixFile file) => file.PageBytes == _layout.PageBytes && file.CheckpointBytes == _layout.CheckpointBytes;

    /// <summary>Takes what files have into the tree.</summary>
    /// <param name="owner">Whose it is from now on; null: as the file says.</param>
    /// <returns>How many nodes had to be left out, as what they follow is missing.</returns>
    public int Attach(IReadOnlyList<PrefixFile> files, string? owner = null)
    {
        lock (_gate)
        {
            if (_disposed) return 0;
            int lost = 0;
            foreach (IGrouping<PrefixScope, PrefixFile> group in files.GroupBy(file => owner is null ? file.Scope
                : file.Scope with { Owner = owner }))
            {
                if (!_roots.TryGetValue(group.Key, out PrefixNode? root)) _roots.Add(group.Key, root = new PrefixNode(null, []));
                Dictionary<UInt128, PrefixNode> byId = IdsOf(root).ToDictionary(pair => pair.Key, pair => pair.Value);
                foreach ((PrefixFile file, StoredNode stored) in group.SelectMany(file => file.Nodes.Select(node => (file, node)))
                    .OrderBy(pair => pair.node.Start))
                {
                    PrefixNode? parent = stored.Start == 0 ? root : byId.GetValueOrDefault(Number(stored.ParentId));
                    if (parent is null || Place(parent, stored, file) is not { } node) lost++;
                    else if (stored.Tokens.Length == KvCache.PagePositions) byId[Number(stored.Id)] = node;
                }
            }
            return lost;
        }
    }

    /// <summary>Forgets what is in a file and not in memory.</summary>
    /// <param name="makesRoom">The file goes because there is no room for it: its nodes are written again only after they were
    /// used.</param>
    public void Detach(PrefixFile file, bool makesRoom = false)
    {
        lock (_gate)
        {
            foreach (PrefixNode node in _roots.Values.SelectMany(root => root.Subtree()).ToList())
            {
                foreach (PrefixPart checkpoint in node.Checkpoints.Where(part => part.File == file).ToList())
                {
                    checkpoint.File = null;
                    if (checkpoint.Memory is null) node.Checkpoints.Remove(checkpoint);
                }
                if (node.File != file) continue;
                (node.File, node.StoredTokens, node.IsDismissed) = (null, 0, makesRoom);
                if (node.Page is not { } page) continue;
                page.File = null;
                if (page.Memory is null) Remove(node);
            }
        }
    }

    /// <summary>Nodes of one scope that no file has yet, and what copies their parts; null where there are none.</summary>
    /// <param name="conversations">Whether all are wanted rather than instructions alone.</param>
    /// <param name="mostBytes">Most bytes of parts.</param>
    public Unwritten? Unwritten(bool conversations, long mostBytes)
    {
        lock (_gate)
        {
            foreach ((PrefixScope scope, PrefixNode root) in _roots)
            {
                var nodes = new Dictionary<StoredNode, PrefixNode>(ReferenceEqualityComparer.Instance);
                long bytes = 0;
                var waiting = new Queue<(PrefixNode Node, byte[] Id)>([(root, new byte[PrefixFile.IdBytes])]);
                while (waiting.TryDequeue(out (PrefixNode Node, byte[] Id) parent) && bytes < mostBytes)
                {
                    foreach (PrefixNode node in parent.Node.Children)
                    {
                        int wanted = conversations ? node.Tokens.Length : node.Instructions;
                        if (wanted == 0 || node.IsDismissed) continue;
                        int[] tokens = node.Tokens[..wanted];
                        byte[] id = PrefixFile.IdOf(parent.Id, tokens);
                        bool isMissing = node.StoredTokens < wanted;
                        PrefixPart[] checkpoints =
                            [.. node.Checkpoints.Where(part => part.File is null && (conversations || part.Length == node.Start + wanted))];
                        if (isMissing && node.Page is { Memory: null }) continue; // the file that had its beginning has less of it
                        // Instructions end within a page: each conversation has a node of its own that goes on from there.
                        if (wanted < node.Tokens.Length && (nodes.Keys.Any(other => other.Id.AsSpan().SequenceEqual(id))
                            || parent.Node.Children.Exists(other => other != node && other.StoredTokens >= wanted
                                && other.Tokens.AsSpan().StartsWith(tokens))))
                            continue;
                        if (isMissing || checkpoints.Length > 0)
                        {
                            var stored = new StoredNode(id, parent.Id, node.Start, tokens, node.Instructions)
                            {
                                HasPage = isMissing && node.Page is not null,
                                Checkpoints = [.. checkpoints.Select(part => new StoredPart { Length = part.Length })],
                            };
                            nodes.Add(stored, node);
                            bytes += (stored.HasPage ? _layout.PageBytes : 0) + checkpoints.Length * _layout.CheckpointBytes;
                        }
                        if (wanted == KvCache.PagePositions) waiting.Enqueue((node, id));
                    }
                }
                if (nodes.Count > 0)
                    return new Unwritten(scope, [.. nodes.Keys], (stored, length, to) => Copy(nodes[stored], stored, length, to));
            }
            HasChanged = false;
            return null;
        }
    }

    private bool Copy(PrefixNode node, StoredNode stored, int length, Span<byte> to)
    {
        lock (_gate)
        {
            PrefixPart? part = length == 0 ? node.Page : node.Checkpoints.Find(checkpoint => checkpoint.Length == length);
            if (node.Parent is null || part?.Memory is not { } memory || !node.Tokens.AsSpan().StartsWith(stored.Tokens))
                return false; // it had to go meanwhile
            memory.Span.CopyTo(to);
            if (part.IsPage && stored.Tokens.Length < KvCache.PagePositions) _layout.ClearPositions(to, stored.Tokens.Length);
            return true;
        }
    }

    /// <summary>The node that a stored one is, made where it is missing; null where it can't be.</summary>
    private PrefixNode? Place(PrefixNode parent, StoredNode stored, PrefixFile file)
    {
        PrefixNode? node = null;
        foreach (PrefixNode child in parent.Children)
        {
            int common = child.Tokens.AsSpan().CommonPrefixLength(stored.Tokens);
            if (common < Math.Min(child.Tokens.Length, stored.Tokens.Length)) continue;
            node = child;
            break;
        }
        bool hasPages = _layout.PageBytes > 0;
        if (node is null)
        {
            if (parent.Tokens.Length is not (0 or KvCache.PagePositions) || (hasPages && !stored.HasPage)) return null;
            node = new PrefixNode(parent, stored.Tokens);
            if (hasPages) node.Page = new PrefixPart(node, 0);
            parent.Children.Add(node);
        }
        else if (node.Tokens.Length < stored.Tokens.Length)
        {
            if (hasPages && !stored.HasPage) return null;
            if (node.Page is { } shorter) Free(shorter);
            node.Tokens = stored.Tokens;
        }
        node.Instructions = Math.Max(node.Instructions, stored.Instructions);
        if (stored.Tokens.Length > node.StoredTokens && (!hasPages || stored.HasPage))
        {
            (node.File, node.StoredTokens) = (file, stored.Tokens.Length);
            if (node.Page is { } page) (page.File, page.Stored) = (file, stored.Page);
        }
        foreach (StoredPart checkpoint in stored.Checkpoints)
        {
            PrefixPart? part = node.Checkpoints.Find(part => part.Length == checkpoint.Length);
            if (part is null) node.Checkpoints.Add(part = new PrefixPart(node, checkpoint.Length));
            if (part.File is null) (part.File, part.Stored) = (file, checkpoint);
        }
        return node;
    }

    private static IEnumerable<KeyValuePair<UInt128, PrefixNode>> IdsOf(PrefixNode root)
    {
        var waiting = new Queue<(PrefixNode Node, byte[] Id)>([(root, new byte[PrefixFile.IdBytes])]);
        while (waiting.TryDequeue(out (PrefixNode Node, byte[] Id) parent))
        {
            foreach (PrefixNode node in parent.Node.Children.Where(node => node.Tokens.Length == KvCache.PagePositions))
            {
                byte[] id = PrefixFile.IdOf(parent.Id, node.Tokens);
                yield return new(Number(id), node);
                waiting.Enqueue((node, id));
            }
        }
    }

    /// <summary>
    /// The bytes of a part, from memory or read from its file; none where the file is damaged, whose parts are gone then.
    /// </summary>
    private ReadOnlySpan<byte> BytesOf(PrefixPart part, byte[] scratch)
    {
        if (part.Memory is { } memory) return memory.Span;
        Span<byte> bytes = scratch.AsSpan(0, (int)(part.IsPage ? _layout.PageBytes : _layout.CheckpointBytes));
        PrefixFile file = part.File!;
        if (file.TryRead(part.Stored, bytes)) return bytes;
        Detach(file);
        OnDamage?.Invoke(file);
        return [];
    }

    private static UInt128 Number(byte[] id) => BinaryPrimitives.ReadUInt128LittleEndian(id);
}

/// <summary>Nodes of a scope that no file has yet.</summary>
/// <param name="Nodes">Parents before those that follow them.</param>
/// <param name="Copy">Copies a part of one of them.</param>
internal sealed record Unwritten(PrefixScope Scope, IReadOnlyList<StoredNode> Nodes, PrefixFile.PartCopier Copy);
