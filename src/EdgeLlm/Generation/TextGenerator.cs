using System.Runtime.CompilerServices;
using EdgeLlm.Models;

namespace EdgeLlm.Generation;

/// <summary>
/// Tokens in, text out, over one context. What a prompt shares with the text before it (a system prompt, the turns so far) is not computed again.
/// Not for several threads at once.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly List<int> _cached = []; // the tokens whose keys and values the cache holds
    private int _answering;

    /// <summary>A generator with an empty context of the model's length.</summary>
    public TextGenerator(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        Cache = model.CreateCache();
    }

    /// <summary>The model.</summary>
    public LanguageModel Model { get; }

    /// <summary>What the last answer took, or the one that is running so far.</summary>
    public GenerationStatistics Statistics { get; internal set; }

    internal KvCache Cache { get; }

    internal IReadOnlyList<int> CachedTokens => _cached;

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">Token ids, at least one; see <see cref="Tokenization.Tokenizer.Encode(string, bool, bool)"/>.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the answer at once; the text so far has been given.</param>
    /// <returns>The text, piece by piece: whole characters only.</returns>
    /// <exception cref="ContextFullException">The prompt, or the answer before it ended, is longer than the context.</exception>
    /// <exception cref="InvalidOperationException">Another answer of this generator has not ended.</exception>
    /// <exception cref="ObjectDisposedException">The generator or the model was disposed of, before or while the answer was given.</exception>
    public async IAsyncEnumerable<string> GenerateAsync(
        IReadOnlyList<int> prompt, GenerationOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using AnswerTurn turn = BeginAnswer();
        var answer = new Answer(this, options ?? new GenerationOptions());
        answer.Begin(prompt);
        // A token takes milliseconds of arithmetic: not on the caller's thread, which may be one that draws or serves.
        while (await Task.Run(() => answer.Next(cancellationToken), CancellationToken.None).ConfigureAwait(false) is { } piece)
        {
            if (piece.Length > 0) yield return piece;
        }
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Forgets the context.</summary>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    public void Reset()
    {
        using AnswerTurn turn = BeginAnswer();
        Clear();
    }

    /// <summary>Forgets the context, within a turn of the caller's.</summary>
    internal void Clear()
    {
        Cache.Truncate(0);
        _cached.Clear();
    }

    /// <summary>Gives the context's memory back; an answer that is being given ends with <see cref="ObjectDisposedException"/> at its next step.</summary>
    public void Dispose() => Cache.Dispose();

    /// <summary>Holds off other answers until it is disposed of.</summary>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    internal AnswerTurn BeginAnswer()
    {
        Cache.ThrowIfDisposed();
        if (Interlocked.CompareExchange(ref _answering, 1, 0) != 0)
            throw new InvalidOperationException("an answer is being given: let it end (or dispose of its enumerator) before the next one begins");
        return new AnswerTurn(this);
    }

    /// <summary>The time of one answer.</summary>
    internal readonly struct AnswerTurn(TextGenerator generator) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref generator._answering, 0);
    }

    /// <summary>Makes the cache hold all of a prompt but what <see cref="Compute"/> is still to do: the tokens after the longest common beginning, at least one.</summary>
    /// <returns>How many tokens need not be computed.</returns>
    internal int Reuse(IReadOnlyList<int> prompt)
    {
        int common = 0, most = Math.Min(_cached.Count, prompt.Count - 1);
        while (common < most && _cached[common] == prompt[common]) common++;
        Cache.Truncate(common);
        _cached.RemoveRange(common, _cached.Count - common);
        return common;
    }

    /// <summary>Computes tokens after what the cache holds, and gives the last one's logits [vocabulary].</summary>
    internal Span<float> Compute(ReadOnlySpan<int> tokens, CancellationToken cancellation)
    {
        Span<float> logits = Model.Forward(tokens, Cache, cancellation);
        _cached.AddRange(tokens);
        return logits;
    }

    internal void Restore(IReadOnlyList<int> tokens)
    {
        _cached.Clear();
        _cached.AddRange(tokens);
    }
}
