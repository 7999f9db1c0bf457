using EdgeLlm.Chat;

namespace EdgeLlm.Server.OpenAi.Responses;

/// <summary>
/// Responses that are kept for GET and for those that follow them, each for its key alone: in memory, bounded in number, bytes and time;
/// the oldest go first.
/// </summary>
internal sealed class ResponseStore(TimeProvider time)
{
    private const int MostResponses = 256;
    private const long MostBytes = 64_000_000;

    private static readonly TimeSpan MostTime = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, StoredResponse> _byId = [];
    private readonly Queue<StoredResponse> _byAge = [];
    private long _bytes;

    /// <summary>Keeps a response.</summary>
    public void Add(StoredResponse response)
    {
        lock (_gate)
        {
            response.Expires = time.GetUtcNow() + MostTime;
            _byId[response.Id] = response;
            _byAge.Enqueue(response);
            _bytes += response.Bytes;
            RemoveOld();
        }
    }

    /// <summary>The response of an id and a key; null: there is none, or it is another's.</summary>
    public StoredResponse? Find(string id, string? key)
    {
        lock (_gate)
        {
            RemoveOld();
            return _byId.TryGetValue(id, out StoredResponse? response) && response.Key == key ? response : null;
        }
    }

    /// <summary>Forgets a response.</summary>
    /// <returns>Whether there was one of this key.</returns>
    public bool Remove(string id, string? key)
    {
        lock (_gate)
        {
            if (Find(id, key) is not { } response) return false;
            Drop(response);
            return true;
        }
    }

    private void RemoveOld()
    {
        while (_byAge.TryPeek(out StoredResponse? oldest)
            && (!_byId.ContainsKey(oldest.Id) || oldest.Expires <= time.GetUtcNow() || _byId.Count > MostResponses || _bytes > MostBytes))
        {
            _byAge.Dequeue();
            Drop(oldest);
        }
    }

    private void Drop(StoredResponse response)
    {
        if (_byId.Remove(response.Id)) _bytes -= response.Bytes;
    }
}

/// <summary>A response that is kept.</summary>
/// <param name="Key">The name of the key that it was made for; null: there are no keys.</param>
/// <param name="Turns">The turns of its conversation, with its answer.</param>
/// <param name="Response">The response itself.</param>
internal sealed record StoredResponse(string Id, string? Key, IReadOnlyList<ChatMessage> Turns, Response Response)
{
    /// <summary>Bytes of its texts, about.</summary>
    public long Bytes { get; } = 1000
        + 2 * Turns.Sum(turn => (long)turn.Content.Length + (turn.ReasoningContent?.Length ?? 0)
            + turn.ToolCalls.Sum(call => call.Arguments.Length + call.Name.Length)) + 2L * (Response.Instructions?.Length ?? 0);

    /// <summary>When it is forgotten.</summary>
    public DateTimeOffset Expires { get; set; }
}
