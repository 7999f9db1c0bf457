using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;

namespace EdgeLlm.Server.Engine;

/// <summary>The contexts of the last few conversations: the next turn of one computes only what is new in it.</summary>
internal sealed class Contexts(LanguageModel model, int most) : IDisposable
{
    private readonly LinkedList<SequenceCache> _caches = []; // the last used one first

    /// <summary>
    /// The context that goes on with a prompt: one that shares at least half of what it holds with it. Another would lose its conversation, so an
    /// empty one is taken, or a new one made, or at last that taken which was not used for the longest time.
    /// </summary>
    /// <param name="scope">Whose conversation it is: others' contexts do not count.</param>
    public SequenceCache For(IReadOnlyList<int> prompt, PrefixScope scope)
    {
        SequenceCache? cache = null;
        int longest = 0;
        foreach (SequenceCache candidate in _caches.Where(candidate => candidate.Scope == scope))
        {
            int common = candidate.Memory.Keeps(candidate.CommonWith(prompt));
            if (common <= longest || 2 * common < candidate.Tokens.Count) continue;
            cache = candidate;
            longest = common;
        }
        cache ??= _caches.FirstOrDefault(candidate => candidate.Tokens.Count == 0);
        cache ??= _caches.Count < most ? new SequenceCache(model) : _caches.Last!.Value;
        _caches.Remove(cache);
        _caches.AddFirst(cache);
        return cache;
    }

    public void Dispose()
    {
        foreach (SequenceCache cache in _caches) cache.Dispose();
    }
}
