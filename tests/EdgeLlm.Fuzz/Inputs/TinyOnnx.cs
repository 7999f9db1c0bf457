using System.Text;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>
/// A model of Silero's form and the operators that its reader knows, small because its weights are made by ConstantOfShape.
/// </summary>
internal static class TinyOnnx
{
    private const int Float = 1, Int64 = 7, State = 128, Inner = 4;

    public static byte[] ToArray()
    {
        byte[][] branch =
        [
            Constant("one", Numbers([1], 1)), Constant("zero", Numbers([1], 0)), Constant("first", Numbers([], 0)),
            Constant("second", Numbers([], 1)),
            Constant("pads", Numbers([6], 0, 0, 0, 0, 0, 64)), Constant("wshape", Numbers([3], 1, 4 * State, Inner)),
            Constant("rshape", Numbers([3], 1, 4 * State, State)),
            Constant("bshape", Numbers([2], 1, 8 * State)), Constant("kernel", Floats([Inner, 1, 256])), Constant("two", Floats([], 2)),
            Constant("flat", Numbers([3], 1, 1, -1)),
            Node("ConstantOfShape", ["wshape"], ["w"]), Node("ConstantOfShape", ["rshape"], ["r"]),
            Node("ConstantOfShape", ["bshape"], ["b"]),
            Node("Unsqueeze", ["input", "one"], ["x0"]), Node("Pad", ["x0", "pads"], ["x1"], Text("mode", "reflect")),
            Node("Conv", ["x1", "kernel"], ["x2"], Integers("strides", 128), Integers("pads", 0, 0),
                Integers("dilations", 1), Integer("group", 1)),
            Node("Pow", ["x2", "two"], ["x3"]), Node("Add", ["x3", "x2"], ["x4"]), Node("Relu", ["x4"], ["x5"]),
            Node("Sqrt", ["x5"], ["x6"]),
            Node("ReduceMean", ["x6"], ["x7"], Integers("axes", 2), Integer("keepdims", 1)),
            Node("Transpose", ["x7"], ["x8"], Integers("perm", 2, 0, 1)),
            Node("Slice", ["x8", "zero", "one", "zero"], ["x9"]), Node("Reshape", ["x9", "flat"], ["x10"]),
            Node("Gather", ["state", "first"], ["h0"]), Node("Gather", ["state", "second"], ["c0"]),
            Node("Unsqueeze", ["h0", "zero"], ["h1"]), Node("Unsqueeze", ["c0", "zero"], ["c1"]),
            Node("LSTM", ["x10", "w", "r", "b", "", "h1", "c1"], ["y", "h", "c"], Integer("hidden_size", State)),
            Node("Concat", ["h", "c"], ["newstate"], Integer("axis", 0)),
            Node("Shape", ["h"], ["s0"]), Node("Size", ["s0"], ["s1"]), Node("Cast", ["s1"], ["s2"], Integer("to", 9)),
            Node("Not", ["s2"], ["s3"]), Node("Squeeze", ["h", "zero"], ["p0"]),
            Node("ReduceMean", ["p0"], ["p1"], Integers("axes", 1), Integer("keepdims", 1)), Node("Sigmoid", ["p1"], ["p2"]),
            Node("Identity", ["p2"], ["probability"]),
        ];
        byte[] inner = [.. branch.SelectMany(node => Field(1, node)), .. Output("probability"), .. Output("newstate")];
        byte[] graph =
        [
            .. Field(1, Constant("rate", Numbers([], 16000))), .. Field(1, Node("Equal", ["sr", "rate"], ["is"])),
            .. Field(1, Node("If", ["is"], ["output", "stateN"], Graph("then_branch", inner), Graph("else_branch", inner))),
            .. Output("output"), .. Output("stateN"),
        ];
        return [.. Field(1, 8), .. Field(7, graph), .. Field(8, [.. Field(1, []), .. Field(2, 16)])];
    }

    private static byte[] Node(string name, string[] inputs, string[] outputs, params byte[][] attributes) =>
        [.. inputs.SelectMany(input => Field(1, input)), .. outputs.SelectMany(output => Field(2, output)), .. Field(4, name),
            .. attributes.SelectMany(attribute => Field(5, attribute))];

    private static byte[] Constant(string name, byte[] tensor) => Node("Constant", [], [name], [.. Field(1, "value"), .. Field(5, tensor)]);

    private static byte[] Numbers(int[] shape, params long[] numbers) =>
        [.. shape.SelectMany(dimension => Field(1, dimension)), .. Field(2, Int64),
            .. Field(9, [.. numbers.SelectMany(BitConverter.GetBytes)])];

    private static byte[] Floats(int[] shape, float value = .01f) =>
        [.. shape.SelectMany(dimension => Field(1, dimension)), .. Field(2, Float),
            .. Field(9, [.. Enumerable.Repeat(value, shape.Aggregate(1, (a, b) => a * b)).SelectMany(BitConverter.GetBytes)])];

    private static byte[] Integer(string name, long value) => [.. Field(1, name), .. Field(3, value)];

    private static byte[] Integers(string name, params long[] values) =>
        [.. Field(1, name), .. values.SelectMany(value => Field(8, value))];

    private static byte[] Text(string name, string value) => [.. Field(1, name), .. Field(4, value)];

    private static byte[] Graph(string name, byte[] graph) => [.. Field(1, name), .. Field(6, graph)];

    private static byte[] Output(string name) => Field(12, Field(1, name));

    private static byte[] Field(int number, string text) => Field(number, Encoding.UTF8.GetBytes(text));

    private static byte[] Field(int number, byte[] bytes) =>
        [.. Varint((ulong)(number << 3 | 2)), .. Varint((ulong)bytes.Length), .. bytes];

    private static byte[] Field(int number, long value) => [.. Varint((ulong)(number << 3)), .. Varint((ulong)value)];

    private static byte[] Varint(ulong value)
    {
        List<byte> bytes = [];
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }
}
