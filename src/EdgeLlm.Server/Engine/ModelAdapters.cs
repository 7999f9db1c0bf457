using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Library;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Engine;

/// <summary>
/// Adapters and control vectors of an open model: those of the settings, which are opened with it and which requests may name, and those of
/// models that are made of it. Each is opened once.
/// </summary>
internal sealed class ModelAdapters : IDisposable
{
    private const int MostFormats = 8;

    private readonly Lock _lock = new();
    private readonly LanguageModel? _model;
    private readonly ServedModels? _models;
    private readonly Action<string> _note = static _ => { };
    private readonly List<(string Name, AdapterUse Use)> _adapters = [];
    private readonly List<(string Name, ControlVectorUse Use, string Path)> _vectors = [];
    private readonly Dictionary<string, ChatFormat> _formats = []; // by their Jinja source

    /// <summary>None.</summary>
    public ModelAdapters()
    {
    }

    /// <param name="options">The settings.</param>
    /// <param name="models">The models that are offered.</param>
    /// <exception cref="ModelException">One can't be used with the model.</exception>
    /// <exception cref="ArgumentException">Those of a name can't be used together.</exception>
    /// <exception cref="IOException">One can't be read.</exception>
    public ModelAdapters(LanguageModel model, ServerOptions options, ServedModels models, Action<string> note)
    {
        (_model, _models, _note) = (model, models, note);
        foreach (ModelEntry entry in options.Entries.Where(entry => IsThis(entry.Model)))
        {
            foreach (AdapterEntry adapter in entry.Adapters) _ = UseOf(adapter);
            foreach (AdapterEntry vector in entry.ControlVectors) _ = VectorOf(vector);
        }
        foreach (string name in models.OfSettings.Select(made => made.Name).Prepend(models.Own.Name))
        {
            if (models.FindAny(name) is { } served && IsThis(served.Path)) _ = Check(served);
        }
    }

    /// <summary>All adapters that are open, by number.</summary>
    public IReadOnlyList<(string Name, AdapterUse Use)> Adapters
    {
        get
        {
            lock (_lock) return [.. _adapters];
        }
    }

    /// <summary>All control vectors that are open.</summary>
    public IReadOnlyList<(string Name, ControlVectorUse Use)> Vectors
    {
        get
        {
            lock (_lock) return [.. _vectors.Select(vector => (vector.Name, vector.Use))];
        }
    }

    /// <summary>An adapter by its name and the scale that it has without being told one; null: there is none.</summary>
    public AdapterUse? Find(string name)
    {
        lock (_lock) return _adapters.FindIndex(adapter => adapter.Name == name) is >= 0 and var index ? _adapters[index].Use : null;
    }

    /// <summary>A control vector by its name; null: there is none.</summary>
    public ControlVectorUse? FindVector(string name)
    {
        lock (_lock) return _vectors.FindIndex(vector => vector.Name == name) is >= 0 and var index ? _vectors[index].Use : null;
    }

    /// <summary>
    /// Adapters and control vectors that answers of a name of this model have where a request does not say; opened where they are not yet.
    /// </summary>
    /// <param name="name">Null or empty: the request names no model, and means the service's own.</param>
    /// <exception cref="ModelException">One can't be used with the model; <see cref="IOException"/>: or not be read.</exception>
    public (IReadOnlyList<AdapterUse> Adapters, IReadOnlyList<ControlVectorUse> Vectors) Of(string? name)
    {
        ServedModel? served = _models is null ? null : string.IsNullOrEmpty(name) ? _models.Own : _models.FindAny(name);
        return served is not null && IsThis(served.Path) ? Of(served) : ([], []);
    }

    /// <summary>Opens what a model made of this one has, and refuses what can't be used.</summary>
    /// <returns>The chat format of its own template, or of its adapter's folder where it asks for that; null: the model's own.</returns>
    /// <exception cref="ModelException">One can't be used with the model, or has no template; <see cref="ArgumentException"/>: or not with
    /// the others; <see cref="IOException"/>: or not be read.</exception>
    public ChatFormat? Check(ServedModel served)
    {
        (IReadOnlyList<AdapterUse> adapters, IReadOnlyList<ControlVectorUse> vectors) = Of(served);
        if (_model is null) return null;
        if (adapters.Count > 0 || vectors.Count > 0) _ = _model.Adapt(adapters, vectors);
        if (served.Template is null || _model.IsEncoder) return null;
        string template = served.Template != DerivedModel.AdapterTemplate ? served.Template
            : adapters.Select(use => use.Adapter.ChatTemplate).FirstOrDefault(source => source is not null)
                ?? throw new ModelException(_model.Path,
                    $"the model {served.Name} asks for its adapter's chat template, and there is none in their folders");
        lock (_lock)
        {
            if (_formats.TryGetValue(template, out ChatFormat? format)) return format;
            if (_formats.Count >= MostFormats) _formats.Clear(); // those who use one have it
            return _formats[template] = new ChatFormat(_model, template);
        }
    }

    /// <summary>The model closes its adapters itself.</summary>
    public void Dispose()
    {
    }

    private (IReadOnlyList<AdapterUse> Adapters, IReadOnlyList<ControlVectorUse> Vectors) Of(ServedModel served) =>
        ([.. served.Adapters.Select(UseOf)], [.. served.ControlVectors.Select(VectorOf)]);

    private bool IsThis(string? path) => path is not null && Path.GetFullPath(path) == Path.GetFullPath(_model!.Path);

    private AdapterUse UseOf(AdapterEntry entry)
    {
        if (entry.Path is not { } path)
            return Find(entry.Name) is { } named ? named with { Scale = entry.Scale }
                : throw new ModelException(_model!.Path, $"has no adapter {Printable.Line(entry.Name, 60)} in the settings");
        lock (_lock)
        {
            int index = _adapters.FindIndex(one => one.Name == entry.Name && one.Use.Adapter.Path == path);
            if (index >= 0) return _adapters[index].Use with { Scale = entry.Scale };
            Adapter adapter = _model!.OpenAdapter(path);
            foreach (string text in adapter.Notes) _note($"{adapter.Path}: {text}");
            var use = new AdapterUse(adapter, entry.Scale);
            _adapters.Add((entry.Name, use));
            return use;
        }
    }

    private ControlVectorUse VectorOf(AdapterEntry entry)
    {
        if (entry.Path is not { } path)
            return FindVector(entry.Name) is { } named
                ? named with { Scale = entry.Scale, FirstLayer = entry.FirstLayer, LastLayer = entry.LastLayer }
                : throw new ModelException(_model!.Path, $"has no control vector {Printable.Line(entry.Name, 60)} in the settings");
        lock (_lock)
        {
            int index = _vectors.FindIndex(one => one.Name == entry.Name && one.Path == path);
            ControlVector vector = index >= 0 ? _vectors[index].Use.Vector : ControlVector.Open(path);
            var use = new ControlVectorUse(vector, entry.Scale, entry.FirstLayer, entry.LastLayer);
            if (index < 0) _vectors.Add((entry.Name, use, path));
            return use;
        }
    }
}
