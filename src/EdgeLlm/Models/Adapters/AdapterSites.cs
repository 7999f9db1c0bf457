using System.Globalization;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>A tensor of the model that a tensor of an adapter is about, and how its numbers are stored there.</summary>
/// <param name="Expert">The matrix of a stack; -1: it is not a stack's.</param>
/// <param name="SourceShape">[rows, columns], or [numbers] of a vector, as the adapter has them.</param>
/// <param name="SourceRow">From a row of the model to the adapter's; null: none moves.</param>
/// <param name="SourceColumn">The same of columns.</param>
/// <param name="IsTransposed">A whole weight is stored [columns, rows].</param>
/// <param name="Offset">Added to the numbers of a vector.</param>
internal sealed record AdapterSite(TensorUse Use, int Expert, long[] SourceShape, Func<long, long>? SourceRow,
    Func<long, long>? SourceColumn, bool IsTransposed, float Offset)
{
    /// <summary>Rows of the matrix; of a stack, of one of it.</summary>
    public int Rows => Use.Rows / Use.Experts;

    /// <summary>Name in messages: of a head that is the embedding again, the head.</summary>
    public string Name => Use.Name;
}

/// <summary>Names of tensors in adapters to tensors of a model.</summary>
internal sealed class AdapterSites
{
    private const string Expert = "{e}";

    private readonly Dictionary<string, List<AdapterSite>> _byFolderName = [];
    private readonly ModelSpec _model;
    private readonly bool _turnsInHalves;

    /// <param name="turnsInHalves">Whether the base is a folder that runs as it is, where a GGUF file of it would have rows of queries and
    /// keys in another order.</param>
    public AdapterSites(ModelSpec model, bool turnsInHalves)
    {
        (_model, _turnsInHalves) = (model, turnsInHalves);
        foreach (Family family in Family.All.Where(family => family.Architecture == model.Architecture))
        {
            foreach (TensorUse use in TensorTable.Of(model).Where(use => !use.Entry.IsRopeTable)) Add(family, use);
            if (model.IsTied) Add(family, TensorTable.Use(model, TensorRole.Output));
        }
    }

    /// <summary>Tensors that a name in a training's folder is of; none where the model has no such tensor.</summary>
    /// <param name="name">As the trained model's checkpoint has it, such as `model.layers.0.self_attn.q_proj.weight`.</param>
    public IReadOnlyList<AdapterSite> OfFolderName(string name) => _byFolderName.GetValueOrDefault(name) ?? [];

    /// <summary>The tensor of a GGUF name, or null. Its rows are in the order of GGUF files of the architecture.</summary>
    public AdapterSite? OfGgufName(string name)
    {
        if (TensorTable.Find(name) is not var (entry, layer) || layer >= _model.Layers.Count || entry.IsRopeTable) return null;
        bool isTiedHead = entry.Role == TensorRole.Output && _model.IsTied;
        if (!isTiedHead && entry.When is { } when && !when(_model, _model.Layers[layer])) return null;
        TensorUse use = TensorTable.Use(_model, entry.Role, layer);
        long[] shape = entry.IsMatrix ? [use.Rows / use.Experts, use.Columns] : [use.Columns];
        return new AdapterSite(use, use.Experts > 1 ? 0 : -1, shape, _turnsInHalves ? FromGguf(use) : null, null, false, 0);
    }

    private void Add(Family family, TensorUse use)
    {
        FolderName names = family.NameOf(use.Entry);
        foreach (string template in names.Others.Prepend(names.Name).Where(name => name.Length > 0))
        {
            bool ofExperts = template.Contains(Expert, StringComparison.Ordinal);
            if (use.Experts > 1 && !ofExperts) continue; // a parameter, not a module
            string inLayer = TensorEntry.InLayer(template, use.Layer);
            var form = new TensorForm(use with { Rows = use.Entry.IsMatrix ? use.Rows / use.Experts : use.Rows, Experts = 1 },
                _model.Layers[use.Layer], names.Form, family.RotatesNeighbours);
            long[] shape = form.SourceShape;
            if (names.Form == FolderForm.Transposed && shape.Length == 2) shape = [shape[1], shape[0]];
            for (int e = 0; e < (ofExperts ? use.Experts : 1); e++)
            {
                string name = inLayer.Replace(Expert, e.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
                var site = new AdapterSite(use, ofExperts ? e : -1, shape, form.SourceRow, form.SourceColumn,
                    names.Form == FolderForm.Transposed, names.Form == FolderForm.LessOne ? 1 : 0);
                foreach (string spelling in Spellings(name, family)) Add(spelling, site);
            }
        }
    }

    private void Add(string name, AdapterSite site)
    {
        if (!_byFolderName.TryGetValue(name, out List<AdapterSite>? sites)) _byFolderName.Add(name, sites = []);
        if (!sites.Exists(other => other.Use.Role == site.Use.Role && other.Use.Layer == site.Use.Layer && other.Expert == site.Expert))
            sites.Add(site);
    }

    /// <summary>How trainings of the text model, of its inner part, and of a checkpoint with more than text name a tensor.</summary>
    private static IEnumerable<string> Spellings(string name, Family family)
    {
        yield return name;
        bool hasPrefix = family.Prefix.Length > 0 && name.StartsWith(family.Prefix, StringComparison.Ordinal);
        string inner = hasPrefix ? name[family.Prefix.Length..] : name;
        if (hasPrefix)
        {
            yield return inner;
            yield return "model.language_model." + inner;
            yield return "language_model." + inner;
        }
        yield return "language_model." + name;
        yield return "model." + name;
    }

    /// <summary>Rows of queries and keys in neighbours, as GGUF files of the architecture have them, to halves, as they run.</summary>
    private Func<long, long>? FromGguf(TensorUse use)
    {
        LayerSpec layer = _model.Layers[use.Layer];
        if (layer.Attention.Rope is not { } rope || use.Entry.RotatedHeads is null) return null;
        var turned = layer with { Attention = layer.Attention with { Rope = rope with { IsSplit = false } } };
        if (new TensorForm(use, turned, FolderForm.AsItIs, rotatesNeighbours: false).SourceRow is not { } folderRow) return null;
        long[] from = new long[use.Entry.IsMatrix ? use.Rows : use.Columns];
        for (long row = 0; row < from.Length; row++) from[folderRow(row)] = row;
        return row => from[row];
    }
}
