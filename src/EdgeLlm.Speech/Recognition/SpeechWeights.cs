using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A matrix [rows, columns] and what is added to its products.</summary>
/// <param name="Weight">View of the file.</param>
/// <param name="Bias">[rows], or null.</param>
internal readonly unsafe record struct Linear(WeightMatrix Weight, nint Bias);

/// <summary>Factors and offsets of a layer norm.</summary>
/// <param name="Weight">[width] floats.</param>
/// <param name="Bias">[width] floats, or null.</param>
internal readonly record struct NormWeights(nint Weight, nint Bias);

/// <summary>Tensors of a speech model by name: views of its files, checked against the shapes that its configuration says.</summary>
internal sealed unsafe class SpeechWeights(GgufFile file)
{
    /// <exception cref="ModelException">It is missing, or of another shape or of a type that weights can't have.</exception>
    public WeightMatrix Matrix(string name, int rows, int columns)
    {
        GgufTensor tensor = Find(name);
        bool fits = tensor.Packed is not null ? tensor.Rows == rows && tensor.Columns == columns
            : tensor.Rows * tensor.Columns == (long)rows * columns;
        if (!fits)
            throw new ModelException(file.Path, $"tensor {name} has {tensor.Rows} rows of {tensor.Columns}, expected {rows} of {columns}");
        if (tensor.Packed is { IsRotated: true })
            throw new ModelException(file.Path,
                $"tensor {name} is rotated, which is not supported in a model that hears: quantize the model again");
        if (tensor.Packed is { } packed) return new WeightMatrix((byte*)file.Pointer(tensor), packed.Layout, packed.Codebook, rows);
        bool isFloat = tensor.Type is ElementType.F32 or ElementType.F16 or ElementType.BF16;
        if (!isFloat && (!BlockUnpacker.CanUnpack(tensor.Type) || tensor.Columns != columns))
            throw new ModelException(file.Path, $"tensor {name} is of type {tensor.Type}, which weights can't have here");
        return new WeightMatrix((byte*)file.Pointer(tensor), tensor.Type, rows, columns);
    }

    /// <summary>The address of floats.</summary>
    /// <exception cref="ModelException">It is missing, or of another length or type than F32.</exception>
    public nint Vector(string name, int count)
    {
        GgufTensor tensor = Find(name);
        if (tensor.Rows * tensor.Columns != count)
            throw new ModelException(file.Path, $"tensor {name} has {tensor.Rows * tensor.Columns} numbers, expected {count}");
        if (tensor.Type != ElementType.F32)
            throw new ModelException(file.Path, $"tensor {name} is {tensor.Type}; norms and biases have to be F32");
        return file.Pointer(tensor);
    }

    /// <summary>NAME.weight, and NAME.bias where the file has it.</summary>
    public Linear Linear(string name, int rows, int columns) =>
        new(Matrix(name + ".weight", rows, columns), VectorIfThere(name + ".bias", rows));

    /// <summary>NAME.weight, and NAME.bias where the file has it.</summary>
    public NormWeights Norm(string name, int count) => new(Vector(name + ".weight", count), VectorIfThere(name + ".bias", count));

    private nint VectorIfThere(string name, int count) => file.FindTensor(name) is null ? 0 : Vector(name, count);

    private GgufTensor Find(string name) =>
        file.FindTensor(name) ?? throw new ModelException(file.Path, $"has no tensor {name}: the file is incomplete");
}
