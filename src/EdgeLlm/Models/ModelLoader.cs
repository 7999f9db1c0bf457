using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>From a GGUF file to a spec, steps with weights, and tokenizer data.</summary>
internal static unsafe partial class ModelLoader
{
    /// <summary>Architectures that run.</summary>
    public static IReadOnlyList<string> Architectures { get; } = [.. Family.All.Select(family => family.Architecture).Distinct()];

    /// <summary>The model in a file, from its metadata and the names and shapes of its tensors alone.</summary>
    /// <exception cref="ModelException">It is not a model that runs here; the message names the key.</exception>
    /// <exception cref="GgufException">A key is missing or of another type.</exception>
    public static ModelSpec ReadSpec(GgufFile file)
    {
        Family family = Family.Of(file);
        var keys = new ModelKeys(file, family.Architecture)
        {
            RopeDivisors = ReadRopeTable(file, TensorRole.RopeDivisors),
            RopeFactors = (ReadRopeTable(file, TensorRole.RopeShortDivisors), ReadRopeTable(file, TensorRole.RopeLongDivisors)),
        };
        ModelSpec spec = family.MakeSpec(keys);
        UnreadParts.RefuseKeys(file, family.Architecture, keys.Read);
        return spec;
    }

    /// <summary>Binds a model's steps to the weights of its file; no weight is touched.</summary>
    /// <param name="context">Positions of a context: some rotary angles depend on it.</param>
    /// <exception cref="ModelException">A tensor is missing, of another shape or type, or one that nothing uses.</exception>
    public static void Bind(ModelSteps steps, GgufFile file, int context)
    {
        var tensors = new ModelTensors(file);
        foreach (Step step in steps.All) step.Bind(tensors, context);
        UnreadParts.RefuseTensors(file, steps.Model.Architecture, tensors.Read);
    }

    private static float[] ReadRopeTable(GgufFile file, TensorRole role)
    {
        string name = TensorTable.Name(role);
        if (file.FindTensor(name) is not { } tensor) return [];
        if (tensor.Type != ElementType.F32) throw new ModelException(file.Path, $"tensor {name} is {tensor.Type}; it has to be F32");
        if (tensor.Rows != 1 || tensor.Columns > ModelKeys.MaximumWidth)
            throw new ModelException(file.Path, $"tensor {name} is not a vector of a head's pairs");
        return new ReadOnlySpan<float>((float*)file.Pointer(tensor), (int)tensor.Columns).ToArray();
    }
}
