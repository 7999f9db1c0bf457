using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Server.Engine;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Answers;

/// <summary>
/// The answers to a request while they are computed. Several to one prompt share its computation: the others begin when the first has its
/// first token.
/// </summary>
internal sealed class AnswerRun : IDisposable
{
    private readonly InferenceEngine _engine;
    private readonly ServerLog _log;
    private readonly HttpContext _context;
    private readonly ModelLease _lease;
    private readonly CancellationTokenSource _cancellation;
    private readonly Answer?[] _answers;
    private readonly AnswerRequest[] _asked;
    private readonly AnswerParser[] _parsers;
    private readonly ToolCalling? _calling;
    private readonly int _choices; // of each prompt

    /// <param name="calling">The tools of a conversation; null: the prompts are not conversations.</param>
    /// <param name="asked">A request for each prompt.</param>
    public AnswerRun(InferenceEngine engine, ServerLog log, HttpContext context, ModelLease lease, GenerationRequest request,
        ToolCalling? calling, IReadOnlyList<AnswerRequest> asked)
    {
        (_engine, _log, _context, _lease, _choices) = (engine, log, context, lease, request.Choices);
        _cancellation = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        _asked = [.. asked.SelectMany(one => Enumerable.Range(0, _choices).Select(i => i == 0 ? one : WithSeed(one, i)))];
        _answers = new Answer?[_asked.Length];
        _calling = calling;
        _parsers = [.. _asked.Select(one => calling?.CreateParser(one.Prompt) ?? new AnswerParser(null, []))];
        Served = request.Served;
        try
        {
            for (int i = 0; i < _answers.Length; i += _choices) Submit(i);
        }
        catch
        {
            _cancellation.Cancel();
            _cancellation.Dispose();
            throw;
        }
    }

    /// <summary>The model that answers, as clients know it.</summary>
    public ServedModel Served { get; }

    /// <summary>The model that answers.</summary>
    public LanguageModel Model => _lease.Model;

    /// <summary>How many answers there are.</summary>
    public int Count => _answers.Length;

    /// <summary>An answer that has begun, by its number.</summary>
    public Answer this[int choice] => _answers[choice]!;

    /// <summary>Statistics of all answers together, once they have ended; a prompt that several share counts once.</summary>
    public GenerationStatistics Statistics
    {
        get
        {
            GenerationStatistics sum = this[0].Statistics;
            for (int i = 1; i < Count; i++)
            {
                GenerationStatistics one = this[i].Statistics;
                bool isFirst = i % _choices == 0;
                sum = sum with
                {
                    PromptTokens = sum.PromptTokens + (isFirst ? one.PromptTokens : 0),
                    CachedTokens = sum.CachedTokens + (isFirst ? one.CachedTokens : 0),
                    GeneratedTokens = sum.GeneratedTokens + one.GeneratedTokens,
                    DraftedTokens = sum.DraftedTokens + one.DraftedTokens,
                    AcceptedTokens = sum.AcceptedTokens + one.AcceptedTokens,
                };
            }
            return sum;
        }
    }

    /// <summary>Fingerprint of the model and way of computing; null until it is known.</summary>
    public string? Fingerprint => _engine.FingerprintOf(Model);

    /// <summary>How far the first answer's prompt is computed.</summary>
    public (int Total, int Cached, int Computed, TimeSpan Time) PromptProgress => this[0].Progress;

    /// <summary>The calls of tools in an answer, as far as they have come.</summary>
    public IReadOnlyList<ChatToolCall> CallsOf(int choice) => _parsers[choice].Calls;

    /// <summary>The tool of a name; null where there is none.</summary>
    public ToolDefinition? FindTool(string name) => _calling?.Find(name);

    /// <summary>
    /// Warnings: parts of the tools' schemas that the answers were not held to, and calls that do not satisfy theirs; null for none.
    /// </summary>
    public IReadOnlyList<string>? Warnings
    {
        get
        {
            if (_calling is not { IsOn: true }) return null;
            List<string> warnings = [.. _calling.Warnings];
            for (int i = 0; i < Count; i++)
            {
                if (!this[i].Statistics.WasCutShort) warnings.AddRange(CallsOf(i).Select(_calling.Check).OfType<string>());
            }
            return warnings.Count > 0 ? warnings : null;
        }
    }

    /// <summary>How many answers end before the first one begins.</summary>
    public int CountBefore => _engine.CountBefore(this[0]);

    /// <summary>Whether the first text, or the end, has come within this time.</summary>
    public Task<bool> HasBegunAsync(TimeSpan within) => this[0].HasBegunAsync(within);

    /// <summary>The answers piece by piece, in the order in which they are computed; each answer's last piece says so.</summary>
    /// <exception cref="Exception">As of <see cref="Answer.ReadPiecesAsync"/>.</exception>
    public async IAsyncEnumerable<ChoicePiece> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        if (Count == 1)
        {
            await foreach (ChoicePiece piece in ReadAsync(0).WithCancellation(cancellationToken).ConfigureAwait(false)) yield return piece;
            yield break;
        }
        var pieces = Channel.CreateUnbounded<ChoicePiece>(new UnboundedChannelOptions { SingleReader = true });
        Task all = Task.WhenAll(Enumerable.Range(0, Count)
            .Select(choice => Task.Run(() => PumpAsync(choice, pieces.Writer), CancellationToken.None)))
            .ContinueWith(_ => pieces.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        await foreach (ChoicePiece piece in pieces.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false)) yield return piece;
        await all.ConfigureAwait(false);
    }

    /// <summary>The answers as a whole, when they have ended; exceptions as of <see cref="ReadAsync(CancellationToken)"/>.</summary>
    public async Task<WholeAnswer[]> ReadToEndAsync()
    {
        StringBuilder[] texts = [.. _answers.Select(_ => new StringBuilder())], thoughts = [.. _answers.Select(_ => new StringBuilder())];
        List<TokenLogProbability>[] tokens = [.. _answers.Select(_ => new List<TokenLogProbability>())];
        await foreach (ChoicePiece piece in ReadAsync().ConfigureAwait(false))
        {
            texts[piece.Choice].Append(piece.Text);
            thoughts[piece.Choice].Append(piece.Thought);
            tokens[piece.Choice].AddRange(piece.Tokens);
        }
        return [.. Enumerable.Range(0, Count)
            .Select(i => new WholeAnswer(this[i], texts[i].ToString(), thoughts[i].ToString(), tokens[i]) { Calls = CallsOf(i) })];
    }

    /// <summary>Ends what still runs, and lets the model go.</summary>
    public void Dispose()
    {
        if (_answers.Any(answer => answer is null or { HasEnded: false })) _cancellation.Cancel();
        _cancellation.Dispose();
        _lease.Dispose();
    }

    private static AnswerRequest WithSeed(AnswerRequest request, int choice) =>
        request with
        {
            Options =
            request.Options with { Sampling = request.Options.Sampling with { Seed = request.Options.Sampling.Seed + (ulong)choice } }
        };

    private void Submit(int choice) => _answers[choice] = _engine.Submit(_lease, _asked[choice], _cancellation.Token);

    private async IAsyncEnumerable<ChoicePiece> ReadAsync(int choice)
    {
        AnswerParser parser = _parsers[choice];
        await foreach (AnswerPiece piece in this[choice].ReadPiecesAsync().ConfigureAwait(false))
        {
            ChoicePiece next = ChoicePiece.Of(choice, parser.Add(piece.Text), piece.Tokens);
            if (!next.IsEmpty) yield return next;
        }
        yield return ChoicePiece.Of(choice, parser.End(), []) with { IsLast = true };
        _log.Answer(_context, this[choice]);
    }

    private async Task PumpAsync(int choice, ChannelWriter<ChoicePiece> pieces)
    {
        try
        {
            if (_answers[choice] is null)
            {
                while (!await this[choice - choice % _choices].HasBegunAsync(TimeSpan.FromMinutes(1)).ConfigureAwait(false)) { }
                Submit(choice);
            }
            await foreach (ChoicePiece piece in ReadAsync(choice).ConfigureAwait(false)) pieces.TryWrite(piece);
        }
        catch (Exception exception)
        {
            pieces.TryComplete(exception);
            await _cancellation.CancelAsync().ConfigureAwait(false);
        }
    }
}

/// <summary>A piece of one of a request's answers.</summary>
/// <param name="Choice">The answer's number.</param>
/// <param name="Text">Text of the answer itself; may be empty.</param>
/// <param name="Thought">Text of what the model thinks before it; may be empty.</param>
/// <param name="Tokens">Probabilities of the tokens of it, where they are asked for.</param>
internal readonly record struct ChoicePiece(int Choice, string Text, string Thought, IReadOnlyList<TokenLogProbability> Tokens)
{
    /// <summary>Whether the answer has ended with it.</summary>
    public bool IsLast { get; init; }

    /// <summary>Parts of calls of tools, which come after the text.</summary>
    public IReadOnlyList<AnswerPart> Calls { get; init; } = [];

    /// <summary>Whether there is nothing in it.</summary>
    public bool IsEmpty => Text.Length == 0 && Thought.Length == 0 && Tokens.Count == 0 && Calls.Count == 0;

    /// <summary>A piece of parts of an answer.</summary>
    public static ChoicePiece Of(int choice, IReadOnlyList<AnswerPart> parts, IReadOnlyList<TokenLogProbability> tokens)
    {
        return new ChoicePiece(choice, TextOf(AnswerPartKind.Content), TextOf(AnswerPartKind.Reasoning), tokens)
        {
            Calls =
                [.. parts.Where(part => part.Kind is AnswerPartKind.CallBegin or AnswerPartKind.CallArguments or AnswerPartKind.CallEnd)],
        };

        string TextOf(AnswerPartKind kind) => string.Concat(parts.Where(part => part.Kind == kind).Select(part => part.Text));
    }
}

/// <summary>A whole answer.</summary>
/// <param name="Answer">What was computed.</param>
/// <param name="Text">Its text.</param>
/// <param name="Thought">What the model thought before it.</param>
/// <param name="Tokens">Probabilities of its tokens, where they are asked for.</param>
internal sealed record WholeAnswer(Answer Answer, string Text, string Thought, IReadOnlyList<TokenLogProbability> Tokens)
{
    /// <summary>Its calls of tools.</summary>
    public IReadOnlyList<ChatToolCall> Calls { get; init; } = [];
}
