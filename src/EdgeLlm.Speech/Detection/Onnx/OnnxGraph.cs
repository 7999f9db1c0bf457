using System.Buffers.Binary;
using EdgeLlm.Speech.Onnx;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>An operation of a graph, as the file has it.</summary>
/// <param name="Operator">Its name in ONNX's operator set.</param>
/// <param name="Inputs">Names of its inputs; empty: not given.</param>
/// <param name="Outputs">Names of its outputs.</param>
/// <param name="Attributes">Its attributes by name.</param>
internal sealed record OnnxNode(string Operator, IReadOnlyList<string> Inputs, IReadOnlyList<string> Outputs,
    IReadOnlyDictionary<string, OnnxAttribute> Attributes)
{
    /// <summary>An integer attribute.</summary>
    public long Integer(string name, long otherwise) =>
        Attributes.TryGetValue(name, out OnnxAttribute? attribute) ? attribute.Integer : otherwise;

    /// <summary>A list of integers; null where there is none.</summary>
    public IReadOnlyList<long>? Integers(string name) => Attributes.GetValueOrDefault(name)?.Integers;

    /// <summary>A text.</summary>
    public string Text(string name, string otherwise) => Attributes.GetValueOrDefault(name)?.Text ?? otherwise;
}

/// <summary>An attribute's value; which one counts is the operator's business.</summary>
internal sealed record OnnxAttribute(long Integer, string? Text, IReadOnlyList<long> Integers, OnnxValue? Tensor, OnnxGraph? Graph);

/// <summary>
/// The operations of a model or of a branch in their order, and the names of what they give. Only what is needed of onnx.proto3 is read.
/// </summary>
internal sealed class OnnxGraph
{
    private const int MostNodes = 20_000, MostDepth = 16, MostInputs = 256, MostNumbers = 4096, OldestOpset = 13, NewestOpset = 17;

    private readonly List<OnnxNode> nodes = [];
    private readonly List<string> outputs = [];
    private readonly Dictionary<string, OnnxValue> initializers = [];

    private OnnxGraph(ReadOnlyMemory<byte> message, int depth)
    {
        if (depth > MostDepth) throw new InvalidDataException($"has graphs nested more than {MostDepth} deep");
        for (var reader = new ProtobufReader(message); reader.Read();)
        {
            switch (reader.Field)
            {
                case 1:
                    if (nodes.Count == MostNodes) throw new InvalidDataException($"has more than {MostNodes} operations");
                    nodes.Add(ReadNode(reader.Bytes, depth));
                    break;
                case 5:
                    (string name, OnnxValue value) = ReadTensor(reader.Bytes);
                    initializers[name] = value;
                    break;
                case 12:
                    outputs.Add(ReadName(reader.Bytes));
                    break;
                default: break;
            }
        }
    }

    /// <summary>Operations in the order of the file, which is one that can be computed.</summary>
    public IReadOnlyList<OnnxNode> Nodes => nodes;

    /// <summary>Names of the results.</summary>
    public IReadOnlyList<string> Outputs => outputs;

    /// <summary>Constants by name.</summary>
    public IReadOnlyDictionary<string, OnnxValue> Initializers => initializers;

    /// <summary>Reads a model.</summary>
    /// <exception cref="InvalidDataException">It is not one, is damaged, or needs another version of the operators.</exception>
    public static OnnxGraph Read(ReadOnlyMemory<byte> file)
    {
        ReadOnlyMemory<byte>? graph = null;
        long opset = 0;
        for (var reader = new ProtobufReader(file); reader.Read();)
        {
            if (reader.Field == 7) graph = reader.Bytes;
            if (reader.Field != 8) continue;
            (string domain, long version) = ("", 0L);
            for (var set = new ProtobufReader(reader.Bytes); set.Read();)
            {
                if (set.Field == 1) domain = set.Text;
                if (set.Field == 2) version = set.Number;
            }
            if (domain is "" or "ai.onnx") opset = version;
        }
        if (graph is not { } found) throw new InvalidDataException("is not an ONNX file, or damaged");
        if (opset is < OldestOpset or > NewestOpset)
            throw new InvalidDataException($"needs ONNX's operators of version {opset}; {OldestOpset} to {NewestOpset} are read");
        return new OnnxGraph(found, 0);
    }

    private static OnnxNode ReadNode(ReadOnlyMemory<byte> message, int depth)
    {
        List<string> inputs = [], outputs = [];
        var attributes = new Dictionary<string, OnnxAttribute>();
        string name = "", domain = "";
        for (var reader = new ProtobufReader(message); reader.Read();)
        {
            switch (reader.Field)
            {
                case 1: inputs.Add(reader.Text); break;
                case 2: outputs.Add(reader.Text); break;
                case 4: name = reader.Text; break;
                case 5: ReadAttribute(reader.Bytes, attributes, depth); break;
                case 7: domain = reader.Text; break;
                default: break;
            }
            if (inputs.Count + outputs.Count > MostInputs)
                throw new InvalidDataException($"has an operation with more than {MostInputs} inputs and outputs");
        }
        return new OnnxNode(domain is "" or "ai.onnx" ? name : $"{domain}.{name}", inputs, outputs, attributes);
    }

    private static void ReadAttribute(ReadOnlyMemory<byte> message, Dictionary<string, OnnxAttribute> attributes, int depth)
    {
        string name = "";
        string? text = null;
        long integer = 0;
        List<long> integers = [];
        OnnxValue? tensor = null;
        OnnxGraph? graph = null;
        for (var reader = new ProtobufReader(message); reader.Read();)
        {
            switch (reader.Field)
            {
                case 1: name = reader.Text; break;
                case 3: integer = reader.Number; break;
                case 4: text = reader.Text; break;
                case 5: tensor = ReadTensor(reader.Bytes).Value; break;
                case 6: graph = new OnnxGraph(reader.Bytes, depth + 1); break;
                case 8: reader.AddNumbers(integers, MostNumbers); break;
                default: break;
            }
        }
        attributes[name] = new OnnxAttribute(integer, text, integers, tensor, graph);
    }

    /// <summary>The name of a ValueInfoProto.</summary>
    private static string ReadName(ReadOnlyMemory<byte> message)
    {
        for (var reader = new ProtobufReader(message); reader.Read();)
        {
            if (reader.Field == 1) return reader.Text;
        }
        return "";
    }

    private static (string Name, OnnxValue Value) ReadTensor(ReadOnlyMemory<byte> message)
    {
        const int Float = 1, Int32 = 6, Int64 = 7, Bool = 9;
        List<long> dimensions = [], integers = [];
        ReadOnlyMemory<byte> raw = default, floats = default;
        string name = "";
        long type = 0;
        for (var reader = new ProtobufReader(message); reader.Read();)
        {
            switch (reader.Field)
            {
                case 1: reader.AddNumbers(dimensions, OnnxValue.MostDimensions); break;
                case 2: type = reader.Number; break;
                case 4: floats = reader.Bytes; break;
                case 5 or 7: reader.AddNumbers(integers, MostNumbers); break;
                case 8: name = reader.Text; break;
                case 9: raw = reader.Bytes; break;
                case 13 or 14: throw new InvalidDataException("has weights in another file, which is not read");
                default: break;
            }
        }
        int[] shape = OnnxValue.Shaped(dimensions);
        int count = OnnxValue.CountOf(shape);
        int width = type switch
        {
            Float or Int32 => 4,
            Int64 => 8,
            Bool => 1,
            _ => throw new InvalidDataException($"has a tensor of ONNX's type {type}; floats, int32, int64 and bool are read")
        };
        if (type == Float)
        {
            ReadOnlyMemory<byte> data = raw.IsEmpty ? floats : raw;
            if (data.Length != (long)width * count) throw new InvalidDataException("has a tensor whose shape and size differ");
            float[] values = new float[count];
            for (int i = 0; i < count; i++) values[i] = BinaryPrimitives.ReadSingleLittleEndian(data.Span[(width * i)..]);
            return (name, new OnnxValue(shape, values, null, IsConstant: true));
        }
        if (raw.IsEmpty ? integers.Count != count : raw.Length != (long)width * count)
            throw new InvalidDataException("has a tensor whose shape and size differ");
        long[] numbers = new long[count];
        for (int i = 0; i < count; i++)
        {
            numbers[i] = raw.IsEmpty ? integers[i] : width == 8 ? BinaryPrimitives.ReadInt64LittleEndian(raw.Span[(8 * i)..])
                : width == 4 ? BinaryPrimitives.ReadInt32LittleEndian(raw.Span[(4 * i)..]) : raw.Span[i];
        }
        return (name, new OnnxValue(shape, null, numbers, IsConstant: true));
    }
}
