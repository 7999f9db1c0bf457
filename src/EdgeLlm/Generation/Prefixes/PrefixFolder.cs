using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>Which computed beginnings of prompts are kept in files.</summary>
public enum PrefixDisk
{
    /// <summary>Instructions: system prompts and tools.</summary>
    Shared,

    /// <summary>All, what was said in conversations among them.</summary>
    Conversations,

    /// <summary>Nothing.</summary>
    None,
}

/// <summary>
/// A folder in which the prefixes of models survive a restart: for its user alone, written by one process at a time (which holds a lock;
/// others read), in files that are never changed. What is damaged, cut off or not this user's is told of and dropped. Written while no pass
/// is computed, and at the end.
/// </summary>
internal sealed class PrefixFolder : IDisposable
{
    private const string LockName = "lock", Temporary = ".edgellm.tmp";
    private const int MostFiles = 256;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), AfterFailure = TimeSpan.FromMinutes(10),
        MostUnused = TimeSpan.FromDays(90);

    private readonly string _path;
    private readonly PrefixDisk _mode;
    private readonly long _mostBytes;
    private readonly Action<string> _log;
    private readonly List<Kept> _models = [];
    private readonly Lock _turn = new(); // of reading and writing the folder
    private readonly Timer _timer;
    private FileStream? _lock;
    private DateTime _pausedUntil;
    private int _number;
    private bool _disposed;

    private PrefixFolder(string path, PrefixDisk mode, long mostBytes, Action<string> log)
    {
        (_path, _mode, _mostBytes, _log) = (path, mode, mostBytes, log);
        _timer = new Timer(_ => Write(), null, Interval, Interval);
    }

    /// <summary>
    /// Opens the folder, making it where it is missing; null, having said why, where it is not this user's or can't be made.
    /// </summary>
    /// <param name="mostBytes">Most bytes of all its files.</param>
    /// <param name="log">Receives a line for whatever goes wrong.</param>
    public static PrefixFolder? Open(string path, PrefixDisk mode, long mostBytes, Action<string> log)
    {
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, OwnerOnly);
            if (FileStatus.Of(path, followLinks: false) is not { Kind: FileKind.Folder } status)
                log($"{path} is not a folder: no prompts are kept in files");
            else if (!status.IsOwn) log($"{path} is another user's folder: no prompts are kept in files");
            else
            {
                if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(path) != OwnerOnly) File.SetUnixFileMode(path, OwnerOnly);
                return new PrefixFolder(path, mode, mostBytes, log);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log($"no prompts are kept in files: {exception.Message}");
        }
        return null;
    }

    /// <summary>Files of prefixes in a folder, the last used first.</summary>
    public static IReadOnlyList<FileInfo> FilesIn(string path) =>
        Directory.Exists(path)
            ? [.. new DirectoryInfo(path).GetFiles("*" + PrefixFile.Extension).OrderByDescending(file => file.LastWriteTimeUtc)
                .ThenBy(file => file.Name, StringComparer.Ordinal)] : [];

    /// <summary>Key of a model, way of computing and layout, by which its prefixes differ from all others [32 bytes].</summary>
    public static byte[] KeyOf(LanguageModel model, CancellationToken cancellation = default)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(model.StateKey(cancellation));
        hash.AppendData(Encoding.UTF8.GetBytes(model.Pages.Name));
        return hash.GetHashAndReset();
    }

    /// <summary>
    /// Takes what the folder has of a model, and keeps what it computes from now on, until the model's prefixes are gone from memory.
    /// </summary>
    /// <param name="key">Of <see cref="KeyOf"/>.</param>
    /// <returns>Bytes of the files that are used.</returns>
    public long Add(LanguageModel model, byte[] key)
    {
        if (PrefixCache.Of(model) is not { } prefixes) return 0;
        lock (_turn)
        {
            bool isWriter = TryLock();
            var files = new List<PrefixFile>();
            foreach (FileInfo info in FilesIn(_path))
            {
                if (DateTime.UtcNow - info.LastWriteTimeUtc > MostUnused) Drop(info.FullName, "was not used for 90 days", isWriter);
                else if (info.Name.StartsWith(PrefixFile.PrefixOf(key), StringComparison.Ordinal)
                    && Read(info.FullName, key, prefixes, isWriter) is { } file)
                    files.Add(file);
            }
            var kept = new Kept(model, prefixes, key, files);
            prefixes.OnDamage = Damaged;
            int lost = prefixes.Attach(files);
            if (lost > 0) _log($"{lost} kept parts of prompts follow others that are gone: not used");
            _models.Add(kept);
            return files.Sum(file => file.Bytes);
        }
    }

    /// <summary>A model is going to be unloaded: writes what is left to write of it.</summary>
    public void Remove(LanguageModel model)
    {
        lock (_turn)
        {
            if (_disposed || _models.Find(kept => kept.Model == model) is not { } kept) return;
            WriteAll(kept);
            _models.Remove(kept);
            kept.Files.ForEach(file => file.Dispose());
        }
    }

    /// <summary>Reads prefixes that were made before, for all to use; null where all went well, else why not.</summary>
    public static string? AddSnapshot(LanguageModel model, byte[] key, string path)
    {
        if (PrefixCache.Of(model) is not { } prefixes) return null;
        try
        {
            PrefixFile file = PrefixFile.Open(path);
            if (file.Key.AsSpan().SequenceEqual(key) && prefixes.Takes(file)) prefixes.Attach([file], PrefixScope.Shared);
            else
            {
                file.Dispose();
                return $"{path}: made with another model, version, --kv or --context: not used";
            }
            return null;
        }
        catch (Exception exception) when (exception is InvalidDataException or FileException)
        {
            return exception is FileException ? exception.Message : $"{path}: {exception.Message}";
        }
    }

    /// <summary>Writes what is left to write, and lets others write.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        lock (_turn)
        {
            if (_disposed) return;
            foreach (Kept kept in _models) WriteAll(kept);
            _disposed = true;
            foreach (PrefixFile file in _models.SelectMany(kept => kept.Files)) file.Dispose();
            _lock?.Dispose();
        }
    }

    /// <summary>Writes what the models computed, where they have been idle since last time.</summary>
    private void Write()
    {
        if (!_turn.TryEnter()) return;
        try
        {
            if (_disposed || DateTime.UtcNow < _pausedUntil) return;
            foreach (Kept kept in _models)
            {
                long progress = kept.Model.Progress;
                if (progress == kept.Progress && kept.Prefixes.HasChanged) WriteAll(kept);
                kept.Progress = progress;
            }
        }
        finally
        {
            _turn.Exit();
        }
    }

    private void WriteAll(Kept kept)
    {
        foreach (PrefixFile damaged in kept.Files.Where(file => file.IsDamaged)) damaged.Dispose();
        kept.Files.RemoveAll(file => file.IsDamaged);
        if (_mode == PrefixDisk.None || !TryLock()) return;
        try
        {
            byte[] last = [];
            while (kept.Prefixes.Unwritten(_mode == PrefixDisk.Conversations, Math.Max(_mostBytes / 4, 1)) is { } unwritten)
            {
                byte[] first = unwritten.Nodes[0].Id;
                if (first.AsSpan().SequenceEqual(last)) throw new InvalidDataException("what was written is not found again");
                last = first;
                string path = NewPath(kept.Key);
                if (!PrefixFile.Write(path, kept.Key, unwritten.Scope, kept.Model.Name, kept.Prefixes.PageBytes,
                    kept.Prefixes.CheckpointBytes, unwritten.Nodes, unwritten.Copy))
                    return;
                PrefixFile file = PrefixFile.Open(path);
                file.Used = Environment.TickCount64;
                kept.Files.Add(file);
                kept.Prefixes.Attach([file]);
                MakeRoom();
            }
        }
        catch (Exception exception) when (exception is FileException or InvalidDataException or IOException or UnauthorizedAccessException)
        {
            _log($"prompts could not be kept in files: {exception.Message}");
            _pausedUntil = DateTime.UtcNow + AfterFailure;
        }
    }

    /// <summary>Removes the files that were not used for the longest time, until the rest is within the bounds.</summary>
    private void MakeRoom()
    {
        foreach (PrefixFile file in _models.SelectMany(kept => kept.Files).Where(file => file.Used > 0))
        {
            try
            {
                DateTime used = DateTime.UtcNow - TimeSpan.FromMilliseconds(Environment.TickCount64 - file.Used);
                if (used - File.GetLastWriteTimeUtc(file.Path) > TimeSpan.FromMinutes(1)) File.SetLastWriteTimeUtc(file.Path, used);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Somebody removed it.
            }
        }
        IReadOnlyList<FileInfo> files = FilesIn(_path);
        long bytes = 0;
        for (int i = 0; i < files.Count; i++)
        {
            bytes += files[i].Length;
            if (bytes <= _mostBytes && i < MostFiles) continue;
            foreach (Kept kept in _models)
            {
                if (kept.Files.Find(file => file.Path == files[i].FullName) is not { } file) continue;
                kept.Prefixes.Detach(file, makesRoom: true);
                kept.Files.Remove(file);
                file.Dispose();
            }
            Delete(files[i].FullName);
        }
    }

    private PrefixFile? Read(string path, byte[] key, PrefixCache prefixes, bool isWriter)
    {
        if (FileStatus.Of(path, followLinks: false) is not { Kind: FileKind.Regular, IsOwn: true })
        {
            _log($"{path} is not a file of this user: not used");
            return null;
        }
        try
        {
            PrefixFile file = PrefixFile.Open(path);
            if (file.Key.AsSpan().SequenceEqual(key) && prefixes.Takes(file)) return file;
            file.Dispose();
            Drop(path, "is of another model than its name says", isWriter);
        }
        catch (InvalidDataException exception)
        {
            Drop(path, $"is not usable: {exception.Message}", isWriter);
        }
        catch (FileException exception)
        {
            _log($"{exception.Message}: not used");
        }
        return null;
    }

    // Called while a prompt waits for it, under the lock of its prefixes: not in a turn.
    private void Damaged(PrefixFile file)
    {
        file.IsDamaged = true;
        Drop(file.Path, "is damaged", isWriter: _lock is not null);
    }

    private void Drop(string path, string why, bool isWriter)
    {
        _log($"{path} {why}: dropped");
        if (isWriter) Delete(path);
    }

    private void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            _log($"{path} can't be removed: {exception.Message}");
        }
    }

    /// <summary>Whether this process writes; what one that was killed left half written is removed.</summary>
    private bool TryLock()
    {
        if (_lock is not null) return true;
        try
        {
            _lock = AtomicFile.OpenOrCreate(Path.Combine(_path, LockName));
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_lock.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            foreach (string left in Directory.EnumerateFiles(_path, "*" + PrefixFile.Extension + Temporary)) Delete(left);
            return true;
        }
        catch (Exception exception) when (exception is FileException or IOException or UnauthorizedAccessException)
        {
            if (_pausedUntil == default) _log($"prompts are read from {_path} and not written: {exception.Message}");
            _pausedUntil = DateTime.UtcNow + AfterFailure;
            return false;
        }
    }

    private string NewPath(byte[] key)
    {
        while (true)
        {
            string path = Path.Combine(_path,
                $"{PrefixFile.PrefixOf(key)}{DateTime.UtcNow:yyyyMMddHHmmss}-{_number++ % 1000:d3}{PrefixFile.Extension}");
            if (!File.Exists(path)) return path;
        }
    }

    /// <summary>A model whose prefixes are kept, and the files that have them.</summary>
    private sealed class Kept(LanguageModel model, PrefixCache prefixes, byte[] key, List<PrefixFile> files)
    {
        public LanguageModel Model => model;

        public PrefixCache Prefixes => prefixes;

        public byte[] Key => key;

        public List<PrefixFile> Files => files;

        /// <summary>Of the model, when it was last looked at.</summary>
        public long Progress { get; set; } = -1;
    }
}
