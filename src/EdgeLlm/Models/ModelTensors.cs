using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>A file's tensors as steps use them: views of the map, checked against the shapes that the spec says.</summary>
internal sealed unsafe class ModelTensors(GgufFile file)
{
    private readonly HashSet<string> _read = [];

    /// <summary>Names of the tensors that were asked for.</summary>
    public IReadOnlySet<string> Read => _read;

    /// <exception cref="ModelException">It is missing, or of another shape or of a type that weights can't have.</exception>
    public WeightMatrix Matrix(TensorUse use)
    {
        GgufTensor tensor = Find(use);
        if (tensor.Packed is { } packed) return new WeightMatrix((byte*)file.Pointer(tensor), packed.Layout, packed.Codebook, use.Rows);
        if (tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16) && !BlockUnpacker.CanUnpack(tensor.Type))
            throw new ModelException(file.Path, $"tensor {tensor.Name} is of type {tensor.Type}, which weights can't have here");
        return new WeightMatrix((byte*)file.Pointer(tensor), tensor.Type, use.Rows, use.Columns);
    }

    /// <exception cref="ModelException">Some of the matrices of one operation, which multiply the same activations, are rotated and others
    /// are not.</exception>
    public void RequireOneRotation(ReadOnlySpan<WeightMatrix> matrices, string name)
    {
        int packed = 0, rotated = 0;
        foreach (ref readonly WeightMatrix matrix in matrices)
        {
            if (matrix.IsPacked) packed++;
            if (matrix.IsRotated) rotated++;
        }
        if (rotated > 0 && rotated < packed)
            throw Error(
                $"tensor {name} is rotated and others that multiply the same activations are not, or the other way round: quantize the "
                    + "model again");
    }

    /// <summary>The matrices of a stack, one after the other.</summary>
    /// <exception cref="ModelException">It is missing, or of another shape or of a type that weights can't have.</exception>
    public WeightMatrix[] Stack(TensorUse use)
    {
        WeightMatrix all = Matrix(use);
        if (file.FindTensor(use.Name)?.Packed is { Experts: > 1 } packed && packed.Experts != use.Experts)
            throw new ModelException(file.Path,
                $"tensor {use.Name} is a stack of {packed.Experts} packed matrices, and the model has {use.Experts} experts");
        int rows = use.Rows / use.Experts;
        if (all.IsPacked && rows % PackedLayout.GroupRows != 0)
            throw new ModelException(file.Path,
                $"tensor {use.Name} is packed, and its matrices have {rows} rows, not a multiple of {PackedLayout.GroupRows}");
        return [.. Enumerable.Range(0, use.Experts).Select(e => all.IsPacked
            ? new WeightMatrix(all.Group(e * rows), all.Layout, all.Codebook, rows)
            : new WeightMatrix(all.Row(e * rows), all.Type, rows, use.Columns))];
    }

    /// <exception cref="ModelException">It is missing, or of another length or type than F32.</exception>
    public float* Vector(TensorUse use)
    {
        GgufTensor tensor = Find(use, isVector: true);
        if (tensor.Type != ElementType.F32)
            throw new ModelException(file.Path, $"tensor {tensor.Name} is {tensor.Type}; norms and biases have to be F32");
        return (float*)file.Pointer(tensor);
    }

    /// <summary>An error about the file.</summary>
    public ModelException Error(string problem) => new(file.Path, problem);

    private GgufTensor Find(TensorUse use, bool isVector = false)
    {
        _read.Add(use.Name);
        GgufTensor tensor = file.FindTensor(use.Name)
            ?? throw new ModelException(file.Path, $"has no tensor {use.Name}: the file is incomplete or not a language model");
        // Some files have a vector's numbers in rows of one each.
        bool fits = isVector ? tensor.Columns * tensor.Rows == (long)use.Columns * use.Rows
            : tensor.Columns == use.Columns && tensor.Rows == use.Rows;
        if (!fits)
            throw new ModelException(file.Path,
                $"tensor {tensor.Name} has the shape {Shape(tensor.Rows, tensor.Columns)}, expected {Shape(use.Rows, use.Columns)}");
        return tensor;
    }

    private static string Shape(long rows, long columns) => rows == 1 ? $"[{columns}]" : $"[{columns}, {rows}]";
}
