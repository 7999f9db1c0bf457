using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Fleet;

/// <summary>A request with an Idempotency-Key, and its answer once it has ended.</summary>
/// <param name="Key">Hash of the key and of whose it is.</param>
/// <param name="Id">The job.</param>
/// <param name="Request">What tells the request from others.</param>
/// <param name="Seed">The seed that was drawn.</param>
/// <param name="At">When it came, or ended.</param>
internal sealed record StoredAnswer(string Key, string Id, string Request, ulong Seed, DateTimeOffset At)
{
    public string? Text { get; init; }

    public FleetProbability[] Probabilities { get; init; } = [];

    public FleetEnd? End { get; init; }
}

/// <summary>
/// Answers by Idempotency-Key, ten minutes from their end, in files that only this user may read: a gateway that dies and comes back finds
/// which jobs it has given out. Calls may come from any thread.
/// </summary>
internal sealed class AnswerStore
{
    private const int MostAnswers = 1000;

    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(10), Pends = TimeSpan.FromMinutes(30);

    private readonly string? _folder;
    private readonly ServerLog _log;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StoredAnswer> _answers = [];

    public AnswerStore(string? folder, ServerLog log, TimeProvider? time = null)
    {
        (_folder, _log, _time) = (folder, log, time ?? TimeProvider.System);
        if (folder is null) return;
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
            else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            foreach (string file in Directory.EnumerateFiles(folder, "*.json")) Recall(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Warning($"answers by Idempotency-Key do not survive a restart: {exception.Message}");
            _folder = null;
        }
    }

    /// <summary>Those that have not ended.</summary>
    public IReadOnlyList<StoredAnswer> Pending
    {
        get
        {
            lock (_gate) return [.. _answers.Values.Where(one => one.End is null)];
        }
    }

    /// <summary>The request of a key: the one that is known, else a new one.</summary>
    /// <exception cref="ApiException">Too many are kept.</exception>
    public StoredAnswer FindOrAdd(string key, Func<StoredAnswer> make)
    {
        lock (_gate)
        {
            Prune();
            if (_answers.TryGetValue(key, out StoredAnswer? known)) return known;
            if (_answers.Count >= MostAnswers)
                throw new ApiException(429, "too many requests with an Idempotency-Key are kept: try again later",
                    "too_many_keys")
                { RetryAfter = TimeSpan.FromMinutes(1) };
            StoredAnswer made = make();
            _answers[key] = made;
            Write(made);
            return made;
        }
    }

    /// <summary>Keeps the answer of a request.</summary>
    public void Finish(string key, string text, FleetProbability[] probabilities, FleetEnd end)
    {
        lock (_gate)
        {
            if (!_answers.TryGetValue(key, out StoredAnswer? pending)) return;
            Write(_answers[key] = pending with { Text = text, Probabilities = probabilities, End = end, At = _time.GetUtcNow() });
        }
    }

    /// <summary>Forgets a request that failed: it may be tried again.</summary>
    public void Remove(string key)
    {
        lock (_gate) Drop(key);
    }

    private void Prune()
    {
        DateTimeOffset now = _time.GetUtcNow();
        foreach (StoredAnswer old in _answers.Values.Where(one => now - one.At > (one.End is null ? Pends : Kept)).ToArray()) Drop(old.Key);
    }

    private void Drop(string key)
    {
        if (!_answers.Remove(key) || _folder is null) return;
        try
        {
            File.Delete(PathOf(key));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next start finds it too old.
        }
    }

    private void Recall(string file)
    {
        try
        {
            StoredAnswer stored = FleetJson.Read(InputFile.Read(file, FleetJson.MostBytes), FleetJson.Default.StoredAnswer);
            bool isOld = _time.GetUtcNow() - stored.At > (stored.End is null ? Pends : Kept);
            if (!isOld && stored.Key is not null && stored.Id is not null && PathOf(stored.Key) == file)
                _answers[stored.Key] = stored with { Probabilities = stored.Probabilities ?? [] };
            else File.Delete(file);
        }
        catch (Exception exception) when (exception is FormatException or IOException or UnauthorizedAccessException)
        {
            _log.Warning($"{file} is not used: {exception.Message}");
        }
    }

    private void Write(StoredAnswer stored)
    {
        if (_folder is null) return;
        try
        {
            AtomicFile.Write(PathOf(stored.Key), file =>
            {
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                file.Write(JsonSerializer.SerializeToUtf8Bytes(stored, FleetJson.Default.StoredAnswer));
            });
        }
        catch (IOException exception)
        {
            _log.Warning($"an answer by Idempotency-Key would not survive a restart: {exception.Message}");
        }
    }

    private string PathOf(string key) => Path.Combine(_folder!, key + ".json");
}

/// <summary>The Idempotency-Key of the request at hand, for each of the answers that it asks for.</summary>
internal sealed class IdempotencyKey
{
    private const string Header = "Idempotency-Key";
    private const int LongestKey = 255;

    private static readonly AsyncLocal<IdempotencyKey?> Current = new();

    private readonly string _key;
    private int _count;

    private IdempotencyKey(string key) => _key = key;

    /// <summary>Takes a request's key, where it has one.</summary>
    /// <exception cref="ApiException">It is not a key.</exception>
    public static void Take(HttpContext context)
    {
        string key = context.Request.Headers[Header].ToString();
        if (key.Length == 0) return;
        if (key.Length > LongestKey || !key.All(c => c is > ' ' and < (char)127))
            throw ApiException.Field(Header, $"must be at most {LongestKey} printable ASCII characters without spaces");
        Current.Value = new IdempotencyKey(key);
    }

    /// <summary>Hash of the key, of its owner and of the answer's place among those of the request; null: there is none.</summary>
    public static string? Next(string owner) => Current.Value is { } current
        ? Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"{owner}\n{Interlocked.Increment(ref current._count)}\n{current._key}"))) : null;
}
