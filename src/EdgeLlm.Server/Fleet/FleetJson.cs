using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using EdgeLlm.Generation;
using EdgeLlm.Sampling;

namespace EdgeLlm.Server.Fleet;

/// <summary>How messages between gateway, broker and workers are written and read. Those that come are as hostile as any request.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, MaxDepth = 8,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(FleetJob))]
[JsonSerializable(typeof(FleetReply))]
[JsonSerializable(typeof(StoredAnswer))]
internal sealed partial class FleetJson : JsonSerializerContext
{
    /// <summary>Most bytes of a message: a context's tokens, and a grammar of 1 MB.</summary>
    public const int MostBytes = 8 << 20;

    /// <exception cref="FormatException">It is not such a message.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json, JsonTypeInfo<T> type) where T : class
    {
        if (json.Length > MostBytes) throw new FormatException($"a message of {json.Length} bytes");
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new FormatException("a message of null");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException($"a message that is not one: {Printable.Line(exception.Message, 200)}");
        }
    }
}

/// <summary>Message of a worker to a gateway: a piece of an answer, or its end with all of it.</summary>
/// <param name="Id">The job.</param>
/// <param name="Index">Number of characters of the answer before this text.</param>
/// <param name="Text">The piece; at the end, the whole answer.</param>
internal sealed record FleetReply(string Id, int Index, string Text)
{
    /// <summary>Number of tokens whose probabilities came before these.</summary>
    public int At { get; init; }

    /// <summary>Probabilities of the piece's tokens, or at the end of all; null: none were asked for.</summary>
    public FleetProbability[]? Probabilities { get; init; }

    /// <summary>End of the answer; null: more follows.</summary>
    public FleetEnd? End { get; init; }
}

/// <summary>The end of an answer.</summary>
/// <param name="Worker">Who computed it.</param>
internal sealed record FleetEnd(string Worker)
{
    /// <summary>Error for the client; null: none.</summary>
    public string? Error { get; init; }

    public int[] Tokens { get; init; } = [];

    public int PromptTokens { get; init; }

    public int CachedTokens { get; init; }

    public double FirstTokenSeconds { get; init; }

    public double DecodeSeconds { get; init; }

    /// <summary>Name of a <see cref="Generation.FinishReason"/>.</summary>
    public string Reason { get; init; } = "";
}

/// <summary>Probabilities of a token (<see cref="TokenLogProbability"/>).</summary>
/// <param name="Token">Its id.</param>
/// <param name="Log">Logarithm of its probability.</param>
/// <param name="Likeliest">Ids of the likeliest tokens, best first.</param>
/// <param name="Logs">Logarithms of theirs.</param>
internal sealed record FleetProbability(int Token, float Log, int[] Likeliest, float[] Logs)
{
    public static FleetProbability Of(TokenLogProbability token) => new(token.Token, token.LogProbability,
        [.. token.Likeliest.Select(static one => one.Token)], [.. token.Likeliest.Select(static one => one.LogProbability)]);

    /// <summary>Whether another worker's are the same.</summary>
    public bool IsAs(FleetProbability other) =>
        Token == other.Token && Log.Equals(other.Log) && Likeliest.AsSpan().SequenceEqual(other.Likeliest)
            && Logs.AsSpan().SequenceEqual(other.Logs);

    public TokenLogProbability ToToken() => new(Token, Log, [.. Likeliest.Zip(Logs)]);

    /// <exception cref="FormatException">One is not whole, or not of tokens of the model.</exception>
    public static void Validate(FleetProbability[] all, int vocabulary)
    {
        if (Array.Exists(all, one => one is not { Likeliest.Length: <= GenerationOptions.MostLogProbabilities, Logs: not null }
            || one.Likeliest.Length != one.Logs.Length || !(one.Log <= 0) || Array.Exists(one.Logs, static log => !(log <= 0))
            || (uint)one.Token >= (uint)vocabulary || Array.Exists(one.Likeliest, token => (uint)token >= (uint)vocabulary)))
            throw new FormatException("probabilities are not whole, or not of tokens of the model");
    }
}
