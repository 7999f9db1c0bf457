using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Speech.Onnx;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// Takes the network out of a voice's folder (`hibari.onnx`) and puts it into a GGUF file: int8 matrices as E8, bit for bit with their
/// scale as the row scale and sub-scales of 1; all else as F32 in the order that the kernels read.
/// </summary>
internal static class VoiceNetworkWriter
{
    /// <summary>The network's file in a voice's folder.</summary>
    public const string NetworkFile = "hibari.onnx";

    private const string DecoderInput = "m.dec_in.weight";

    private static readonly uint[] Dilations = [1, 2, 4, 8, 1, 2];

    /// <summary>Adds the network's keys and tensors.</summary>
    /// <returns>The packed tensors, for <see cref="PackedTensors.Write"/> together with others of the file.</returns>
    /// <exception cref="FileException">A file of the folder is missing or not a voice's.</exception>
    public static IReadOnlyList<PackedTensor> Add(GgufWriter writer, string folder)
    {
        string path = Path.Combine(folder, NetworkFile);
        OnnxGraph graph = OnnxGraph.Open(path);
        try
        {
            writer.Set(VoiceModel.TextRepeatsKey, GgufValue.Of(4u));
            writer.Set(VoiceModel.ProsodyTextRepeatsKey, GgufValue.Of(6u));
            writer.Set(VoiceModel.DilationsKey, GgufValue.OfArray<uint>(Dilations));
            foreach (OnnxTensor tensor in graph.Initializers.Values)
            {
                if (tensor.Type == OnnxType.Float && tensor.Shape.Length > 0 && IsOfNetwork(tensor.Name)) AddFloats(writer, tensor);
            }
            return AddMatrices(writer, graph);
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(path, exception.Message, exception);
        }
    }

    private static bool IsOfNetwork(string name) =>
        name.StartsWith("m.", StringComparison.Ordinal) || name.StartsWith("pn.", StringComparison.Ordinal);

    /// <summary>`in_proj_bias` and the like get the names that other maps have.</summary>
    private static string NameOf(string name) => name.Replace("in_proj_bias", "in_proj.bias", StringComparison.Ordinal);

    /// <summary>
    /// A vector or table as it is; a convolution's weights [out, in, taps] as [out][taps][in], a depthwise one's [channels, 1, taps] as
    /// [taps][channels].
    /// </summary>
    private static void AddFloats(GgufWriter writer, OnnxTensor tensor)
    {
        float[] numbers = tensor.Floats();
        int[] shape = tensor.Shape;
        if (shape.Length <= 2)
        {
            Set(writer, NameOf(tensor.Name), [.. shape.Reverse().Select(dimension => (long)dimension)], numbers);
            return;
        }
        if (shape.Length != 3) throw new InvalidDataException($"'{tensor.Name}' has {shape.Length} dimensions");
        (int rows, int inputs, int taps) = (shape[0], shape[1], shape[2]);
        if (tensor.Name == DecoderInput)
        {
            AddDecoderInput(writer, numbers, rows, inputs, taps);
            return;
        }
        float[] ordered = new float[numbers.Length];
        bool isDepthwise = inputs == 1;
        for (int row = 0; row < rows; row++)
        {
            for (int input = 0; input < inputs; input++)
            {
                for (int tap = 0; tap < taps; tap++)
                    ordered[isDepthwise ? tap * rows + row : (row * taps + tap) * inputs + input] =
                        numbers[(row * inputs + input) * taps + tap];
            }
        }
        Set(writer, tensor.Name, isDepthwise ? [rows, taps] : [(long)taps * inputs, rows], ordered);
    }

    /// <summary>
    /// The convolution over text, pitch and energy in two: of the text [taps][out] rows of its columns, which are multiplied once for each
    /// phoneme, and of the last two columns [taps][2][out].
    /// </summary>
    private static void AddDecoderInput(GgufWriter writer, float[] numbers, int rows, int inputs, int taps)
    {
        int texts = inputs - 2;
        float[] text = new float[taps * rows * texts], prosody = new float[taps * 2 * rows];
        for (int row = 0; row < rows; row++)
        {
            for (int input = 0; input < inputs; input++)
            {
                for (int tap = 0; tap < taps; tap++)
                {
                    float number = numbers[(row * inputs + input) * taps + tap];
                    if (input < texts) text[(tap * rows + row) * texts + input] = number;
                    else prosody[(tap * 2 + input - texts) * rows + row] = number;
                }
            }
        }
        Set(writer, "m.dec_in.text.weight", [texts, taps * rows], text);
        Set(writer, "m.dec_in.prosody.weight", [rows, 2 * taps], prosody);
    }

    /// <summary>y = a W + b in integers: the bias, two operations after the product's cast, names the map.</summary>
    private static List<PackedTensor> AddMatrices(GgufWriter writer, OnnxGraph graph)
    {
        var packed = new List<PackedTensor>();
        var readers = new Dictionary<string, OnnxNode>();
        foreach (OnnxNode node in graph.Nodes)
        {
            foreach (string input in node.Inputs) readers.TryAdd(input, node);
        }
        foreach (OnnxNode node in graph.Nodes)
        {
            if (node.Operation != "MatMulInteger" || node.Inputs.Count < 2) continue;
            string quantized = node.Inputs[1];
            string prefix = quantized.EndsWith("_quantized", StringComparison.Ordinal) ? quantized[..^"_quantized".Length]
                : throw new InvalidDataException($"'{quantized}' is not a quantized matrix");
            OnnxTensor matrix = graph.Initializer(quantized);
            float[] scale = graph.Initializer(prefix + "_scale").Floats();
            if (scale.Length != 1 || graph.Initializer(prefix + "_zero_point").SignedBytes().ContainsAnyExcept((sbyte)0))
                throw new InvalidDataException($"'{quantized}' has more than one scale or a zero point");
            string? bias = After(After(After(node)))?.Inputs.FirstOrDefault(graph.Initializers.ContainsKey);
            if (bias is null || !NameOf(bias).EndsWith(".bias", StringComparison.Ordinal))
                throw new InvalidDataException($"'{quantized}' has no bias that names it");
            string name = NameOf(bias)[..^"bias".Length] + "weight";
            if (packed.Any(tensor => tensor.Name == name)) continue; // the attention layer is applied several times
            packed.Add(AddMatrix(writer, name, matrix, scale[0]));
        }
        return packed;

        OnnxNode? After(OnnxNode? node) => node?.Outputs is [var output, ..] ? readers.GetValueOrDefault(output) : null;
    }

    /// <summary>[columns, rows] of int8 as E8.</summary>
    private static PackedTensor AddMatrix(GgufWriter writer, string name, OnnxTensor matrix, float scale)
    {
        if (matrix.Shape is not [var columns, var rows] || columns % PackedLayout.BlockColumns != 0 || columns == 0 || rows == 0)
            throw new InvalidDataException($"'{matrix.Name}' is not a matrix of a multiple of {PackedLayout.BlockColumns} columns");
        if (matrix.SignedBytes().Contains(sbyte.MinValue)) throw new InvalidDataException($"'{matrix.Name}' has -128, and E8 ends at -127");
        var packed = new PackedTensor(name, Packing.E8Group32, rows, columns, Vector256<sbyte>.Zero);
        writer.SetTensor(name, [packed.ByteCount], ElementType.I8,
            output => output.Write(Pack(matrix.SignedBytes(), rows, packed.Layout, scale)));
        return packed;
    }

    private static byte[] Pack(ReadOnlySpan<sbyte> matrix, int rows, PackedLayout layout, float scale)
    {
        byte[] bytes = new byte[layout.ByteCount(rows)];
        for (int row = 0; row < rows; row++)
        {
            Span<byte> group = bytes.AsSpan((int)(row / PackedLayout.GroupRows * layout.GroupBytes), (int)layout.GroupBytes);
            int member = row % PackedLayout.GroupRows;
            MemoryMarshal.Write(group[(member * sizeof(float))..], scale);
            for (int block = 0; block < layout.Columns / PackedLayout.BlockColumns; block++)
            {
                group[PackedLayout.SubScaleOffset + block * PackedLayout.GroupRows + member] = 1;
                Span<byte> codes = group.Slice((int)layout.CodeOffset + block * layout.BlockBytes, layout.BlockBytes)[(4 * member)..];
                for (int j = 0; j < PackedLayout.BlockColumns; j++)
                    codes[j / 4 * 32 + j % 4] = (byte)matrix[(block * PackedLayout.BlockColumns + j) * rows + row];
            }
        }
        return bytes;
    }

    private static void Set(GgufWriter writer, string name, ReadOnlySpan<long> shape, float[] numbers) =>
        writer.SetTensor(name, shape, ElementType.F32, output => output.Write(MemoryMarshal.AsBytes(numbers.AsSpan())));
}
