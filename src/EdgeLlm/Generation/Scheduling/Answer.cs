using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// A request on its way through a <see cref="Scheduler"/>. The scheduler never waits for the reader: a slow one finds the text in memory,
/// which a context's length bounds. One reader, on any thread.
/// </summary>
public sealed class Answer
{
    private readonly Lock _gate = new();
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenSource _stop;
    private char[] _text; // large enough for an answer that nobody reads meanwhile, unless it is very long
    private int _read;
    private int _written;
    private List<TokenLogProbability>? _measured; // of the text that is not read
    private TaskCompletionSource? _waiter; // the reader's, who waits for text or the end
    private Exception? _failure;
    private TimeSpan _progressed; // when the prompt was computed as far as it is
    private int _cached;
    private int _computed;
    private bool _ended;
    private int _isLetGo;

    /// <param name="abort">Fires when the scheduler stops.</param>
    /// <param name="limit">Longest time; zero: any.</param>
    internal Answer(LanguageModel model, AnswerRequest request, TimeSpan limit, CancellationToken abort, CancellationToken cancellation)
    {
        (Model, Request, _cancellation) = (model, request, cancellation);
        _text = new char[request.Options.MaxTokens > 0 ? Math.Clamp(8 * (long)request.Options.MaxTokens, 256, 8192) : 8192];
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, abort);
        if (limit > TimeSpan.Zero) _stop.CancelAfter(limit);
        Stop = _stop.Token;
    }

    /// <summary>The model that answers.</summary>
    public LanguageModel Model { get; }

    /// <summary>Request of the answer.</summary>
    public AnswerRequest Request { get; }

    /// <summary>The answer's tokens, once it has ended.</summary>
    public IReadOnlyList<int> Tokens { get; private set; } = [];

    /// <summary>Statistics of the answer, once it has ended.</summary>
    public GenerationStatistics Statistics { get; private set; }

    /// <summary>Number of tokens of the answer so far.</summary>
    public int Generated { get; internal set; }

    /// <summary>How long it waited for its turn.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>
    /// How far its prompt is computed: its tokens, those that were in the cache, those that are done with them, and the time since its turn
    /// came. Of the past once the answer has begun.
    /// </summary>
    public (int Total, int Cached, int Computed, TimeSpan Time) Progress
    {
        get
        {
            lock (_gate) return (Request.Prompt.Count, _cached, _computed, _computed > 0 ? _progressed - Waited : TimeSpan.Zero);
        }
    }

    /// <summary>From the request's arrival until now.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_submitted);

    /// <summary>When its turn came, by a clock that only compares.</summary>
    internal TimeSpan BegunAt => Stopwatch.GetElapsedTime(0, _submitted) + Waited;

    /// <summary>Whether it has ended or failed.</summary>
    public bool HasEnded
    {
        get
        {
            lock (_gate) return _ended;
        }
    }

    /// <summary>Fires when the caller asks for the end, the time is over or the scheduler stops.</summary>
    internal CancellationToken Stop { get; }

    /// <summary>Whether the caller asked for its end.</summary>
    internal bool IsCancelled => _cancellation.IsCancellationRequested;

    /// <summary>Whether the first text, or the end, has come within this time.</summary>
    public async Task<bool> HasBegunAsync(TimeSpan within)
    {
        Task begun = WaitAsync();
        return begun.IsCompleted || await Task.WhenAny(begun, Task.Delay(within, _cancellation))
            .ConfigureAwait(false) == begun || IsCancelled;
    }

    /// <summary>The text piece by piece, as it is computed: whole characters only.</summary>
    /// <exception cref="OperationCanceledException">The caller asked for the end.</exception>
    /// <exception cref="SchedulerBusyException">As of <see cref="ReadPiecesAsync"/>, whose other exceptions come too.</exception>
    public async IAsyncEnumerable<string> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (AnswerPiece piece in ReadPiecesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (piece.Text.Length > 0) yield return piece.Text;
        }
    }

    /// <summary>
    /// The text piece by piece, as it is computed, with the probabilities of its tokens where
    /// <see cref="GenerationOptions.LogProbabilities"/> asks for them.
    /// </summary>
    /// <exception cref="OperationCanceledException">The caller asked for the end.</exception>
    /// <exception cref="SchedulerBusyException">The scheduler was stopped before the answer ended, or its turn did not come in
    /// time.</exception>
    /// <exception cref="ContextFullException">There is no room left, and the options ask for an error then.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public async IAsyncEnumerable<AnswerPiece> ReadPiecesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            await WaitAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            string text;
            IReadOnlyList<TokenLogProbability> tokens = [];
            bool ended;
            lock (_gate)
            {
                text = new string(_text, _read, _written - _read);
                _read = _written = 0;
                if (_measured is not null) (tokens, _measured) = (_measured, null);
                ended = _ended;
                if (ended && text.Length == 0 && _failure is { } failure) throw failure;
            }
            if (text.Length > 0 || tokens.Count > 0) yield return new AnswerPiece(text, tokens);
            else if (ended) yield break;
        }
    }

    /// <summary>All of the text, when it has ended; exceptions as of <see cref="ReadAsync"/>.</summary>
    public async Task<string> ReadToEndAsync()
    {
        var all = new StringBuilder();
        await foreach (string piece in ReadAsync().ConfigureAwait(false)) all.Append(piece);
        return all.ToString();
    }

    internal void Begin() => Waited = Elapsed;

    /// <summary>Notes how far the prompt is computed.</summary>
    internal void Computed(int cached, int computed)
    {
        lock (_gate) (_cached, _computed, _progressed) = (cached, computed, Elapsed);
    }

    /// <summary>Appends text for the reader. Allocates only where a reader is slower than the model.</summary>
    internal void Write(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return;
        TaskCompletionSource? waiter;
        lock (_gate)
        {
            if (_text.Length < _written + text.Length) Array.Resize(ref _text, 2 * (_written + text.Length));
            text.CopyTo(_text.AsSpan(_written));
            _written += text.Length;
            (waiter, _waiter) = (_waiter, null);
        }
        waiter?.TrySetResult();
    }

    /// <summary>Appends the probabilities of a token whose text is written next or was written last.</summary>
    internal void Add(TokenLogProbability token)
    {
        lock (_gate) (_measured ??= []).Add(token);
    }

    internal void End(IReadOnlyList<int> tokens, GenerationStatistics statistics) => End(tokens, statistics, null);

    /// <summary>Ends it with an exception for the reader; one that has ended already stays as it is.</summary>
    internal void Fail(Exception exception) => End([], default, exception);

    /// <summary>Notes what an answer took that its caller ended.</summary>
    internal void Took(GenerationStatistics statistics)
    {
        lock (_gate)
        {
            if (Statistics.PromptTokens == 0) Statistics = statistics;
        }
    }

    /// <summary>Nothing computes for it any more.</summary>
    /// <param name="hold">Whether what it held is let go, too.</param>
    internal void LetGo(bool hold = true)
    {
        if (Interlocked.Exchange(ref _isLetGo, 1) != 0) return;
        _stop.Dispose();
        if (hold) Request.Hold?.Dispose();
    }

    private void End(IReadOnlyList<int> tokens, GenerationStatistics statistics, Exception? failure)
    {
        TaskCompletionSource? waiter;
        lock (_gate)
        {
            if (_ended) return;
            (_ended, _failure, Tokens, Statistics) = (true, failure, tokens, statistics);
            (waiter, _waiter) = (_waiter, null);
        }
        waiter?.TrySetResult();
    }

    /// <summary>
    /// Ends when there is text or the end. Completed by the scheduler's thread, whose continuations run on the pool: it allocates nothing
    /// there.
    /// </summary>
    private Task WaitAsync()
    {
        lock (_gate)
        {
            if (_written > _read || _ended) return Task.CompletedTask;
            _waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _waiter.Task;
        }
    }
}

/// <summary>A piece of an answer.</summary>
/// <param name="Text">Whole characters; may be empty.</param>
/// <param name="Tokens">Probabilities of the tokens whose text ends in it, where they are asked for.</param>
public readonly record struct AnswerPiece(string Text, IReadOnlyList<TokenLogProbability> Tokens);
