using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// A model's contexts: those of the answers that run, and those of the last few conversations, of which the next turn computes only what is
/// new. They are made when they are needed, and take memory only up to the positions that were ever used of them; together as much as the
/// model's plan has.
/// </summary>
internal sealed class ContextPool : IDisposable
{
    private readonly LanguageModel _model;
    private readonly LinkedList<Context> _idle = []; // the last used one first
    private readonly long _budget;
    private long _taken;

    public ContextPool(LanguageModel model)
    {
        _model = model;
        _budget = model.Options.Contexts * BytesOf(model.ContextLength);
    }

    /// <summary>Bytes that its contexts may still come to take, beside what they have taken.</summary>
    public long BytesLeft => _budget - _taken;

    /// <summary>
    /// A context for an answer of a given number of positions, prompt included: the one that continues with the prompt (which shares at
    /// least half of what it holds with it: another would lose its conversation), else a new one. Those that were not used for the longest
    /// time make room. Null where running answers leave none.
    /// </summary>
    /// <param name="scope">Whose conversation it is: others' contexts are not gone on with.</param>
    public Context? Take(IReadOnlyList<int> prompt, int positions, PrefixScope scope)
    {
        if (_taken - _idle.Sum(idle => idle.Bytes) + BytesOf(positions) > _budget)
            return null; // before a conversation is forgotten for nothing
        Context? context = GoesOnWith(prompt, scope);
        if (context is not null) _idle.Remove(context);
        while (_taken + BytesMissing(context, positions) > _budget && _idle.Last is { } last)
        {
            _idle.RemoveLast();
            if (context is null && last.Value.Positions <= positions) context = last.Value; // its memory is there already
            else Drop(last.Value);
        }
        if (context is not null && _taken + BytesMissing(context, positions) > _budget)
        {
            // What it was once used for leaves no room beside the running ones: a new one may.
            Drop(context);
            context = null;
        }
        long more = BytesMissing(context, positions);
        if (_taken + more > _budget) return null;
        context ??= new Context(new SequenceCache(_model));
        _taken += more;
        context.Bytes += more;
        context.Positions = Math.Max(context.Positions, positions);
        return context;
    }

    /// <summary>
    /// Keeps a context for the next turn of its conversation: as many as answer at once. Older ones would fill the plan with short
    /// conversations, which the prefix cache has, too.
    /// </summary>
    public void Return(Context context)
    {
        _idle.AddFirst(context);
        while (_idle.Count > _model.Options.Contexts)
        {
            Drop(_idle.Last!.Value);
            _idle.RemoveLast();
        }
    }

    /// <summary>Gives back the memory of a context that was taken.</summary>
    public void Drop(Context context)
    {
        _taken -= context.Bytes;
        context.Cache.Dispose();
    }

    /// <summary>Gives back the memory of all contexts that no answer uses.</summary>
    public void Dispose()
    {
        foreach (Context context in _idle) context.Cache.Dispose();
        _idle.Clear();
    }

    private Context? GoesOnWith(IReadOnlyList<int> prompt, PrefixScope scope)
    {
        Context? best = null;
        int longest = 0;
        foreach (Context candidate in _idle.Where(idle => idle.Cache.Scope == scope))
        {
            int common = candidate.Cache.Memory.Keeps(candidate.Cache.CommonWith(prompt));
            if (common <= longest || 2 * common < candidate.Cache.Tokens.Count) continue;
            best = candidate;
            longest = common;
        }
        return best;
    }

    /// <summary>Bytes to be reckoned for a context, null for a new one, beside those that are.</summary>
    private long BytesMissing(Context? context, int positions) =>
        context is null ? BytesOf(positions) : BytesOf(Math.Max(context.Positions, positions)) - context.Bytes;

    /// <summary>Bytes of a context that is used up to here, and of its logits.</summary>
    private long BytesOf(int positions) => _model.CacheBytes(Math.Min(positions, _model.ContextLength)) + 4L * _model.Info.VocabularySize;

    /// <summary>A context, and what is reckoned for it.</summary>
    internal sealed class Context(SequenceCache cache)
    {
        public SequenceCache Cache { get; } = cache;

        public long Bytes { get; set; }

        /// <summary>Most positions that an answer was given.</summary>
        public int Positions { get; set; }
    }
}
