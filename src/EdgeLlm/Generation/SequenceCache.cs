using EdgeLlm.Models;

namespace EdgeLlm.Generation;

/// <summary>A context, and the tokens whose keys and values it holds: what a prompt shares with them is not computed again.</summary>
internal sealed class SequenceCache(LanguageModel model) : IDisposable
{
    private readonly List<int> _tokens = [];

    public LanguageModel Model => model;

    public KvCache Memory { get; } = model.CreateCache();

    /// <summary>The tokens that it holds.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>How many tokens a prompt begins with that it holds.</summary>
    public int CommonWith(IReadOnlyList<int> prompt)
    {
        int common = 0, most = Math.Min(_tokens.Count, prompt.Count);
        while (common < most && _tokens[common] == prompt[common]) common++;
        return common;
    }

    /// <summary>Forgets all but the longest common beginning with a prompt that the model can go on from; the prompt's last token is computed in any case, for its logits.</summary>
    /// <returns>How many tokens need not be computed.</returns>
    public int Reuse(IReadOnlyList<int> prompt)
    {
        int common = Memory.Truncate(Math.Min(CommonWith(prompt), prompt.Count - 1));
        _tokens.RemoveRange(common, _tokens.Count - common);
        return common;
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
        Memory.Truncate(0);
        _tokens.Clear();
    }

    public void Dispose() => Memory.Dispose();
}
