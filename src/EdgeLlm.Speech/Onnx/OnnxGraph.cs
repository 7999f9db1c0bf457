using EdgeLlm.Files;

namespace EdgeLlm.Speech.Onnx;

/// <summary>
/// Constants and operations of an ONNX file (onnx.proto, version 3 of the format): what a reader of one model's weights needs. Operations
/// are not run. Data are slices of the file's bytes.
/// </summary>
internal sealed class OnnxGraph
{
    /// <summary>Most bytes of a file.</summary>
    public const int MostBytes = 256 << 20;

    // Of a graph, its own graphs in attributes (If, Loop) among them; those of real voices and detectors have hundreds.
    private const int MostItems = 100_000;
    private const int MostDepth = 8;

    private readonly Dictionary<string, OnnxTensor> _initializers = [];
    private readonly List<OnnxNode> _nodes = [];

    private OnnxGraph()
    {
    }

    /// <summary>Constants by name.</summary>
    public IReadOnlyDictionary<string, OnnxTensor> Initializers => _initializers;

    /// <summary>Operations in the file's order, which is one of computation.</summary>
    public IReadOnlyList<OnnxNode> Nodes => _nodes;

    /// <summary>Reads a file.</summary>
    /// <exception cref="FileException">It can't be read, is larger than <see cref="MostBytes"/>, is not an ONNX file or is
    /// damaged.</exception>
    public static OnnxGraph Open(string path)
    {
        byte[] bytes = InputFile.Read(path, MostBytes);
        try
        {
            return Read(bytes);
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(path, $"as an ONNX file: {exception.Message}", exception);
        }
    }

    /// <summary>Reads a file's bytes, which must not change afterwards.</summary>
    /// <exception cref="InvalidDataException">It is not an ONNX file or is damaged.</exception>
    public static OnnxGraph Read(ReadOnlyMemory<byte> file)
    {
        var reader = new ProtobufReader(file);
        OnnxGraph? graph = null;
        int items = 0;
        while (reader.Read())
        {
            if (reader.Field == 7 && reader.Kind == ProtobufKind.Length) graph = ReadGraph(reader.Bytes, 0, ref items);
        }
        return graph ?? throw new InvalidDataException("has no graph");
    }

    /// <summary>A constant of the file.</summary>
    /// <exception cref="InvalidDataException">There is none of the name.</exception>
    public OnnxTensor Initializer(string name) =>
        _initializers.TryGetValue(name, out OnnxTensor? tensor) ? tensor : throw OnnxGraph.Error($"has no constant '{name}'");

    /// <summary>An error of one printable line, whatever names of the file are in it.</summary>
    internal static InvalidDataException Error(string problem) => new(Printable.Line(problem));

    internal static OnnxGraph ReadGraph(ReadOnlyMemory<byte> message, int depth, ref int items)
    {
        if (depth > MostDepth) throw new InvalidDataException("has graphs nested too deeply");
        var graph = new OnnxGraph();
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            if (reader.Field is not (1 or 5)) continue;
            if (++items > MostItems) throw new InvalidDataException("has too many operations or constants");
            if (reader.Field == 1)
            {
                graph._nodes.Add(OnnxNode.Read(reader.Bytes, depth, ref items));
                continue;
            }
            OnnxTensor tensor = OnnxTensor.Read(reader.Bytes);
            if (!graph._initializers.TryAdd(tensor.Name, tensor)) throw OnnxGraph.Error($"has the constant '{tensor.Name}' twice");
        }
        return graph;
    }
}

/// <summary>An operation: the names of its inputs (empty: left out) and outputs, its kind and settings.</summary>
internal sealed class OnnxNode
{
    private const int MostNames = 10_000;

    private readonly List<string> _inputs = [], _outputs = [];
    private readonly Dictionary<string, OnnxAttribute> _attributes = [];

    private OnnxNode()
    {
    }

    public string Name { get; private set; } = "";

    /// <summary>Kind of operation, such as `MatMul`.</summary>
    public string Operation { get; private set; } = "";

    public IReadOnlyList<string> Inputs => _inputs;

    public IReadOnlyList<string> Outputs => _outputs;

    public IReadOnlyDictionary<string, OnnxAttribute> Attributes => _attributes;

    internal static OnnxNode Read(ReadOnlyMemory<byte> message, int depth, ref int items)
    {
        var node = new OnnxNode();
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            if (node._inputs.Count + node._outputs.Count + node._attributes.Count > MostNames)
                throw new InvalidDataException("has an operation with too many inputs");
            switch (reader.Field)
            {
                case 1: node._inputs.Add(reader.Text); break;
                case 2: node._outputs.Add(reader.Text); break;
                case 3: node.Name = reader.Text; break;
                case 4: node.Operation = reader.Text; break;
                case 5:
                    OnnxAttribute attribute = OnnxAttribute.Read(reader.Bytes, depth, ref items);
                    node._attributes[attribute.Name] = attribute;
                    break;
            }
        }
        return node;
    }
}

/// <summary>A setting of an operation; only the fields of its kind are set.</summary>
internal sealed class OnnxAttribute
{
    private const int MostNumbers = 1 << 20;

    private readonly List<long> _integers = [];

    private OnnxAttribute()
    {
    }

    public string Name { get; private set; } = "";

    public float Float { get; private set; }

    public long Integer { get; private set; }

    public string? Text { get; private set; }

    public OnnxTensor? Tensor { get; private set; }

    /// <summary>A branch of `If`, the body of `Loop`.</summary>
    public OnnxGraph? Graph { get; private set; }

    public IReadOnlyList<long> Integers => _integers;

    internal static OnnxAttribute Read(ReadOnlyMemory<byte> message, int depth, ref int items)
    {
        var attribute = new OnnxAttribute();
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 1: attribute.Name = reader.Text; break;
                case 2: attribute.Float = reader.Float; break;
                case 3: attribute.Integer = reader.Number; break;
                case 4: attribute.Text = reader.Text; break;
                case 5: attribute.Tensor = OnnxTensor.Read(reader.Bytes); break;
                case 6: attribute.Graph = OnnxGraph.ReadGraph(reader.Bytes, depth + 1, ref items); break;
                case 8: reader.AddNumbers(attribute._integers, MostNumbers); break;
            }
        }
        return attribute;
    }
}
