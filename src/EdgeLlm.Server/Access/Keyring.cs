using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Access;

/// <summary>
/// The keys in force: those of the key file, which is read again when it has changed, and the setting `apiKey`, which is one of an
/// administrator. What each has used today survives a restart in the state folder. Calls may come from any thread.
/// </summary>
internal sealed class Keyring : IDisposable
{
    /// <summary>The name of the key of the settings.</summary>
    public const string SettingsKey = "(apiKey)"; // not a name that the file could have

    private const string UsageFile = "key-usage";

    private readonly string? _path;
    private readonly ServerLog _log;
    private readonly TimeProvider _time;
    private readonly bool _isForOthers;
    private readonly string? _usagePath;
    private readonly ConcurrentDictionary<string, KeyMeter> _meters = new(StringComparer.Ordinal);
    private readonly Entry? _own;
    private readonly Lock _gate = new();
    private readonly ITimer? _saving;
    private volatile Entry[] _entries = [];
    private FileStamp? _stamp;
    private string _saved = "";

    /// <exception cref="IOException">The file of the settings can't be read.</exception>
    public Keyring(ServerOptions options, ServerLog log, TimeProvider? time = null)
    {
        (_path, _log, _time, _isForOthers) = (options.KeysFile, log, time ?? TimeProvider.System, !options.Listen.IsLoopback);
        if (options.ApiKey is { } text)
            _own = EntryOf(new ApiKey(SettingsKey, KeyRole.Admin, Convert.ToHexStringLower(ApiKey.HashOf(text)), default));
        if (_path is not null)
        {
            _stamp = FileStatus.Of(_path)?.Stamp;
            _entries = EntriesOf(KeyFile.Read(_path));
        }
        else if (_own is not null) _entries = [_own];
        if (options.StateDirectory is not { } state) return;
        _usagePath = Path.Combine(state, UsageFile);
        Recall();
        _saving = _time.CreateTimer(_ => Save(), null, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
    }

    /// <summary>
    /// Whether a request needs a key: where there is one, and where other machines can come, whatever becomes of the key file.
    /// </summary>
    public bool IsNeeded
    {
        get
        {
            Refresh();
            return _isForOthers || _entries.Length > 0;
        }
    }

    /// <summary>The keys in force, by name.</summary>
    public IEnumerable<(ApiKey Key, KeyMeter Meter)> All =>
        _entries.Select(entry => (entry.Key, entry.Caller.Meter!)).OrderBy(one => one.Key.Name, StringComparer.Ordinal);

    /// <summary>Who sent a key; null: nobody has it. It takes as long whichever it is, and whether it is one.</summary>
    public Caller? Find(string text)
    {
        byte[] hash = ApiKey.HashOf(text);
        Caller? found = null;
        foreach (Entry entry in _entries)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, entry.Hash)) found = entry.Caller;
        }
        return found;
    }

    public void Dispose()
    {
        _saving?.Dispose();
        Save();
    }

    /// <summary>
    /// Reads the file again where it has changed. One that can't be read changes nothing: a slip of the editor must not let everybody in,
    /// or lock all out.
    /// </summary>
    private void Refresh()
    {
        if (_path is null || FileStatus.Of(_path)?.Stamp == _stamp) return;
        lock (_gate)
        {
            FileStamp? now = FileStatus.Of(_path)?.Stamp;
            if (now == _stamp) return;
            _stamp = now;
            try
            {
                _entries = EntriesOf(KeyFile.Read(_path));
                _log.Info($"{_path}: {(_entries.Length == 1 ? "1 key is" : $"{_entries.Length} keys are")} in force");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                _log.Error($"the keys stay as they were: {exception.Message}");
            }
        }
    }

    private Entry[] EntriesOf(IReadOnlyList<ApiKey> keys) => _own is null ? [.. keys.Select(EntryOf)] : [.. keys.Select(EntryOf), _own];

    private Entry EntryOf(ApiKey key)
    {
        KeyMeter meter = _meters.GetOrAdd(key.Name, _ => new KeyMeter(_time));
        meter.Limit(key);
        return new Entry(key, Convert.FromHexString(key.Hash), new Caller(key, meter));
    }

    /// <summary>Lines of a day (UTC), a key's name and its tokens.</summary>
    private void Recall()
    {
        try
        {
            if (!File.Exists(_usagePath)) return;
            foreach (string line in InputFile.ReadText(_usagePath!, InputFile.MostSettingsBytes).Split('\n'))
            {
                string[] fields = line.Split('\t');
                if (fields.Length == 3
                    && DateOnly.TryParseExact(fields[0], "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly day)
                    && long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out long tokens)
                    && _meters.TryGetValue(fields[1], out KeyMeter? meter) && day == meter.Day)
                    meter.Spend(tokens);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _log.Warning($"what keys have used today is not known: {exception.Message}");
        }
    }

    private void Save()
    {
        if (_usagePath is null) return;
        lock (_gate)
        {
            string text = string.Concat(All.Where(one => one.Meter.Tokens > 0).Select(one =>
                string.Create(CultureInfo.InvariantCulture, $"{one.Meter.Day:yyyy-MM-dd}\t{one.Key.Name}\t{one.Meter.Tokens}\n")));
            if (text == _saved) return;
            try
            {
                AtomicFile.Write(_usagePath, file => file.Write(Encoding.UTF8.GetBytes(text)));
                _saved = text;
            }
            catch (IOException exception)
            {
                if (_saved.Length == 0) _log.Warning($"what keys have used today can't be kept: {exception.Message}");
                _saved = text; // said once
            }
        }
    }

    private sealed record Entry(ApiKey Key, byte[] Hash, Caller Caller);
}
