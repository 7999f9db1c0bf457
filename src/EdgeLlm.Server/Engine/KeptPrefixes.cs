using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Engine;

/// <summary>
/// Beginnings of prompts that were computed before the service started: in its cache folder, and in snapshots beside the models.
/// </summary>
internal sealed class KeptPrefixes : IDisposable
{
    private readonly ServerOptions _options;
    private readonly ServerLog _log;
    private readonly PrefixFolder? _folder;

    public KeptPrefixes(ServerOptions options, ServerLog log)
    {
        (_options, _log) = (options, log);
        if (options is { CacheFolder: { } path, CacheDisk: not PrefixDisk.None, CacheMemory: not 0 })
            _folder = PrefixFolder.Open(path, options.CacheDisk, options.CacheDiskSize, log.Warning);
    }

    /// <summary>Takes what there is for a model, and keeps what it computes. The first time, its file is read for its hash.</summary>
    public void Add(LanguageModel model, CancellationToken cancellation)
    {
        if (model.Options.PrefixBytes == 0) return;
        string[] snapshots = SnapshotsFor(model);
        if (_folder is null && snapshots.Length == 0) return;
        try
        {
            byte[] key = PrefixFolder.KeyOf(model, cancellation);
            foreach (string snapshot in snapshots)
            {
                if (PrefixFolder.AddSnapshot(model, key, snapshot) is { } problem) _log.Warning(problem);
                else _log.Info($"{snapshot}: its prompt need not be computed");
            }
            if (_folder?.Add(model, key) is > 0 and var bytes)
                _log.Info($"prompts that were computed before, {bytes / 1e6:F1} MB, are in {_options.CacheFolder}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _log.Warning($"kept prompts are not used: {exception.Message}");
        }
    }

    /// <summary>A model is going to be unloaded.</summary>
    public void Remove(LanguageModel model) => _folder?.Remove(model);

    /// <summary>Writes what is left to write.</summary>
    public void Dispose() => _folder?.Dispose();

    private string[] SnapshotsFor(LanguageModel model)
    {
        string? folder = Directory.Exists(model.Path) ? model.Path : Path.GetDirectoryName(Path.GetFullPath(model.Path));
        IEnumerable<string> beside = folder is null ? []
            : Directory.EnumerateFiles(folder, "*" + PrefixFile.Extension).Order(StringComparer.Ordinal);
        return [.. _options.Snapshot is { } named ? beside.Prepend(named) : beside];
    }
}
