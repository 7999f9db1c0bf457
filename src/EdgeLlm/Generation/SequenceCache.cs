using System.Runtime.InteropServices;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Generation;

/// <summary>
/// A context, and the tokens whose keys and values it holds: what a prompt shares with them, or with those of the model's
/// <see cref="PrefixCache"/>, is not computed again.
/// </summary>
internal sealed class SequenceCache(LanguageModel model) : IDisposable
{
    private readonly List<int> _tokens = new(model.ContextLength); // a token allocates nothing
    private readonly PrefixCache? _prefixes = PrefixCache.Of(model);
    private SequenceCache? _draft;
    private int _instructions;

    public LanguageModel Model => model;

    public KvCache Memory { get; } = model.CreateCache();

    /// <summary>
    /// The context in which the model's draft model follows this one; made when it is first asked for. Null where there is no draft model.
    /// </summary>
    public SequenceCache? Draft => _draft ??= model.Draft is { } draft ? new SequenceCache(draft) : null;

    /// <summary>Whose it is; another's tokens are forgotten.</summary>
    public PrefixScope Scope
    {
        get;
        set
        {
            if (field == value) return;
            Clear();
            field = value;
        }
    } = PrefixScope.Service;

    /// <summary>
    /// Takes up the adapters and control vectors that tokens are going to be computed with; what was computed with others is forgotten.
    /// </summary>
    public void Adapt(GenerationOptions options)
    {
        Adaptation? adaptation = model.Adapt(options.Adapters, options.ControlVectors);
        Scope = options.Scope with { Variant = adaptation?.Key ?? "" };
        Memory.Adaptation = adaptation;
    }

    /// <summary>The tokens that it holds.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>How many tokens a prompt begins with that it holds.</summary>
    public int CommonWith(IReadOnlyList<int> prompt)
    {
        int common = 0, most = Math.Min(_tokens.Count, prompt.Count);
        while (common < most && _tokens[common] == prompt[common]) common++;
        return common;
    }

    /// <summary>
    /// Forgets all but the longest common beginning with a prompt that the model can continue from, or loads a longer one; the prompt's
    /// last token is computed in any case, for its logits.
    /// </summary>
    /// <param name="instructions">How many of its tokens other conversations are likely to begin with: a system prompt and tools.</param>
    /// <returns>How many tokens need not be computed.</returns>
    public int Reuse(IReadOnlyList<int> prompt, int instructions = 0)
    {
        int most = prompt.Count - 1, common = Math.Min(CommonWith(prompt), most);
        (int loaded, int known) = _prefixes?.Load(Scope, prompt, most, Memory, common) ?? default;
        int kept = loaded > 0 ? loaded : Memory.Truncate(common);
        _tokens.RemoveRange(Math.Min(common, kept), _tokens.Count - Math.Min(common, kept));
        for (int i = _tokens.Count; i < kept; i++) _tokens.Add(prompt[i]);
        _instructions = Math.Min(instructions, prompt.Count);
        // Where a length alone is not enough to go on from, one is kept where the next prompt is likely to part from this one.
        int stop = _instructions > kept ? _instructions : known;
        if (_prefixes is not null && Memory.Pages.CheckpointBytes > 0 && stop >= kept + KvCache.PagePositions && stop < most)
            Memory.StopAt(stop, () => _prefixes.Store(Scope, [.. prompt.Take(stop)], Memory, _instructions));
        return kept;
    }

    /// <summary>
    /// Keeps what it takes to continue from here, in this context and in others: at the end of a prompt and of an answer.
    /// </summary>
    public void Keep()
    {
        Settle();
        Memory.Checkpoint();
        _prefixes?.Store(Scope, _tokens, Memory, _instructions);
    }

    /// <summary>
    /// Forgets what a pass has computed beyond the tokens that were noted; where the model can't go back so little, more.
    /// </summary>
    /// <returns>Noted tokens that have to be computed again; valid until others are noted.</returns>
    public ReadOnlySpan<int> Settle()
    {
        if (Memory.Length <= _tokens.Count) return [];
        ReadOnlySpan<int> noted = CollectionsMarshal.AsSpan(_tokens);
        return noted[CutTo(noted.Length)..]; // the list's memory stays as it is until it grows
    }

    /// <summary>Forgets all tokens but the first; where the model can't go back so little, more.</summary>
    /// <returns>How many are left.</returns>
    public int CutTo(int length)
    {
        int kept = Memory.Truncate(length);
        _tokens.RemoveRange(kept, _tokens.Count - kept);
        return kept;
    }

    /// <summary>Notes tokens that a pass has computed after those that it holds.</summary>
    public void Append(ReadOnlySpan<int> tokens) => _tokens.AddRange(tokens);

    /// <summary>Notes the tokens of a context that was read from a file.</summary>
    public void Restore(IReadOnlyList<int> tokens)
    {
        _tokens.Clear();
        _tokens.AddRange(tokens);
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        CutTo(0);
        _draft?.CutTo(0);
    }

    public void Dispose()
    {
        Memory.Dispose();
        _draft?.Dispose();
    }
}
