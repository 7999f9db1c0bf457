namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>
/// A tensor: its shape is known when the graph is read; its numbers are too, where it is a constant, else each run writes them.
/// </summary>
/// <param name="Shape">Dimensions, none for a scalar.</param>
/// <param name="Floats">The numbers, row by row; null: integers. Tensors that differ in shape only share them.</param>
/// <param name="Integers">Integers or truth values; always constants.</param>
/// <param name="IsConstant">Whether no run changes it.</param>
internal sealed record OnnxValue(int[] Shape, float[]? Floats, long[]? Integers, bool IsConstant)
{
    /// <summary>Bounds for files of anybody's making.</summary>
    public const int MostDimensions = 8, MostElements = 1 << 20;

    /// <summary>Number of elements.</summary>
    public int Count => Floats?.Length ?? Integers!.Length;

    /// <summary>A tensor of floats that a run writes.</summary>
    public static OnnxValue Result(params int[] shape) => new(shape, new float[CountOf(shape)], null, IsConstant: false);

    /// <summary>Integers, one dimension.</summary>
    public static OnnxValue List(params long[] integers) => new([integers.Length], null, integers, IsConstant: true);

    /// <summary>One integer.</summary>
    public static OnnxValue Scalar(long integer) => new([], null, [integer], IsConstant: true);

    /// <exception cref="InvalidDataException">A dimension is negative or the tensor too large.</exception>
    public static int[] Shaped(IReadOnlyList<long> dimensions)
    {
        if (dimensions.Count > MostDimensions)
            throw new InvalidDataException($"has a tensor of {dimensions.Count} dimensions; at most {MostDimensions} are read");
        foreach (long dimension in dimensions)
        {
            if (dimension is < 0 or > MostElements) throw new InvalidDataException($"has a tensor with a dimension of {dimension}");
        }
        return [.. dimensions.Select(dimension => (int)dimension)];
    }

    /// <summary>Product of the dimensions.</summary>
    /// <exception cref="InvalidDataException">It is too large.</exception>
    public static int CountOf(IReadOnlyList<int> shape)
    {
        long count = 1;
        foreach (int dimension in shape)
        {
            count *= dimension;
            if (count > MostElements)
                throw new InvalidDataException($"has a tensor of {string.Join(" x ", shape)} numbers, which is too large");
        }
        return (int)count;
    }

    /// <summary>View of these numbers in another shape.</summary>
    /// <exception cref="InvalidDataException">It has another number of elements.</exception>
    public OnnxValue Reshaped(params int[] shape) =>
        CountOf(shape) == Count ? this with { Shape = shape }
            : throw new InvalidDataException($"gives {Count} numbers the shape {string.Join(" x ", shape)}");

    /// <summary>A dimension's number, counted from the end where negative.</summary>
    /// <exception cref="InvalidDataException">There is no such dimension.</exception>
    public static int Axis(long axis, int dimensions) =>
        axis >= -dimensions && axis < dimensions ? (int)(axis < 0 ? axis + dimensions : axis)
            : throw new InvalidDataException($"names dimension {axis} of a tensor with {dimensions}");
}
