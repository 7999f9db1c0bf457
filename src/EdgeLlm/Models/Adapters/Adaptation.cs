using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>An adapter and how strongly it acts.</summary>
/// <param name="Adapter">Opened by the model that uses it (<see cref="LanguageModel.OpenAdapter"/>).</param>
/// <param name="Scale">Factor of its change, -16 to 16.</param>
public readonly record struct AdapterUse(Adapter Adapter, float Scale = 1);

/// <summary>A control vector, how strongly it acts, and in which layers.</summary>
/// <param name="Vector">Its directions.</param>
/// <param name="Scale">Factor of the directions, -16 to 16.</param>
/// <param name="FirstLayer">The first layer whose result it changes, from 0.</param>
/// <param name="LastLayer">The last one.</param>
public readonly record struct ControlVectorUse(ControlVector Vector, float Scale = 1, int FirstLayer = 0, int LastLayer = int.MaxValue);

/// <summary>Adapters and control vectors of a sequence, as passes use them: looked up by steps, made once for an answer.</summary>
internal sealed class Adaptation
{
    /// <summary>Most adapters of a sequence, and most control vectors.</summary>
    public const int MostUses = 8;

    /// <summary>Largest scale.</summary>
    public const float MostScale = 16;

    private static readonly int Roles = Enum.GetValues<TensorRole>().Length;

    private readonly Scaled[]?[] _changes; // [layer][role]
    private readonly float[]?[] _directions; // of each layer [width], pinned; null: nothing is added

    private Adaptation(int layers) => (_changes, _directions) = (new Scaled[]?[layers * Roles], new float[]?[layers]);

    /// <summary>A change and the scale of its adapter.</summary>
    public readonly record struct Scaled(TensorChange Change, float Scale);

    /// <summary>Content, scale and order of all: what is computed with other ones has another key.</summary>
    public string Key { get; private init; } = "";

    /// <summary>Whether directions are added to the stream.</summary>
    public bool Steers { get; private set; }

    /// <summary>Whether it changes products, embeddings or norms.</summary>
    public bool ChangesTensors { get; private set; }

    /// <summary>Null where there is nothing to do.</summary>
    /// <exception cref="ArgumentException">A scale is out of its range, there are too many, one is of another model, or two can't be used
    /// together.</exception>
    public static Adaptation? Of(LanguageModel model, IReadOnlyList<AdapterUse> adapters, IReadOnlyList<ControlVectorUse> vectors)
    {
        if (adapters.Count == 0 && vectors.Count == 0) return null;
        if (adapters.Count > MostUses)
            throw new ArgumentException($"{adapters.Count} adapters are too many for one answer: at most {MostUses}");
        if (model.IsEncoder) throw new ArgumentException($"{model.Name} makes vectors: it takes no adapters and no control vectors");
        if (vectors.Count > MostUses)
            throw new ArgumentException($"{vectors.Count} control vectors are too many for one answer: at most {MostUses}");
        foreach (AdapterUse use in adapters)
        {
            RequireScale(use.Scale, use.Adapter.Name);
            if (!model.Owns(use.Adapter)) throw new ArgumentException($"the adapter {use.Adapter.Name} was opened for another model");
            if (use.Scale != 1 && use.Adapter.OnlyWhole is { } reason)
                throw new ArgumentException($"the adapter {use.Adapter.Name} takes no scale but 1 ({reason})");
        }
        foreach (ControlVectorUse use in vectors)
        {
            RequireScale(use.Scale, use.Vector.Name);
            if (use.Vector.Width != model.Info.EmbeddingLength || use.Vector.Layers > model.Info.BlockCount)
                throw new ArgumentException(
                    $"the control vector {use.Vector.Name} is for another model: it has {use.Vector.Layers} layers of {use.Vector.Width} numbers, and the model {model.Info.BlockCount} of {model.Info.EmbeddingLength}");
            if (use.FirstLayer < 0 || use.LastLayer < use.FirstLayer)
                throw new ArgumentException(
                    $"layers {use.FirstLayer} to {use.LastLayer} of the control vector {use.Vector.Name} are no range");
        }
        var made = new Adaptation(model.Info.BlockCount) { Key = KeyOf(adapters, vectors) };
        foreach (AdapterUse use in adapters) made.Add(use);
        foreach (ControlVectorUse use in vectors) made.Add(use);
        return made;
    }

    /// <summary>Content, scale and order of adapters and control vectors; empty: there are none.</summary>
    public static string KeyOf(IReadOnlyList<AdapterUse> adapters, IReadOnlyList<ControlVectorUse> vectors)
    {
        if (adapters.Count == 0 && vectors.Count == 0) return "";
        var key = new StringBuilder();
        foreach (AdapterUse use in adapters)
            key.Append(CultureInfo.InvariantCulture, $"a{Convert.ToHexString(use.Adapter.Identity.Span)}:{use.Scale:R};");
        foreach (ControlVectorUse use in vectors)
            key.Append(CultureInfo.InvariantCulture,
                $"v{Convert.ToHexString(use.Vector.Identity.Span)}:{use.Scale:R}:{use.FirstLayer}-{use.LastLayer};");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(key.ToString())));
    }

    /// <summary>Changes of a tensor, in the order of the adapters; null: none.</summary>
    public Scaled[]? At(TensorRole role, int layer) => _changes[layer * Roles + (int)role];

    /// <summary>Replacement of a vector; null: none.</summary>
    public unsafe float* VectorAt(TensorRole role, int layer) => At(role, layer) is { } changes ? changes[0].Change.Vector : null;

    /// <summary>Vector added to the stream after a layer [width, pinned]; null: none.</summary>
    public float[]? DirectionAfter(int layer) => _directions[layer];

    private static void RequireScale(float scale, string name)
    {
        if (!float.IsFinite(scale) || Math.Abs(scale) > MostScale)
            throw new ArgumentException(
                $"the scale of {name} is {scale.ToString(CultureInfo.InvariantCulture)}; it has to be from -{MostScale} to {MostScale}");
    }

    private unsafe void Add(AdapterUse use)
    {
        foreach (((TensorRole role, int layer), TensorChange change) in use.Adapter.Changes)
        {
            ref Scaled[]? changes = ref _changes[layer * Roles + (int)role];
            bool replaces = change.Whole is not null || change.Vector != null;
            if (replaces && changes is not null
                && Array.Exists(changes, other => other.Change.Whole is not null || other.Change.Vector != null))
                throw new ArgumentException(
                    $"the adapter {use.Adapter.Name} replaces {TensorTable.Name(role, layer)}, and so does another one: they can't be "
                        + "used together");
            changes = [.. changes ?? [], new Scaled(change, use.Scale)];
        }
        ChangesTensors = true;
    }

    private void Add(ControlVectorUse use)
    {
        for (int layer = Math.Max(0, use.FirstLayer); layer < _directions.Length && layer <= use.LastLayer; layer++)
        {
            if (use.Vector.Direction(layer) is not { } direction) continue;
            float[] sum = _directions[layer] ??= GC.AllocateArray<float>(direction.Length, pinned: true);
            for (int i = 0; i < sum.Length; i++) sum[i] += use.Scale * direction[i];
        }
        Steers = true;
    }
}
