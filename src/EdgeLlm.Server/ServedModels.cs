using System.Collections.Concurrent;

namespace EdgeLlm.Server;

/// <summary>The models that a service offers, by name: its own, which is loaded at the start and stays, and others, each loaded when it is asked for.</summary>
public sealed class ServedModels
{
    private readonly Func<IEnumerable<(string Name, string Path)>> _others;
    private readonly Func<string, string, ServedModel> _describe;
    private readonly ConcurrentDictionary<(string Path, string Name), (long Size, DateTime Written, ServedModel Model)> _known = [];

    /// <summary>The service's own model alone.</summary>
    public ServedModels(ServedModel own) : this(own, () => [], (_, _) => own)
    {
    }

    /// <param name="own">The service's own model.</param>
    /// <param name="others">Names and paths of the others that there are now.</param>
    /// <param name="describe">Describes the model of a path by a name; an exception where it can't be read.</param>
    public ServedModels(ServedModel own, Func<IEnumerable<(string Name, string Path)>> others, Func<string, string, ServedModel> describe)
    {
        ArgumentNullException.ThrowIfNull(own);
        (Own, _others, _describe) = (own, others, describe);
    }

    /// <summary>The service's own model.</summary>
    public ServedModel Own { get; }

    /// <summary>All that can be described, the own one first.</summary>
    public IEnumerable<ServedModel> All
    {
        get
        {
            yield return Own;
            foreach ((string name, string path) in Others())
            {
                ServedModel? model = null;
                try
                {
                    model = Describe(path, name);
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    // Not a model that runs here: who asks for it by name is told why.
                }
                if (model is not null) yield return model;
            }
        }
    }

    /// <summary>The model of a name, in any case and with a tag or without; null where there is none.</summary>
    /// <exception cref="Exception">There is a file of this name, and it is not a model that can be read.</exception>
    public ServedModel? Find(string name)
    {
        if (Own.IsCalled(name)) return Own;
        (string Name, string Path) other = Others().FirstOrDefault(one => ServedModel.IsCalled(one.Name, name));
        return other.Path is null ? null : Describe(other.Path, other.Name);
    }

    private IEnumerable<(string Name, string Path)> Others() =>
        _others().Where(one => one.Path != Own.Path && !Own.IsCalled(one.Name)).DistinctBy(one => one.Name, StringComparer.OrdinalIgnoreCase);

    private ServedModel Describe(string path, string name)
    {
        FileSystemInfo file = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
        long size = file is FileInfo { Exists: true } one ? one.Length : 0;
        if (_known.TryGetValue((path, name), out var known) && (known.Size, known.Written) == (size, file.LastWriteTimeUtc)) return known.Model;
        ServedModel model = _describe(path, name);
        _known[(path, name)] = (size, file.LastWriteTimeUtc, model);
        return model;
    }
}
