namespace EdgeLlm.Cli.Tests.Pull;

internal sealed record HubResponse(int Status, byte[] Body)
{
    public const string Tag = "\"one\"";

    public Dictionary<string, string> Headers { get; init; } = [];

    /// <summary>What the head says of the body's length, if not the truth.</summary>
    public long? DeclaredLength { get; init; }

    /// <summary>Sends the body as one chunk, without a length in the head.</summary>
    public bool Chunked { get; init; }

    /// <summary>Sends one byte each so many milliseconds.</summary>
    public int? Trickle { get; init; }

    /// <summary>Ends the connection after as many bytes of the body.</summary>
    public int? CutAfter { get; init; }

    /// <summary>Keeps the connection open after that, and sends nothing.</summary>
    public bool ThenSilent { get; init; }

    /// <summary>What a server with ranges and If-Range answers (RFC 9110).</summary>
    public static HubResponse File(HubRequest request, byte[] bytes)
    {
        bool changed = request.Headers.TryGetValue("If-Range", out string? tag) && tag != Tag;
        if (request.From == 0 || changed) return new HubResponse(200, bytes) { Headers = { ["ETag"] = Tag } };
        if (request.From >= bytes.Length) return new HubResponse(416, []);
        return new HubResponse(206, bytes[request.From..])
        {
            Headers = { ["ETag"] = Tag, ["Content-Range"] = $"bytes {request.From}-{bytes.Length - 1}/{bytes.Length}" },
        };
    }

    public static HubResponse Redirect(string target) => new(302, []) { Headers = { ["Location"] = target } };
}
