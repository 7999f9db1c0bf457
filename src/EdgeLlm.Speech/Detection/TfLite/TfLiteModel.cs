using System.Buffers.Binary;

namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>Types of a tensor's numbers, as schema.fbs numbers them.</summary>
internal enum TfLiteType
{
    Int32 = 2,
    UInt8 = 3,
    Int8 = 9,
    Resource = 13,
}

/// <summary>
/// A tensor: value = scale * (q - zero point). Its numbers are the file's, where it is a constant, else an operation writes them.
/// </summary>
/// <param name="Shape">Dimensions.</param>
/// <param name="Type">What a number is.</param>
/// <param name="Scales">One, or one a channel.</param>
/// <param name="ZeroPoint">The q that means 0.</param>
/// <param name="ScaleDimension">The dimension that <paramref name="Scales"/> are along where they are many.</param>
/// <param name="IsConstant">Whether the file has its numbers.</param>
internal sealed record TfLiteTensor(int[] Shape, TfLiteType Type, float[] Scales, int ZeroPoint, int ScaleDimension, bool IsConstant)
{
    /// <summary>Numbers of 8 bits; of unsigned ones the same bits.</summary>
    public sbyte[] Bytes { get; init; } = [];

    /// <summary>Numbers of 32 bits; always constants.</summary>
    public int[] Integers { get; init; } = [];

    /// <summary>Product of the dimensions.</summary>
    public int Count => Shape.Aggregate(1, (product, dimension) => product * dimension);

    /// <summary>The scale of a tensor that has one.</summary>
    /// <exception cref="InvalidDataException">It has none or several.</exception>
    public float Scale => Scales is [var one] ? one : throw new InvalidDataException("has a tensor without one scale");
}

/// <summary>An operation.</summary>
/// <param name="Code">Its number in BuiltinOperator of schema.fbs.</param>
/// <param name="Inputs">Tensors by number; -1: not given.</param>
/// <param name="Outputs">Tensors by number.</param>
/// <param name="Options">Its options; null: all defaults.</param>
internal sealed record TfLiteOperator(int Code, int[] Inputs, int[] Outputs, FlatTable? Options);

/// <summary>A list of operations in their order.</summary>
internal sealed record TfLiteGraph(TfLiteTensor[] Tensors, int[] Inputs, int[] Outputs, TfLiteOperator[] Operators);

/// <summary>A model in TensorFlow Lite's format (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3).</summary>
internal static class TfLiteModel
{
    private const int Version = 3, MostGraphs = 16, MostTensors = 4096, MostOperators = 4096, MostNumbers = 4096,
        MostDimensions = 8, MostElements = 1 << 22;

    /// <summary>Whether a file begins so.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> start) => start.Length >= 8 && start[4..8].SequenceEqual("TFL3"u8);

    /// <summary>The graphs of a file; the first is the model's.</summary>
    /// <exception cref="InvalidDataException">It is not such a file, or is damaged.</exception>
    public static TfLiteGraph[] Read(ReadOnlyMemory<byte> file)
    {
        if (!Recognizes(file.Span)) throw new InvalidDataException("is not a TensorFlow Lite file");
        FlatTable root = FlatTable.Root(file);
        if (root.Integer(0) != Version)
            throw new InvalidDataException($"is a TensorFlow Lite file of version {root.Integer(0)}; {Version} is read");
        // Operators up to 126 are in a byte, that newer ones do not fit.
        int[] codes = [.. root.Tables(1, MostOperators).Select(code => Math.Max(code.Byte(0), code.Integer(3)))];
        ReadOnlyMemory<byte>[] buffers = [.. root.Tables(4, 2 * MostTensors).Select(buffer => buffer.Bytes(0))];
        return [.. root.Tables(2, MostGraphs).Select(graph => ReadGraph(graph, codes, buffers))];
    }

    private static TfLiteGraph ReadGraph(FlatTable graph, int[] codes, ReadOnlyMemory<byte>[] buffers)
    {
        TfLiteTensor[] tensors = [.. graph.Tables(0, MostTensors).Select(tensor => ReadTensor(tensor, buffers))];
        if (tensors.Sum(tensor => (long)tensor.Count) > MostElements) throw new InvalidDataException("has tensors that are too large");
        TfLiteOperator[] operators = [.. graph.Tables(3, MostOperators).Select(operation =>
        {
            int index = operation.Integer(0);
            if ((uint)index >= (uint)codes.Length) throw new InvalidDataException("names an operator that it does not list");
            return new TfLiteOperator(codes[index], Checked(operation.Integers(1, MostNumbers), least: -1),
                Checked(operation.Integers(2, MostNumbers)), operation.Table(4));
        })];
        return new TfLiteGraph(tensors, Checked(graph.Integers(1, MostNumbers)), Checked(graph.Integers(2, MostNumbers)), operators);

        int[] Checked(int[] indices, int least = 0) =>
            indices.All(index => index >= least && index < tensors.Length) ? indices
                : throw new InvalidDataException("names a tensor that it does not list");
    }

    private static TfLiteTensor ReadTensor(FlatTable tensor, ReadOnlyMemory<byte>[] buffers)
    {
        int[] shape = tensor.Integers(0, MostDimensions);
        long count = 1;
        foreach (int dimension in shape)
        {
            count *= dimension;
            if (dimension < 0 || count > MostElements)
                throw new InvalidDataException($"has a tensor of {string.Join(" x ", shape)} numbers");
        }
        var type = (TfLiteType)tensor.Byte(1);
        if (type is not (TfLiteType.Int32 or TfLiteType.UInt8 or TfLiteType.Int8 or TfLiteType.Resource))
            throw new InvalidDataException($"has a tensor of TensorFlow Lite's type {(int)type}; int8, uint8 and int32 are read");
        int index = tensor.Integer(2);
        if ((uint)index >= (uint)buffers.Length) throw new InvalidDataException("names a buffer that it does not list");
        ReadOnlySpan<byte> data = buffers[index].Span;
        (float[] scales, long[] zeroPoints, int dimensionOfScales) = ([], [], 0);
        if (tensor.Table(4) is { } quantization)
            (scales, zeroPoints, dimensionOfScales) =
                (quantization.Floats(2, MostNumbers), quantization.Longs(3, MostNumbers), quantization.Integer(6));
        if (scales.Any(scale => !(scale > 0 && float.IsFinite(scale)))) throw new InvalidDataException("has a scale that is not positive");
        if (zeroPoints.Any(point => point is < sbyte.MinValue or > byte.MaxValue)
            || (zeroPoints.Length > 1 && zeroPoints.Any(point => point != 0)))
            throw new InvalidDataException("has a zero point that is not read");
        var read = new TfLiteTensor(shape, type, scales, zeroPoints.Length > 0 ? (int)zeroPoints[0] : 0, dimensionOfScales,
            IsConstant: !data.IsEmpty);
        int width = type == TfLiteType.Int32 ? sizeof(int) : 1;
        if (!data.IsEmpty && data.Length != count * width) throw new InvalidDataException("has a tensor whose shape and size differ");
        if (type != TfLiteType.Int32) return read with
        {
            Bytes = data.IsEmpty ? type == TfLiteType.Resource ? [] : new sbyte[count] : [.. data.ToArray().Select(value => (sbyte)value)],
        };
        int[] integers = new int[data.Length / width];
        for (int i = 0; i < integers.Length; i++) integers[i] = BinaryPrimitives.ReadInt32LittleEndian(data[(width * i)..]);
        return read with { Integers = integers };
    }
}
