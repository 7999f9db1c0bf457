namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>
/// The operations of microWakeWord's streaming models, made ready: a list of steps on fixed buffers, and the state that they leave for the
/// next call. Every other operator is refused by name. The arithmetic is that of TensorFlow Lite's reference kernels, integer for integer.
/// </summary>
/// <remarks>Not safe for several threads at once.</remarks>
internal sealed partial class TfLiteProgram
{
    private readonly TfLiteGraph[] graphs;
    private readonly TfLiteTensor[] tensors;
    private readonly List<Action> steps = [];
    private readonly Dictionary<string, (sbyte[] Initial, sbyte[] Now)> states = [];
    private readonly Dictionary<int, string> handles = []; // tensor of main -> a state's name

    /// <param name="file">A file's bytes.</param>
    /// <exception cref="InvalidDataException">It is not such a file, is damaged, or needs an operator that is not known here.</exception>
    public TfLiteProgram(ReadOnlyMemory<byte> file)
    {
        graphs = TfLiteModel.Read(file);
        if (graphs.Length == 0) throw new InvalidDataException("has no graph");
        TfLiteGraph main = graphs[0];
        tensors = main.Tensors;
        // What an earlier operation made; the rest are constants or the input.
        var made = new HashSet<int>(main.Inputs);
        foreach (TfLiteOperator operation in main.Operators)
        {
            foreach (int input in operation.Inputs)
            {
                if (input >= 0 && !tensors[input].IsConstant && !made.Contains(input))
                    throw new InvalidDataException("uses a tensor that no earlier operation makes");
            }
            Prepare(operation);
            foreach (int output in operation.Outputs)
            {
                if (tensors[output].IsConstant || !made.Add(output)) throw new InvalidDataException("writes a tensor twice");
            }
        }
        Inputs = [.. main.Inputs.Select(index => tensors[index])];
        Outputs =
            [.. main.Outputs.Select(index => made.Contains(index) ? tensors[index]
                : throw new InvalidDataException("has a result that no operation makes"))];
        Reset();
    }

    /// <summary>Its inputs, to be written before a run.</summary>
    public IReadOnlyList<TfLiteTensor> Inputs { get; }

    /// <summary>Its results, to be read after a run.</summary>
    public IReadOnlyList<TfLiteTensor> Outputs { get; }

    /// <summary>Computes the results from what is in the inputs and the state.</summary>
    public void Run()
    {
        foreach (Action step in steps) step();
    }

    /// <summary>Sets the state to what it is before the first run.</summary>
    public void Reset()
    {
        foreach ((sbyte[] initial, sbyte[] now) in states.Values) initial.CopyTo(now, 0);
    }

    private void Prepare(TfLiteOperator operation)
    {
        switch (operation.Code)
        {
            case 2: Concatenate(operation); break;
            case 3: Convolve(operation); break;
            case 4: ConvolveDepthwise(operation); break;
            case 9: Connect(operation); break;
            case 14: Squash(operation); break;
            case 22: Copy(In(operation, 0), Out(operation, 0)); break; // RESHAPE: the same numbers in the same order
            case 45: Slice(operation); break;
            case 102: Split(operation); break;
            case 114: ToUnsigned(operation); break;
            case 129: Initialize(operation); break;
            case 142:
                handles[operation.Outputs is [var handle] ? handle : throw Unfit(operation)] =
                    (operation.Options ?? throw Unfit(operation)).Text(1); break;
            case 143: Copy(State(operation), Out(operation, 0)); break;
            case 144: Copy(In(operation, 1), State(operation)); break;
            default: throw new InvalidDataException($"needs the operator {TfLiteNames.Of(operation.Code)}, which is not known here");
        }
    }

    /// <summary>CALL_ONCE: a graph that sets each state to a constant; it is followed now, and again by a reset.</summary>
    private void Initialize(TfLiteOperator operation)
    {
        int index = operation.Options?.Integer(0) ?? 0;
        if (index <= 0 || index >= graphs.Length) throw Unfit(operation);
        TfLiteGraph graph = graphs[index];
        var names = new Dictionary<int, string>();
        foreach (TfLiteOperator step in graph.Operators)
        {
            if (step is { Code: 142, Outputs: [var handle], Options: { } options }) names[handle] = options.Text(1);
            else if (step is { Code: 144, Inputs: [var target, var value] } && names.TryGetValue(target, out string? name) && value >= 0
                && graph.Tensors[value] is { Type: TfLiteType.Int8, IsConstant: true } constant)
                states[name] = (constant.Bytes, new sbyte[constant.Count]);
            else throw new InvalidDataException($"sets its states by {TfLiteNames.Of(step.Code)}, which is not read");
        }
    }

    private sbyte[] State(TfLiteOperator operation) =>
        operation.Inputs.Length > 0 && handles.TryGetValue(operation.Inputs[0], out string? name)
            && states.TryGetValue(name, out (sbyte[] Initial, sbyte[] Now) state)
            ? state.Now : throw new InvalidDataException("uses a state that it never sets");

    private void Copy(TfLiteTensor from, sbyte[] to) => Copy(from.Bytes, to);

    private void Copy(TfLiteTensor from, TfLiteTensor to) => Copy(from.Bytes, to.Bytes);

    private void Copy(sbyte[] from, TfLiteTensor to) => Copy(from, to.Bytes);

    private void Copy(sbyte[] from, sbyte[] to)
    {
        if (from.Length != to.Length) throw new InvalidDataException($"copies {from.Length} numbers to {to.Length}");
        steps.Add(() => from.CopyTo(to, 0));
    }

    /// <summary>An input of 8 bits.</summary>
    private TfLiteTensor In(TfLiteOperator operation, int index) =>
        index < operation.Inputs.Length && operation.Inputs[index] >= 0
            && tensors[operation.Inputs[index]] is { Type: TfLiteType.Int8 } tensor ? tensor : throw Unfit(operation);

    /// <summary>A constant of 32 bits; null where it is not given.</summary>
    private int[]? Constant(TfLiteOperator operation, int index)
    {
        if (index >= operation.Inputs.Length || operation.Inputs[index] < 0) return null;
        TfLiteTensor tensor = tensors[operation.Inputs[index]];
        return tensor is { Type: TfLiteType.Int32, IsConstant: true } ? tensor.Integers : throw Unfit(operation);
    }

    /// <summary>An output of 8 bits.</summary>
    private TfLiteTensor Out(TfLiteOperator operation, int index) =>
        index < operation.Outputs.Length && tensors[operation.Outputs[index]] is { Type: TfLiteType.Int8 } tensor ? tensor
            : throw Unfit(operation);

    private static InvalidDataException Unfit(TfLiteOperator operation) =>
        new($"has an operation {TfLiteNames.Of(operation.Code)} of a kind that is not read");
}

/// <summary>Names of BuiltinOperator in schema.fbs, for messages.</summary>
internal static class TfLiteNames
{
    private static readonly string[] First =
    [
        "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE", "EMBEDDING_LOOKUP",
        "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP",
        "L2_NORMALIZATION", "L2_POOL_2D", "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL",
        "RELU", "RELU_N1_TO_1", "RELU6", "RESHAPE",
        "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH", "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM",
        "EMBEDDING_LOOKUP_SPARSE", "PAD",
        "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB", "DIV", "SQUEEZE",
        "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE",
    ];

    public static string Of(int code) => code switch
    {
        >= 0 when code < First.Length => First[code],
        49 => "SPLIT",
        53 => "CAST",
        102 => "SPLIT_V",
        114 => "QUANTIZE",
        129 => "CALL_ONCE",
        142 => "VAR_HANDLE",
        143 => "READ_VARIABLE",
        144 => "ASSIGN_VARIABLE",
        _ => $"number {code}",
    };
}
