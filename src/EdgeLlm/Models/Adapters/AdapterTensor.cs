using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Models.Adapters;

/// <summary>A tensor of an adapter's file, in its map.</summary>
/// <param name="Shape">Outer dimension first.</param>
internal sealed unsafe record AdapterTensor(string File, string Name, ElementType Type, long[] Shape, nint Data)
{
    /// <exception cref="ModelException">Its numbers are of a type that adapters can't have.</exception>
    public static AdapterTensor Of(FolderTensor tensor)
    {
        ElementType type = tensor.Type ?? throw tensor.Error($"is {tensor.Stored.Kind}; adapters are read as F32, F16 and BF16");
        return new AdapterTensor(tensor.File.Path, tensor.Name, type, tensor.Shape,
            tensor.File.Map.Address(tensor.Stored.Offset, tensor.ByteCount));
    }

    /// <exception cref="ModelException">Its numbers are of a type that adapters can't have.</exception>
    public static AdapterTensor Of(GgufFile file, GgufTensor tensor)
    {
        if (tensor.Packed is not null || tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16))
            throw new ModelException(file.Path,
                $"tensor {FolderFile.Printable(tensor.Name)} is {tensor.TypeName}; adapters are read as F32, F16 and BF16");
        return new AdapterTensor(file.Path, tensor.Name, tensor.Type, [.. tensor.Shape.Reverse()], file.Pointer(tensor));
    }

    public ModelException Error(string problem) => new(File, $"tensor {FolderFile.Printable(Name)} {problem}");

    /// <summary>Bytes of a number.</summary>
    public int Size => Type == ElementType.F32 ? 4 : 2;

    public long Count => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    /// <exception cref="ModelException">Its shape is another.</exception>
    public void Require(params long[] shape)
    {
        if (!Shape.AsSpan().SequenceEqual(shape))
            throw Error($"has the shape [{string.Join(", ", Shape)}]; the model's weight asks for [{string.Join(", ", shape)}]");
    }

    /// <exception cref="ModelException">A number is infinite or not one.</exception>
    public void RequireFinite()
    {
        long count = Count;
        if (Type == ElementType.F32)
        {
            uint* numbers = (uint*)Data;
            for (long i = 0; i < count; i++) if ((numbers[i] & 0x7F800000) == 0x7F800000) throw NotFinite(i);
            return;
        }
        ushort* halves = (ushort*)Data;
        ushort mask = (ushort)(Type == ElementType.F16 ? 0x7C00 : 0x7F80);
        for (long i = 0; i < count; i++) if ((halves[i] & mask) == mask) throw NotFinite(i);
    }

    public float At(long index)
    {
        float value;
        Dequantizer.ToFloat(Type, (byte*)Data + index * Size, &value, 1);
        return value;
    }

    /// <summary>The numbers as a matrix, where they are.</summary>
    public WeightMatrix Matrix(int rows, int columns, long firstRow = 0) =>
        new((byte*)Data + firstRow * columns * Size, Type, rows, columns);

    private ModelException NotFinite(long index) => Error($"has a value that is not finite (number {index})");
}
