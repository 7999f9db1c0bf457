using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>
/// The operators that Silero's models use, as github.com/onnx/onnx's Operators.md defines them for versions 13 to 17; every other is
/// refused by name.
/// </summary>
internal static partial class OnnxOperators
{
    /// <summary>An operation's results.</summary>
    /// <exception cref="InvalidDataException">The operator is not known, or its inputs or attributes are of a kind that is not.</exception>
    public static IEnumerable<OnnxValue> Apply(OnnxProgram program, OnnxNode node, OnnxValue?[] inputs)
    {
        OnnxValue At(int index) => index < inputs.Length && inputs[index] is { } value ? value : throw Unfit(node, $"has no input {index}");
        long[] Integers(int index) => At(index).Integers ?? throw Unfit(node, $"wants integers that are known as input {index}");
        bool Has(int index) => index < inputs.Length && inputs[index] is not null;

        return node.Operator switch
        {
            "Constant" => [node.Attributes.GetValueOrDefault("value")?.Tensor ?? throw Unfit(node, "has no tensor")],
            "ConstantOfShape" => [Fill(node, OnnxValue.Shaped(Integers(0)))],
            "Identity" => [At(0)],
            "Cast" => [Cast(node, At(0))],
            "Shape" => [OnnxValue.List([.. At(0).Shape.Select(dimension => (long)dimension)])],
            "Size" => [OnnxValue.Scalar(At(0).Count)],
            "Reshape" => [Reshape(node, At(0), Integers(1))],
            "Squeeze" => [Squeeze(At(0), Has(1) ? Integers(1) : null)],
            "Unsqueeze" => [Unsqueeze(At(0), Integers(1))],
            "Equal" => [Equal(node, At(0), At(1))],
            "Not" => [new OnnxValue(At(0).Shape, null, [.. Integers(0).Select(value => value == 0 ? 1L : 0)], IsConstant: true)],
            "Gather" => [Gather(program, node, At(0), At(1), Integers(1))],
            "Concat" => [Concat(program, node, [.. inputs.Select((_, i) => At(i))])],
            "Slice" => [Slice(program, node, At(0), Integers(1), Integers(2), Has(3) ? Integers(3) : null, Has(4) ? Integers(4) : null)],
            "Transpose" => [Transpose(program, node, At(0))],
            "Pad" => [Pad(program, node, At(0), Integers(1))],
            "Add" => [Add(program, node, At(0), At(1))],
            "Pow" => [At(1) is { IsConstant: true, Floats: [2f] } ? Square(program, node, At(0))
                : throw Unfit(node, "has another exponent than 2")],
            "Sqrt" => [Root(program, node, At(0))],
            "Relu" => [Activate(program, node, At(0), Activation.Relu)],
            "Sigmoid" => [Activate(program, node, At(0), Activation.Logistic)],
            "ReduceMean" => [Mean(program, node, At(0))],
            "Conv" => [Convolve(program, node, At(0), At(1), Has(2) ? At(2) : null)],
            "LSTM" => Lstm(program, node, inputs),
            _ => throw new InvalidDataException($"needs the operator {Printable.Line(node.Operator, 80)}, which is not known here"),
        };
    }

    private static InvalidDataException Unfit(OnnxNode node, string problem) => new($"has an operation {node.Operator} that {problem}");

    private static float[] FloatsOf(OnnxNode node, OnnxValue value) =>
        value.Floats ?? throw Unfit(node, "takes integers where floats are known");

    private static OnnxValue Fill(OnnxNode node, int[] shape)
    {
        OnnxValue? value = node.Attributes.GetValueOrDefault("value")?.Tensor;
        int count = OnnxValue.CountOf(shape);
        if (value?.Integers is [var integer])
        {
            long[] integers = new long[count];
            Array.Fill(integers, integer);
            return new OnnxValue(shape, null, integers, IsConstant: true);
        }
        float[] floats = new float[count];
        Array.Fill(floats, value?.Floats is [var number] ? number : 0);
        return new OnnxValue(shape, floats, null, IsConstant: true);
    }

    private static OnnxValue Cast(OnnxNode node, OnnxValue value)
    {
        const int Float = 1, Int64 = 7, Bool = 9;
        return (node.Integer("to", 0), value) switch
        {
            (Float, { Floats: not null }) or (Int64, { Integers: not null }) => value,
            (Bool, { Integers: { } integers }) => value with { Integers = [.. integers.Select(integer => integer != 0 ? 1L : 0)] },
            var (to, _) => throw Unfit(node, $"turns numbers into ONNX's type {to}"),
        };
    }

    private static OnnxValue Reshape(OnnxNode node, OnnxValue value, long[] wanted)
    {
        if (node.Integer("allowzero", 0) != 0) throw Unfit(node, "allows a dimension of 0");
        if (wanted.Length > OnnxValue.MostDimensions || wanted.Count(dimension => dimension == -1) > 1)
            throw Unfit(node, "has a shape that can't be");
        long[] shape = [.. wanted.Select((dimension, i) => dimension != 0 ? dimension : i < value.Shape.Length ? value.Shape[i]
            : throw Unfit(node, "has a shape that can't be"))];
        int open = Array.IndexOf(shape, -1);
        if (open >= 0)
        {
            shape[open] = 1;
            shape[open] = value.Count / Math.Max(1, OnnxValue.CountOf(OnnxValue.Shaped(shape)));
        }
        return value.Reshaped(OnnxValue.Shaped(shape));
    }

    private static OnnxValue Squeeze(OnnxValue value, long[]? axes)
    {
        int[] left = [.. (axes ?? []).Select(axis => OnnxValue.Axis(axis, value.Shape.Length))];
        return value.Reshaped([.. value.Shape.Where((dimension, i) => axes is null ? dimension != 1 : !left.Contains(i))]);
    }

    private static OnnxValue Unsqueeze(OnnxValue value, long[] axes)
    {
        int dimensions = value.Shape.Length + axes.Length;
        if (dimensions > OnnxValue.MostDimensions)
            throw new InvalidDataException($"has a tensor of {dimensions} dimensions; at most {OnnxValue.MostDimensions} are read");
        int[] added = [.. axes.Select(axis => OnnxValue.Axis(axis, dimensions)).Distinct()];
        var shape = new List<int>(value.Shape);
        foreach (int axis in added.Order()) shape.Insert(Math.Min(axis, shape.Count), 1);
        return value.Reshaped([.. shape]);
    }

    private static OnnxValue Equal(OnnxNode node, OnnxValue a, OnnxValue b)
    {
        if (a.Integers is not { } x || b.Integers is not { } y || (x.Length != y.Length && y.Length != 1))
            throw Unfit(node, "compares other things than known integers");
        return new OnnxValue(a.Shape, null, [.. x.Select((value, i) => value == y[y.Length == 1 ? 0 : i] ? 1L : 0)], IsConstant: true);
    }

    /// <summary>A tensor whose element i is element map[i] of the value.</summary>
    private static OnnxValue Rearranged(OnnxProgram program, OnnxValue value, int[] shape, int[] map)
    {
        if (value.Integers is { } integers) return new OnnxValue(shape, null, [.. map.Select(index => integers[index])], IsConstant: true);
        float[] from = value.Floats!;
        OnnxValue result = OnnxValue.Result(shape);
        float[] to = result.Floats!;
        (int At, int From, int Count)[] runs = Runs(map);
        return program.Add(result, [value], () =>
        {
            foreach ((int at, int first, int count) in runs) from.AsSpan(first, count).CopyTo(to.AsSpan(at));
        });
    }

    /// <summary>A map's stretches of neighbours.</summary>
    private static (int At, int From, int Count)[] Runs(int[] map)
    {
        var runs = new List<(int, int, int)>();
        for (int at = 0, end; at < map.Length; at = end)
        {
            for (end = at + 1; end < map.Length && map[end] == map[end - 1] + 1;) end++;
            runs.Add((at, map[at], end - at));
        }
        return [.. runs];
    }

    /// <summary>Elements between neighbours along each dimension.</summary>
    private static int[] Strides(int[] shape)
    {
        int[] strides = new int[shape.Length];
        for (int d = shape.Length - 1, stride = 1; d >= 0; stride *= shape[d--]) strides[d] = stride;
        return strides;
    }

    /// <summary>The map of <see cref="Rearranged"/>: element (i0, i1, ...) is at the sum of offsets[d][i of d].</summary>
    private static int[] Map(int[] shape, int[][] offsets)
    {
        int[] map = new int[OnnxValue.CountOf(shape)];
        for (int i = 0; i < map.Length; i++)
        {
            int rest = i;
            for (int d = shape.Length - 1; d >= 0; d--)
            {
                map[i] += offsets[d][rest % shape[d]];
                rest /= shape[d];
            }
        }
        return map;
    }

    private static int[] Steps(int count, int stride, int first = 0) => [.. Enumerable.Range(0, count).Select(i => first + i * stride)];

    private static OnnxValue Gather(OnnxProgram program, OnnxNode node, OnnxValue value, OnnxValue indices, long[] numbers)
    {
        if (node.Integer("axis", 0) != 0 || value.Shape.Length == 0) throw Unfit(node, "gathers along another dimension than the first");
        int row = value.Count / Math.Max(1, value.Shape[0]);
        int[] shape = [.. indices.Shape, .. value.Shape[1..]];
        if (shape.Length > OnnxValue.MostDimensions) throw Unfit(node, "has too many dimensions");
        OnnxValue.CountOf(shape);
        return Rearranged(program, value, shape,
            [.. numbers.SelectMany(number => Steps(row, 1, OnnxValue.Axis(number, value.Shape[0]) * row))]);
    }

    private static OnnxValue Transpose(OnnxProgram program, OnnxNode node, OnnxValue value)
    {
        int[] order = [.. (node.Integers("perm") ?? []).Select(axis => OnnxValue.Axis(axis, value.Shape.Length))];
        if (order.Length != value.Shape.Length || order.Distinct().Count() != order.Length) throw Unfit(node, "has an order that can't be");
        int[] strides = Strides(value.Shape), shape = [.. order.Select(axis => value.Shape[axis])];
        return Rearranged(program, value, shape, Map(shape, [.. order.Select((axis, d) => Steps(shape[d], strides[axis]))]));
    }

    private static OnnxValue Slice(OnnxProgram program, OnnxNode node, OnnxValue value, long[] starts, long[] ends,
        long[]? axes, long[]? steps)
    {
        if (ends.Length != starts.Length || (axes ?? starts).Length != starts.Length || (steps ?? starts).Length != starts.Length)
            throw Unfit(node, "has lists of several lengths");
        int[] strides = Strides(value.Shape), shape = [.. value.Shape];
        int[][] offsets = [.. shape.Select((dimension, d) => Steps(dimension, strides[d]))];
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = OnnxValue.Axis(axes?[i] ?? i, shape.Length);
            long length = value.Shape[axis], step = steps?[i] ?? 1;
            if (step is 0 or < int.MinValue or > int.MaxValue) throw Unfit(node, "has a step that can't be");
            // From the end where negative, then cut to what exists: 0 to length forwards, -1 to length - 1 backwards.
            long low = step > 0 ? 0 : -1, high = step > 0 ? length : length - 1;
            long start = Math.Clamp(starts[i] < 0 ? starts[i] + length : starts[i], step > 0 ? 0 : Math.Min(0, high), high);
            long end = Math.Clamp(ends[i] < 0 ? Math.Max(ends[i], -length - 1) + length : ends[i], low, high);
            int count = (int)Math.Max(0, (end - start + step - Math.Sign(step)) / step);
            shape[axis] = count;
            offsets[axis] = Steps(count, (int)step * strides[axis], (int)start * strides[axis]);
        }
        return Rearranged(program, value, shape, Map(shape, offsets));
    }

    /// <summary>Reflects at both ends of the last dimension: ... x2 x1 | x0 x1 x2 ..., the first not repeated.</summary>
    private static OnnxValue Pad(OnnxProgram program, OnnxNode node, OnnxValue value, long[] pads)
    {
        int dimensions = value.Shape.Length, last = dimensions - 1;
        if (node.Text("mode", "constant") != "reflect") throw Unfit(node, "pads otherwise than by reflection");
        if (dimensions == 0 || pads.Length != 2 * dimensions || pads.Where((pad, i) => pad != 0 && i % dimensions != last).Any())
            throw Unfit(node, "pads other dimensions than the last");
        long before = pads[last], after = pads[^1], length = value.Shape[last];
        if (before < 0 || after < 0 || before >= length || after >= length) throw Unfit(node, "pads with more than there is");
        int[] strides = Strides(value.Shape), shape = [.. value.Shape];
        shape[last] = (int)(before + length + after);
        int[][] offsets = [.. value.Shape.Select((dimension, d) => Steps(dimension, strides[d]))];
        offsets[last] = [.. Enumerable.Range(0, shape[last]).Select(i =>
        {
            long at = Math.Abs(i - before);
            return (int)(at < length ? at : 2 * (length - 1) - at);
        })];
        return Rearranged(program, value, shape, Map(shape, offsets));
    }

    private static OnnxValue Concat(OnnxProgram program, OnnxNode node, OnnxValue[] parts)
    {
        if (parts.Length == 0 || parts[0].Shape.Length == 0) throw Unfit(node, "joins scalars");
        int dimensions = parts[0].Shape.Length, axis = OnnxValue.Axis(node.Integer("axis", 0), dimensions);
        bool isFloat = parts[0].Floats is not null;
        foreach (OnnxValue part in parts)
        {
            bool fits = part.Shape.Length == dimensions
                && part.Shape.Where((dimension, d) => d != axis && dimension != parts[0].Shape[d]).FirstOrDefault(-1) == -1;
            if (!fits || part.Floats is not null != isFloat) throw Unfit(node, "joins tensors that do not fit");
        }
        int[] shape = [.. parts[0].Shape];
        shape[axis] = OnnxValue.CountOf([checked((int)Math.Min(parts.Sum(part => (long)part.Shape[axis]), int.MaxValue))]);
        int blocks = OnnxValue.CountOf(shape[..axis]), total = OnnxValue.CountOf(shape);
        // Each part has its run of every block, side by side.
        if (!isFloat)
        {
            long[] joined = new long[total];
            Join(parts, part => part.Integers!, joined, blocks);
            return new OnnxValue(shape, null, joined, IsConstant: true);
        }
        OnnxValue result = OnnxValue.Result(shape);
        return program.Add(result, parts, () => Join(parts, part => part.Floats!, result.Floats!, blocks));
    }

    private static void Join<T>(OnnxValue[] parts, Func<OnnxValue, T[]> numbers, T[] joined, int blocks)
    {
        int at = 0;
        for (int block = 0; block < blocks; block++)
        {
            foreach (OnnxValue part in parts)
            {
                int run = part.Count / blocks;
                numbers(part).AsSpan(block * run, run).CopyTo(joined.AsSpan(at));
                at += run;
            }
        }
    }
}
