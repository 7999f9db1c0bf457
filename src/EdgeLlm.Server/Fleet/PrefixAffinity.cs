namespace EdgeLlm.Server.Fleet;

/// <summary>
/// Which worker has computed which beginnings of prompts lately, so that a session continues where its context is. Calls may come from any
/// thread.
/// </summary>
internal sealed class PrefixAffinity
{
    private const int Step = 64; // tokens
    private const int MostEntries = 8192;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, LinkedListNode<(ulong Hash, string Worker)>> _workers = [];
    private readonly LinkedList<(ulong Hash, string Worker)> _used = []; // the last used one first

    /// <summary>Notes who has computed these tokens.</summary>
    public void Add(string owner, IEnumerable<int> tokens, string worker)
    {
        lock (_gate)
        {
            foreach (ulong hash in Hashes(owner, tokens))
            {
                if (_workers.Remove(hash, out LinkedListNode<(ulong, string)>? old)) _used.Remove(old);
                _workers[hash] = _used.AddFirst((hash, worker));
                if (_workers.Count <= MostEntries) continue;
                _workers.Remove(_used.Last!.Value.Hash);
                _used.RemoveLast();
            }
        }
    }

    /// <summary>Who has computed the longest beginning of these tokens, of at least 64; null: nobody.</summary>
    public string? Find(string owner, IReadOnlyList<int> prompt)
    {
        lock (_gate)
            return Hashes(owner, prompt).Reverse()
                .Select(hash => _workers.TryGetValue(hash, out LinkedListNode<(ulong Hash, string Worker)>? node) ? node.Value.Worker
                    : null).FirstOrDefault(worker => worker is not null);
    }

    /// <summary>A hash of every beginning of a multiple of 64 tokens (FNV-1a, 64 bits).</summary>
    private static IEnumerable<ulong> Hashes(string owner, IEnumerable<int> tokens)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in owner) hash = (hash ^ c) * 1099511628211;
        int count = 0;
        foreach (int token in tokens)
        {
            hash = (hash ^ (uint)token) * 1099511628211;
            if (++count % Step == 0) yield return hash;
        }
    }
}
