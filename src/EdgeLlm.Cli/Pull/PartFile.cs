using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>
/// A file on its way: `NAME.part`, with the ETag of its bytes in `NAME.part.etag`. It takes its own name when it is whole and its
/// checksum right, in one step. Held alone: two downloads of one file don't mix. Links in its place are never followed.
/// </summary>
internal sealed class PartFile : IDisposable
{
    private const int LongestTag = 1024;

    private readonly string _path;
    private readonly RepositoryFile _file;
    private readonly FileStream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <param name="path">Where the whole file is to be.</param>
    /// <exception cref="FileException">The part can't be opened, or it is a link.</exception>
    public PartFile(string path, RepositoryFile file)
    {
        (_path, _file) = (path, file);
        _stream = AtomicFile.OpenOrCreate(PartPath(path));
        if (_stream.Length > file.Size) Restart();
    }

    private string TagPath => PartPath(_path) + ".etag";

    /// <summary>Bytes that are here.</summary>
    public long Length => _stream.Length;

    /// <summary>The ETag that these bytes came with, or null.</summary>
    public string? Tag
    {
        get => ReadTag();
        set => Try(() =>
        {
            if (value is null || value.Length > LongestTag) File.Delete(TagPath);
            else AtomicFile.Write(TagPath, file => file.Write(Encoding.UTF8.GetBytes(value)));
        });
    }

    public static string PartPath(string path) => path + ".part";

    /// <summary>Takes what an earlier download left into the checksum.</summary>
    public void HashWhatIsHere(CancellationToken cancellation)
    {
        var buffer = new byte[1 << 20];
        _stream.Position = 0;
        for (int count; (count = _stream.Read(buffer)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            _hash.AppendData(buffer, 0, count);
        }
    }

    /// <exception cref="PullException">There is more than the file is to have.</exception>
    /// <exception cref="FileException">The disk does not take it.</exception>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _file.Size - Length)
            throw new PullException($"{_file.Path}: the hub sends more than the {_file.Size} bytes that the file is to have");
        try
        {
            _stream.Write(bytes);
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Writing(PartPath(_path), exception);
        }
        _hash.AppendData(bytes);
    }

    /// <summary>Forgets all bytes.</summary>
    public void Restart()
    {
        Try(() =>
        {
            _stream.SetLength(0);
            _stream.Position = 0;
        });
        _hash.GetHashAndReset();
        Tag = null;
    }

    /// <summary>Checks the whole and gives it its name.</summary>
    /// <exception cref="PullException">The checksum is wrong; the part is gone then.</exception>
    public void Complete()
    {
        string sum = Convert.ToHexStringLower(_hash.GetHashAndReset());
        if (_file.Sha256 is not null && sum != _file.Sha256)
        {
            _stream.Dispose();
            File.Delete(PartPath(_path));
            Tag = null;
            throw new PullException($"{_file.Path}: wrong checksum: SHA-256 is {sum} and should be {_file.Sha256}; "
                + "what came was thrown away, try again");
        }
        Try(() =>
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose(); // Windows renames no open file
            File.Move(PartPath(_path), _path, overwrite: false);
        });
        ModelIdentity.Remember(_path, Convert.FromHexString(sum), StateFolder.Identities);
        Tag = null;
    }

    public void Dispose()
    {
        _stream.Dispose();
        _hash.Dispose();
    }

    private string? ReadTag()
    {
        var file = new FileInfo(TagPath);
        return file.Exists && file.LinkTarget is null && file.Length <= LongestTag ? File.ReadAllText(TagPath) : null;
    }

    /// <summary>Trying again mends no disk.</summary>
    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            throw FileException.Writing(_path, exception);
        }
    }
}
