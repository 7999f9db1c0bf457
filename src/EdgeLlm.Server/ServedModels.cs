using System.Collections.Concurrent;
using EdgeLlm.Models;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Library;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server;

/// <summary>
/// The models that a service offers, by name: its own, which is loaded at the start and stays, and others, each loaded when it is asked
/// for.
/// </summary>
public sealed class ServedModels
{
    /// <summary>Most models that are derived from each other.</summary>
    private const int MostSteps = 8;

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
    public ServedModel Own { get; private set; }

    /// <summary>Models of the settings that are made of another one.</summary>
    internal IReadOnlyList<(string Name, DerivedModel Model)> OfSettings { get; private set; } = [];

    /// <summary>The folder of models that clients make and pull; null: they can't.</summary>
    public ModelLibrary? Library { get; init; }

    /// <summary>All that can be described and the caller may use, the own one first.</summary>
    public IEnumerable<ServedModel> All
    {
        get
        {
            Caller caller = Caller.Current;
            if (caller.MayUse(Own.Name)) yield return Own;
            foreach ((string name, string path) in Others().Where(other => caller.MayUse(other.Name)))
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
            foreach ((string name, DerivedModel derived, DateTimeOffset modified) in InSettings().Concat(InLibrary())
                .DistinctBy(one => one.Name, StringComparer.OrdinalIgnoreCase).Where(one => caller.MayUse(one.Name)))
            {
                ServedModel? model = null;
                try
                {
                    model = Derive(name, derived, modified, MostSteps);
                }
                catch (Exception exception) when (exception is not OutOfMemoryException)
                {
                    // As above.
                }
                if (model is not null) yield return model;
            }
        }
    }

    /// <summary>The model of a name, in any case and with a tag or without; null where there is none that the caller may use.</summary>
    /// <exception cref="Exception">There is a file of this name, and it is not a model that can be read.</exception>
    public ServedModel? Find(string name)
    {
        return Caller.Current.MayUse(name) ? FindAny(name) : null;
    }

    /// <summary>Finds a model by name, whoever may use it.</summary>
    internal ServedModel? FindAny(string name) => Find(name, MostSteps);

    /// <param name="steps">Most models made of others on the way to a file.</param>
    private ServedModel? Find(string name, int steps)
    {
        if (Own.IsCalled(name)) return Own;
        if (Derive(InSettings(), name, steps) is { } made) return made;
        (string Name, string Path) other = Others().FirstOrDefault(one => ServedModel.IsCalled(one.Name, name));
        return other.Path is not null ? Describe(other.Path, other.Name) : Derive(InLibrary(), name, steps);
    }

    /// <summary>Takes adapters from the settings: those of the service's own model, and models made of others.</summary>
    internal void Take(ServerOptions options)
    {
        Own = Own with
        {
            Adapters =
                [.. options.Lora.Select(path => new AdapterEntry(StoredModel.NameOf(path.Path.TrimEnd('/')), path.Path, path.Scale))],
            ControlVectors =
                [.. options.ControlVectors.Select(path => new AdapterEntry(StoredModel.NameOf(path.Path), path.Path, path.Scale))],
        };
        OfSettings = [.. options.Entries.Where(entry => entry.Base is not null)
            .Select(
                entry =>
                    (entry.Name!, new DerivedModel { From = entry.Base!, Adapters = entry.Adapters, ControlVectors = entry.ControlVectors,
                        Template = entry.Template }))];
    }

    private IEnumerable<(string Name, DerivedModel Model, DateTimeOffset Modified)> InSettings() =>
        OfSettings.Where(one => !Own.IsCalled(one.Name)).Select(one => (one.Name, one.Model, Own.Modified));

    private IEnumerable<(string Name, DerivedModel Model, DateTimeOffset Modified)> InLibrary() =>
        Library?.Derived().Where(one => !Own.IsCalled(one.Name)) ?? [];

    private ServedModel? Derive(IEnumerable<(string Name, DerivedModel Model, DateTimeOffset Modified)> among, string name, int steps)
    {
        (string found, DerivedModel? model, DateTimeOffset modified) = among.FirstOrDefault(one => ServedModel.IsCalled(one.Name, name));
        return model is null ? null : Derive(found, model, modified, steps);
    }

    private ServedModel? Derive(string name, DerivedModel derived, DateTimeOffset modified, int steps) =>
        steps > 0 && !ServedModel.IsCalled(derived.From, name) && Find(derived.From, steps - 1) is { } from
            ? derived.Of(from, name, modified) : null;

    private IEnumerable<(string Name, string Path)> Others() =>
        _others().Where(one => one.Path != Own.Path && !Own.IsCalled(one.Name))
            .DistinctBy(one => one.Name, StringComparer.OrdinalIgnoreCase);

    private ServedModel Describe(string path, string name)
    {
        FileSystemInfo file = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
        long size = file is FileInfo { Exists: true } one ? one.Length : 0;
        if (_known.TryGetValue((path, name), out var known) && (known.Size, known.Written) == (size, file.LastWriteTimeUtc))
            return known.Model;
        ServedModel model = _describe(path, name);
        _known[(path, name)] = (size, file.LastWriteTimeUtc, model);
        return model;
    }
}
