using System.Runtime.CompilerServices;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Tools;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>Answers to requests: by intents, else by the model.</summary>
internal static class Answers
{
    /// <summary>The answer to a request, piece by piece.</summary>
    /// <param name="route">What the router made of the words.</param>
    /// <param name="model">Answers what no intent does; null: nothing does.</param>
    /// <param name="isBusy">Is told when a tool begins (true) and ends (false).</param>
    /// <param name="asks">Is told that the answer is a question that takes a yes.</param>
    public static async IAsyncEnumerable<string> OfAsync(
        Route route, Turn turn, ToolGate gate, AnswerByModel? model, Action<bool> isBusy, Action asks,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        switch (route.Kind)
        {
            case RouteKind.Quit or RouteKind.No or RouteKind.Yes:
                yield break;
            case RouteKind.Answer:
                yield return route.Answer!;
                yield break;
            case RouteKind.Calls:
                var said = new List<string>();
                bool isAsked = false;
                foreach (ToolCall call in route.Calls)
                {
                    isBusy(true);
                    ToolResult result = await gate.CallAsync(call, turn, isByModel: route.IsGuess, cancellation).ConfigureAwait(false);
                    isBusy(false);
                    said.Add(result.Spoken);
                    if (!(isAsked = result.Status == ToolStatus.Asks)) continue;
                    asks();
                    break; // one question at a time
                }
                yield return isAsked || route.Answer is null ? string.Join(" ", said) : route.Answer;
                yield break;
            default:
                if (model is null)
                {
                    yield return route.Words.Say("nomodel");
                    yield break;
                }
                await foreach (string piece in model(turn, isBusy, asks, cancellation).ConfigureAwait(false)) yield return piece;
                yield break;
        }
    }
}

/// <summary>
/// Conversations in text with peers on the network, such as Home Assistant: each has a history of its own, by its name; what has not been
/// used for half an hour, or is older than the newest 32, is forgotten. Safe for use by several threads; the requests of one conversation
/// take turns.
/// </summary>
/// <param name="makeTalk">Makes a conversation with the model; null: only intents.</param>
internal sealed class TextConversations(IntentRouter router, ToolGate gate, Func<ModelTalk>? makeTalk, TimeProvider time)
{
    private const int Most = 32;

    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(30);

    private readonly Lock _turn = new();
    private readonly List<Conversation> _all = []; // the newest last

    /// <summary>Conversations that are remembered.</summary>
    public int Count
    {
        get { lock (_turn) return _all.Count; }
    }

    /// <inheritdoc cref="Wyoming.HandleText"/>
    public async IAsyncEnumerable<string> AnswerAsync(string text, string name, [EnumeratorCancellation] CancellationToken cancellation)
    {
        Conversation conversation = Find(name);
        await conversation.Waiting.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            Route route = router.Find(text);
            if (route.Kind is RouteKind.Quit or RouteKind.No or RouteKind.Yes)
                yield return route.Words.Say("declined"); // a yes over the network confirms nothing
            var turn = new Turn(Source.Wyoming, text, route.Words);
            await foreach (string piece in Answers.OfAsync(route, turn, gate, conversation.Talk is { } talk ? talk.AnswerAsync : null,
                static _ => { }, static () => { }, cancellation).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            conversation.Waiting.Release();
        }
    }

    private Conversation Find(string name)
    {
        using Lock.Scope turn = _turn.EnterScope();
        _all.RemoveAll(one => time.GetElapsedTime(one.Used) > LongestRest);
        Conversation found = _all.Find(one => one.Name == name) ?? new Conversation(name, makeTalk?.Invoke());
        _all.Remove(found);
        if (_all.Count >= Most) _all.RemoveAt(0);
        found.Used = time.GetTimestamp();
        _all.Add(found);
        return found;
    }

    private sealed record Conversation(string Name, ModelTalk? Talk)
    {
        public SemaphoreSlim Waiting { get; } = new(1);

        public long Used { get; set; }
    }
}
