using System.Runtime.CompilerServices;
using EdgeLlm.Models;

namespace EdgeLlm.Generation;

/// <summary>
/// Tokens in, text out, over one context. What a prompt shares with the text before it (a system prompt, the turns so far) is not computed
/// again. Not for several threads at once.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private Sequence? _sequence; // the last answer
    private int _answering;

    /// <summary>A generator with an empty context of the model's length.</summary>
    public TextGenerator(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Context = new SequenceCache(model);
    }

    /// <summary>The model.</summary>
    public LanguageModel Model => Context.Model;

    /// <summary>Statistics of the last answer, or of the one that is running so far.</summary>
    public GenerationStatistics Statistics => _sequence?.Statistics ?? default;

    internal SequenceCache Context { get; }

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">Token ids, at least one; see <see cref="Tokenization.Tokenizer.Encode(string, bool, bool)"/>.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellationToken">Ends the answer at once; the text so far has been given.</param>
    /// <returns>The text, piece by piece: whole characters only.</returns>
    /// <exception cref="ContextFullException">The prompt, or the answer before it ended, is longer than the context.</exception>
    /// <exception cref="InvalidOperationException">Another answer of this generator has not ended.</exception>
    /// <exception cref="ObjectDisposedException">The generator or the model was disposed of, before or while the answer was
    /// given.</exception>
    public async IAsyncEnumerable<string> GenerateAsync(
        IReadOnlyList<int> prompt, GenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        using AnswerTurn turn = BeginAnswer();
        Sequence answer = Begin(prompt, options ?? new GenerationOptions());
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
        Context.Clear();
    }

    /// <summary>
    /// Gives the context's memory back; an answer that is being given ends with <see cref="ObjectDisposedException"/> at its next step.
    /// </summary>
    public void Dispose() => Context.Dispose();

    /// <summary>Holds off other answers until it is disposed of.</summary>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    internal AnswerTurn BeginAnswer()
    {
        Context.Memory.ThrowIfDisposed();
        if (Interlocked.CompareExchange(ref _answering, 1, 0) != 0)
            throw new InvalidOperationException(
                "an answer is being given: let it end (or dispose of its enumerator) before the next one begins");
        return new AnswerTurn(this);
    }

    /// <summary>The time of one answer.</summary>
    internal readonly struct AnswerTurn(TextGenerator generator) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref generator._answering, 0);
    }

    /// <summary>Begins an answer, within a turn of the caller's.</summary>
    internal Sequence Begin(IReadOnlyList<int> prompt, GenerationOptions options, Func<int, IReadOnlyList<int>?>? shorten = null)
    {
        var sequence = new Sequence(Context, options, shorten);
        sequence.Begin(prompt);
        _sequence = sequence;
        return sequence;
    }
}
