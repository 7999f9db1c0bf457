using System.Text.Json.Serialization;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Admin;

/// <summary>
/// A place for an answer, as llama-server's `/slots` tells of it, without the prompt; the fields after <see cref="IsProcessing"/> are ours.
/// </summary>
/// <param name="Id">Number of the place.</param>
/// <param name="IdTask">Number of the request since the start; -1: none.</param>
/// <param name="NCtx">Tokens of the context.</param>
internal sealed record Slot(int Id, long IdTask, int NCtx, bool Speculative, bool IsProcessing)
{
    public string? Model { get; init; }

    /// <summary>The key's name, or the address.</summary>
    public string? Client { get; init; }

    public bool? IsWaiting { get; init; }

    public int? PromptTokens { get; init; }

    public int? GeneratedTokens { get; init; }

    public int? MaxTokens { get; init; }

    public double? Seconds { get; init; }
}

/// <summary>The answer of `/admin/status`. Bytes, seconds, degrees Celsius, megahertz.</summary>
internal sealed record AdminStatus(
    string Version, string State, double UptimeSeconds, AdminRequests Requests, AdminThroughput Throughput, AdminMachine Machine,
    long CacheBytes, int Connections, AdminModel[] Models);

internal sealed record AdminRequests(int Running, int Waiting, int Parallel, int Queue, long Answered, long Failed);

/// <summary>Sums since the start: two readings give what was done between them.</summary>
internal sealed record AdminThroughput(long PromptTokens, long CachedTokens, long GeneratedTokens,
    double PromptSeconds, double DecodeSeconds);

internal sealed record AdminMachine(double? Temperature, long? Megahertz, long? AnonymousBytes, long MemoryBytes, long AvailableBytes,
    AdminThrottling[] Throttled);

/// <param name="Now">Whether it is so now; false: it was since the machine's start.</param>
internal sealed record AdminThrottling(string Reason, bool Now);

/// <param name="MemoryBytes">Most that it takes while it is loaded; null: it is not.</param>
internal sealed record AdminModel(
    string Name, bool IsOwn, bool IsLoaded, string Family, string Quantization, long Size, long? MemoryBytes, int ContextLength,
    int Answers, DateTimeOffset? Expires);

internal sealed record AdminKey(string Name, string Role, IReadOnlyList<string>? Models, int RequestsPerMinute, long TokensPerDay,
    long TokensToday, DateTimeOffset? Created);

/// <param name="Bytes">In memory now, of at most <paramref name="MostBytes"/>.</param>
internal sealed record AdminCache(long Bytes, long MostBytes, AdminCacheFile[] Files);

internal sealed record AdminCacheFile(string Name, long Size, DateTime Used);

/// <summary>A body of `/admin/models/load` and `unload`.</summary>
internal sealed record AdminModelRequest(string? Model);

/// <summary>How the admin view's types are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Slot[]))]
[JsonSerializable(typeof(AdminStatus))]
[JsonSerializable(typeof(LogLine[]))]
[JsonSerializable(typeof(SettingInForce[]))]
[JsonSerializable(typeof(AdminKey[]))]
[JsonSerializable(typeof(AdminCache))]
[JsonSerializable(typeof(AdminModel))]
[JsonSerializable(typeof(AdminModelRequest))]
internal sealed partial class AdminJson : JsonSerializerContext;
