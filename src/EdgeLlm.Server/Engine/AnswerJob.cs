using System.Diagnostics;
using System.Threading.Channels;
using EdgeLlm.Generation;

namespace EdgeLlm.Server.Engine;

/// <summary>
/// A request on its way through the engine. The engine never waits for the reader: a slow one finds the pieces in memory, which a context's length bounds.
/// </summary>
/// <param name="client">Who asks, for the order of turns.</param>
/// <param name="prompt">Token ids.</param>
/// <param name="options">How to answer.</param>
/// <param name="cancellation">Fires when the client has gone.</param>
internal sealed class AnswerJob(string client, IReadOnlyList<int> prompt, GenerationOptions options, CancellationToken cancellation)
{
    private readonly Channel<string> _pieces = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private Task<bool>? _first;

    public string Client => client;

    public IReadOnlyList<int> Prompt => prompt;

    public GenerationOptions Options => options;

    public CancellationToken Cancellation => cancellation;

    /// <summary>The answer's tokens, once it has ended.</summary>
    public IReadOnlyList<int> Tokens { get; private set; } = [];

    /// <summary>What the answer took, once it has ended.</summary>
    public GenerationStatistics Statistics { get; private set; }

    /// <summary>How long it waited for its turn.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>From the request's arrival until now.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_submitted);

    /// <summary>Whether the first piece, or the end, has come within this time.</summary>
    public async Task<bool> HasBegunAsync(TimeSpan within)
    {
        _first ??= _pieces.Reader.WaitToReadAsync(cancellation).AsTask();
        return await Task.WhenAny(_first, Task.Delay(within, cancellation)).ConfigureAwait(false) == _first || cancellation.IsCancellationRequested;
    }

    /// <summary>The text piece by piece, as it is computed.</summary>
    /// <exception cref="EngineBusyException">The service was stopped before the answer ended.</exception>
    public IAsyncEnumerable<string> ReadAsync() => _pieces.Reader.ReadAllAsync(cancellation);

    public void Begin() => Waited = Elapsed;

    public void Write(string piece) => _pieces.Writer.TryWrite(piece);

    public void End(IReadOnlyList<int> tokens, GenerationStatistics statistics)
    {
        Tokens = tokens;
        Statistics = statistics;
        _pieces.Writer.TryComplete();
    }

    public void Fail(Exception exception) => _pieces.Writer.TryComplete(exception);
}
