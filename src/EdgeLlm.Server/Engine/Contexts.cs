using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Server.Engine;

/// <summary>The contexts of the last few conversations: the next turn of one computes only what is new in it.</summary>
internal sealed class Contexts(LanguageModel model, int most) : IDisposable
{
    private readonly LinkedList<TextGenerator> _generators = []; // the last used one first

    /// <summary>
    /// The context that goes on with a prompt: one that shares at least half of what it holds with it. Another would lose its conversation, so an
    /// empty one is taken, or a new one made, or at last that taken which was not used for the longest time.
    /// </summary>
    public TextGenerator For(IReadOnlyList<int> prompt)
    {
        TextGenerator? generator = null;
        int longest = 0;
        foreach (TextGenerator candidate in _generators)
        {
            int common = CommonBeginning(candidate.CachedTokens, prompt);
            if (common <= longest || 2 * common < candidate.CachedTokens.Count) continue;
            generator = candidate;
            longest = common;
        }
        generator ??= _generators.FirstOrDefault(candidate => candidate.CachedTokens.Count == 0);
        generator ??= _generators.Count < most ? new TextGenerator(model) : _generators.Last!.Value;
        _generators.Remove(generator);
        _generators.AddFirst(generator);
        return generator;
    }

    public void Dispose()
    {
        foreach (TextGenerator generator in _generators) generator.Dispose();
    }

    private static int CommonBeginning(IReadOnlyList<int> a, IReadOnlyList<int> b)
    {
        int length = 0, most = Math.Min(a.Count, b.Count);
        while (length < most && a[length] == b[length]) length++;
        return length;
    }
}
