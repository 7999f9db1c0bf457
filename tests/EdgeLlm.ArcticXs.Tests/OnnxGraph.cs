using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.ArcticXs.Tests;

/// <summary>
/// What these tests need of an ONNX file (a protobuf message, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): its F32
/// initializers, and its products in order.
/// </summary>
internal sealed class OnnxGraph
{
    private const int Float = 1;

    /// <summary>By name: dimensions, and numbers.</summary>
    public Dictionary<string, (int[] Shape, float[] Values)> Initializers { get; } = [];

    /// <summary>The second operands of the MatMul nodes that multiply an initializer, in the graph's order.</summary>
    public List<string> Factors { get; } = [];

    public OnnxGraph(ReadOnlySpan<byte> model)
    {
        var products = new List<string>();
        foreach ((int number, Range range) in Fields(model))
        {
            if (number != 7) continue; // ModelProto.graph
            ReadOnlySpan<byte> graph = model[range];
            foreach ((int part, Range of) in Fields(graph))
            {
                if (part == 1) AddNode(graph[of], products);
                else if (part == 5) AddInitializer(graph[of]);
            }
        }
        Factors.AddRange(products.Where(Initializers.ContainsKey));
    }

    private static void AddNode(ReadOnlySpan<byte> node, List<string> products)
    {
        var inputs = new List<string>();
        string operation = "";
        foreach ((int number, Range range) in Fields(node))
        {
            if (number == 1) inputs.Add(Encoding.UTF8.GetString(node[range]));
            else if (number == 4) operation = Encoding.UTF8.GetString(node[range]);
        }
        if (operation == "MatMul") products.Add(inputs[1]);
    }

    private void AddInitializer(ReadOnlySpan<byte> tensor)
    {
        var shape = new List<int>();
        long type = 0;
        string name = "";
        float[] values = [];
        foreach ((int number, Range range) in Fields(tensor))
        {
            ReadOnlySpan<byte> field = tensor[range];
            switch (number)
            {
                case 1: shape.Add((int)Number(field)); break;
                case 2: type = Number(field); break;
                case 8: name = Encoding.UTF8.GetString(field); break;
                case 9:
                    values = new float[field.Length / sizeof(float)];
                    for (int i = 0; i < values.Length; i++)
                        values[i] = BinaryPrimitives.ReadSingleLittleEndian(field[(i * sizeof(float))..]);
                    break;
            }
        }
        if (type == Float) Initializers.Add(name, ([.. shape], values));
    }

    /// <summary>Numbers of a message's fields, and where their contents are.</summary>
    private static List<(int Number, Range Range)> Fields(ReadOnlySpan<byte> message)
    {
        var fields = new List<(int, Range)>();
        for (int at = 0; at < message.Length;)
        {
            long key = Number(message, ref at);
            int start = at;
            switch (key & 7)
            {
                case 0: Number(message, ref at); break;
                case 1: at += sizeof(long); break;
                case 2: int length = (int)Number(message, ref at); start = at; at += length; break;
                case 5: at += sizeof(int); break;
                default: throw new InvalidDataException($"field {key >> 3} has the wire type {key & 7}");
            }
            fields.Add(((int)(key >> 3), start..at));
        }
        return fields;
    }

    private static long Number(ReadOnlySpan<byte> field)
    {
        int at = 0;
        return Number(field, ref at);
    }

    private static long Number(ReadOnlySpan<byte> message, ref int at)
    {
        long number = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = message[at++];
            number |= (long)(part & 127) << shift;
            if (part < 128) return number;
        }
    }
}
