using System.Runtime.CompilerServices;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// An <see cref="IChatClient"/> over a model in this process. Requests at once are computed together, as far as the model has contexts for
/// them (<see cref="ModelOptions.Contexts"/>), and wait for each other beyond; what one shares with an earlier one is not computed again.
/// <see cref="ChatOptions.AdditionalProperties"/> takes `min_p`, `typical_p`, `repeat_penalty` and `repeat_last_n`. Tools are shown to the
/// model, whose calls come back as <see cref="FunctionCallContent"/> with arguments that fit their schemas; Microsoft.Extensions.AI's
/// function invocation calls them.
/// </summary>
/// <remarks>
/// Requests throw <see cref="NotSupportedException"/> where they ask for a kept conversation, a response format beside tools that the model
/// may call, or content other than text, and <see cref="ArgumentException"/> for another model, an unknown role, no messages or an option
/// out of its range, and
/// <see cref="EdgeLlm.Sampling.Constraints.ConstraintException"/> where a response format's schema has what is not supported or leaves no
/// room for an answer.
/// </remarks>
public sealed partial class EdgeLlmChatClient : IChatClient
{
    private const int MostWaiting = 4096;

    private readonly LanguageModel _model;
    private readonly bool _ownsModel;
    private readonly Scheduler _scheduler = new(new SchedulerOptions { Queue = MostWaiting });
    private readonly ChatFormat _format;
    private readonly ChatClientMetadata _metadata;
    private readonly ILogger _logger;
    private volatile bool _closed;

    /// <param name="model">The model.</param>
    /// <param name="ownsModel">Whether disposing of the client disposes of the model.</param>
    /// <param name="logger">Receives the numbers of each answer at level Debug, never a text.</param>
    public EdgeLlmChatClient(LanguageModel model, bool ownsModel = false, ILogger<EdgeLlmChatClient>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _ownsModel = ownsModel;
        _logger = logger ?? NullLogger<EdgeLlmChatClient>.Instance;
        _format = new ChatFormat(model);
        _metadata = new ChatClientMetadata("edgellm", defaultModelId: model.Name);
    }

    /// <inheritdoc/>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        CancellationToken cancellationToken = default) =>
        await GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ObjectDisposedException.ThrowIf(_closed, this);
        Unsupported.Refuse(options, _model);
        ToolCalling tools = ChatMapping.ToTools(_format, options);
        List<int> prompt = _format.Encode(ChatMapping.ToRequest([.. messages], options) with { Tools = tools.Definitions });
        GenerationOptions generation = WithTools(tools, ChatMapping.ToGeneration(options), prompt);
        AnswerParser parser = tools.CreateParser(prompt);
        string id = Guid.NewGuid().ToString("N");
        DateTimeOffset created = DateTimeOffset.UtcNow;
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken); // fires when the reader leaves, too
        try
        {
            Answer answer =
                await OrDisposedAsync(() => ValueTask.FromResult(
                    _scheduler.Submit(_model, new AnswerRequest(prompt) { Options = generation }, left.Token))).ConfigureAwait(false);
            await using ConfiguredCancelableAsyncEnumerable<string>.Enumerator pieces =
                answer.ReadAsync(left.Token).ConfigureAwait(false).GetAsyncEnumerator();
            while (await OrDisposedAsync(async () => await pieces.MoveNextAsync()).ConfigureAwait(false))
            {
                foreach (AnswerPart part in parser.Add(pieces.Current))
                {
                    if (ContentOf(part, parser) is { } content) yield return Update(content, null);
                }
            }
            foreach (AnswerPart part in parser.End())
            {
                if (ContentOf(part, parser) is { } content) yield return Update(content, null);
            }
            GenerationStatistics statistics = answer.Statistics;
            LogAnswer(_logger, statistics.PromptTokens, statistics.CachedTokens, statistics.TimeToFirstToken.TotalMilliseconds,
                statistics.GeneratedTokens,
                statistics.TokensPerSecond, statistics.FinishReason);
            ChatFinishReason reason = statistics.WasCutShort ? ChatFinishReason.Length : parser.Calls.Count > 0
                ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop;
            yield return Update(new UsageContent(new UsageDetails
            {
                InputTokenCount = statistics.PromptTokens,
                CachedInputTokenCount = statistics.CachedTokens,
                OutputTokenCount = statistics.GeneratedTokens,
                TotalTokenCount = statistics.PromptTokens + statistics.GeneratedTokens,
            }), reason);
        }
        finally
        {
            await left.CancelAsync().ConfigureAwait(false);
        }

        ChatResponseUpdate Update(AIContent content, ChatFinishReason? reason) => new(ChatRole.Assistant, [content])
        {
            ResponseId = id,
            MessageId = id,
            ModelId = _model.Name,
            CreatedAt = created,
            FinishReason = reason,
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ClientServices.Find(serviceType, serviceKey, this, _metadata, _model);

    /// <summary>
    /// Ends all requests with <see cref="ObjectDisposedException"/>; one that is computing at the model's next layer, which is waited for.
    /// </summary>
    public void Dispose()
    {
        _closed = true;
        _scheduler.Dispose();
        if (_ownsModel) _model.Dispose();
    }

    private static GenerationOptions WithTools(ToolCalling tools, GenerationOptions options, IReadOnlyList<int> prompt)
    {
        try
        {
            return tools.Apply(options, prompt);
        }
        catch (ToolException exception)
        {
            throw new NotSupportedException(exception.Message);
        }
    }

    /// <summary>Text, thoughts, or a call when it is whole.</summary>
    private static AIContent? ContentOf(AnswerPart part, AnswerParser parser) => part.Kind switch
    {
        AnswerPartKind.Content => new TextContent(part.Text),
        AnswerPartKind.Reasoning => new TextReasoningContent(part.Text),
        AnswerPartKind.CallEnd => ChatMapping.ToContent(parser.Calls[part.Call]),
        _ => null,
    };

    /// <summary>A step of an answer, whose end by <see cref="Dispose"/> is told as such.</summary>
    private async ValueTask<T> OrDisposedAsync<T>(Func<ValueTask<T>> step)
    {
        try
        {
            T result = await step().ConfigureAwait(false);
            ObjectDisposedException.ThrowIf(_closed, this); // what was computed before is not given any more
            return result;
        }
        catch (SchedulerBusyException) when (_closed)
        {
            throw new ObjectDisposedException(nameof(EdgeLlmChatClient));
        }
    }

    [LoggerMessage(LogLevel.Debug,
        "a prompt of {PromptTokens} tokens ({CachedTokens} known), the first token after {Milliseconds:F0} ms, {GeneratedTokens} tokens at {Rate:F1} a second: {Reason}")]
    private static partial void LogAnswer(
        ILogger logger, int promptTokens, int cachedTokens, double milliseconds, int generatedTokens, double rate, FinishReason reason);
}
