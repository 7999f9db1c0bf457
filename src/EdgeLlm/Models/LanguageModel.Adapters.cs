using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

public sealed unsafe partial class LanguageModel
{
    private readonly List<Adapter> _adapters = [];
    private HashSet<(TensorRole, int)>? _changeable;

    /// <summary>
    /// Opens a LoRA adapter (a PEFT folder, or a GGUF file) for this model; it is disposed of with it. Used by <see cref="Generation"/>'s
    /// options, answer by answer; several answers may use it at once.
    /// </summary>
    /// <exception cref="ModelException">It is none, damaged, of a kind that is not done here, or for another model; the message names the
    /// field or tensor.</exception>
    /// <exception cref="Gguf.GgufException">A GGUF file is damaged.</exception>
    /// <exception cref="IOException">A file is missing or can't be read.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public Adapter OpenAdapter(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!Directory.Exists(path) && !File.Exists(path))
            throw new FileNotFoundException(Printable.Line($"{path}: there is no such file or folder"), path);
        if (IsEncoder)
            throw new ModelException(path,
                "is an adapter for a model that makes vectors: those take none while they run; `edgellm merge` writes it into the weights");
        Licences.LicencePolicy.Require(path);
        Adapter adapter = ReadFile(file => Adapter.Open(path, file, _steps.Model, CanChange));
        try
        {
            AdapterFolder.Check(adapter, this, ReadFile(ModelLoader.ReadChatTemplate));
            lock (_companions)
            {
                ThrowIfDisposed();
                _companions.Add(adapter);
            }
            lock (_adapters) _adapters.Add(adapter);
            return adapter;
        }
        catch
        {
            ((IDisposable)adapter).Dispose();
            throw;
        }
    }

    /// <summary>Whether an adapter was opened by this model.</summary>
    internal bool Owns(Adapter adapter)
    {
        lock (_adapters) return _adapters.Contains(adapter);
    }

    /// <summary>Adapters and control vectors of an answer, as passes use them; null: none.</summary>
    internal Adaptation? Adapt(IReadOnlyList<AdapterUse> adapters, IReadOnlyList<ControlVectorUse> vectors) =>
        Adaptation.Of(this, adapters, vectors);

    /// <summary>Whether the steps that use a tensor ask a sequence's adapters.</summary>
    private bool CanChange(TensorUse use) => (_changeable ??= [.. Changeable()]).Contains((use.Role, use.Layer));

    private IEnumerable<(TensorRole, int)> Changeable()
    {
        foreach (Step step in _steps.All)
        {
            IEnumerable<TensorUse> tensors = step switch
            {
                ProjectStep or NormStep or HeadNormStep => step.Tensors,
                EmbedStep => step.Tensors,
                ExpertProjectStep experts => experts.Projections.Select(projection => projection.Stack),
                _ => [],
            };
            foreach (TensorUse use in tensors) yield return (use.Role, use.Layer);
            if (step is ProjectStep project)
            {
                foreach (AdaptedPlace place in project.Places) yield return (place.Weight, place.Layer);
            }
        }
    }
}
