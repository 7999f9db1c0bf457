using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>Operators that compute with sound: their results are written by each run. One sequence at a time (a batch of 1).</summary>
internal static partial class OnnxOperators
{
    private const int MostPadding = 1 << 16;

    private static OnnxValue Each(OnnxProgram program, OnnxNode node, OnnxValue value, Func<float, float> function)
    {
        float[] x = FloatsOf(node, value);
        OnnxValue result = OnnxValue.Result(value.Shape);
        float[] y = result.Floats!;
        return program.Add(result, [value], () =>
        {
            for (int i = 0; i < y.Length; i++) y[i] = function(x[i]);
        });
    }

    private static OnnxValue Add(OnnxProgram program, OnnxNode node, OnnxValue a, OnnxValue b)
    {
        if (!a.Shape.SequenceEqual(b.Shape)) throw Unfit(node, "adds tensors of two shapes");
        if (a.Integers is { } first && b.Integers is { } second)
            return new OnnxValue(a.Shape, null, [.. first.Zip(second, (x, y) => unchecked(x + y))], IsConstant: true);
        float[] left = FloatsOf(node, a), right = FloatsOf(node, b);
        OnnxValue result = OnnxValue.Result(a.Shape);
        float[] sum = result.Floats!;
        return program.Add(result, [a, b], () =>
        {
            for (int i = 0; i < sum.Length; i++) sum[i] = left[i] + right[i];
        });
    }

    /// <summary>The mean along some dimensions, in double and in order.</summary>
    private static OnnxValue Mean(OnnxProgram program, OnnxNode node, OnnxValue value)
    {
        float[] x = FloatsOf(node, value);
        int[] axes = [.. (node.Integers("axes") ?? []).Select(axis => OnnxValue.Axis(axis, value.Shape.Length))],
            strides = Strides(value.Shape);
        if (axes.Length == 0 || x.Length == 0) throw Unfit(node, "has no dimension to average");
        int[] kept = [.. Enumerable.Range(0, value.Shape.Length).Where(d => !axes.Contains(d))];
        int[] reduced = [.. axes.Distinct().Order()];
        int[] Of(int[] dimensions) =>
            Map([.. dimensions.Select(d => value.Shape[d])], [.. dimensions.Select(d => Steps(value.Shape[d], strides[d]))]);
        int[] starts = Of(kept), parts = Of(reduced);
        int[] shape = node.Integer("keepdims", 1) != 0 ? [.. value.Shape.Select((dimension, d) => axes.Contains(d) ? 1 : dimension)]
            : [.. kept.Select(d => value.Shape[d])];
        OnnxValue result = OnnxValue.Result(shape);
        float[] means = result.Floats!;
        return program.Add(result, [value], () =>
        {
            for (int i = 0; i < means.Length; i++)
            {
                double sum = 0;
                foreach (int part in parts) sum += x[starts[i] + part];
                means[i] = (float)(sum / parts.Length);
            }
        });
    }

    /// <summary>
    /// y[o, t] = bias[o] + sum over c, k of w[o, c, k] x[c, stride t + k - padding]: the patches of x as rows of a matrix, times the
    /// weights.
    /// </summary>
    private static OnnxValue Convolve(OnnxProgram program, OnnxNode node, OnnxValue value, OnnxValue weights, OnnxValue? bias)
    {
        float[] x = FloatsOf(node, value), w = FloatsOf(node, weights);
        if (value.Shape is not [1, var channels, var length]
            || weights.Shape is not [var outputs, var depth, var width] || depth != channels)
            throw Unfit(node, "is not along one dimension");
        if (node.Integer("group", 1) != 1 || (node.Integers("dilations") ?? []).Any(dilation => dilation != 1)
            || node.Text("auto_pad", "NOTSET") != "NOTSET")
            throw Unfit(node, "has groups, dilation or automatic padding");
        if (!weights.IsConstant || bias is { IsConstant: false } || (bias is not null && FloatsOf(node, bias).Length != outputs))
            throw Unfit(node, "has weights that are not constants");
        long stride = node.Integers("strides") is [var one] ? one : 1;
        (long before, long after) = node.Integers("pads") is [var left, var right] ? (left, right) : (0, 0);
        if (stride is < 1 or > MostPadding || before is < 0 or > MostPadding || after is < 0 or > MostPadding || width < 1
            || length + before + after < width)
            throw Unfit(node, "has sizes that can't be");
        int times = (int)((length + before + after - width) / stride) + 1, columns = channels * width,
            first = (int)before, step = (int)stride;
        var matrix = new FloatMatrix(program.Kernel, w, outputs, columns);
        bool isDirect = channels == 1 && before == 0 && after == 0;
        float[] patches = isDirect ? x : new float[OnnxValue.CountOf([times, columns])],
            products = new float[OnnxValue.CountOf([times, outputs])];
        OnnxValue result = OnnxValue.Result(1, outputs, times);
        float[] y = result.Floats!;
        return program.Add(result, [value, weights], () =>
        {
            if (!isDirect) CutPatches(x, patches, channels, length, width, times, step, first);
            matrix.Multiply(patches, isDirect ? step : columns, times, products);
            for (int o = 0; o < outputs; o++)
            {
                float offset = bias is null ? 0 : bias.Floats![o];
                for (int t = 0; t < times; t++) y[o * times + t] = products[t * outputs + o] + offset;
            }
        });
    }

    private static void CutPatches(float[] x, float[] patches, int channels, int length, int width, int times, int stride, int before)
    {
        for (int t = 0, at = 0; t < times; t++)
        {
            for (int c = 0; c < channels; c++)
            {
                for (int k = 0; k < width; k++, at++)
                {
                    int from = t * stride + k - before;
                    patches[at] = (uint)from < (uint)length ? x[c * length + from] : 0;
                }
            }
        }
    }

    /// <summary>
    /// One step of a long short-term memory: gates = W x + R h + both biases in the order input, output, forget, cell;
    /// c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c').
    /// </summary>
    private static OnnxValue[] Lstm(OnnxProgram program, OnnxNode node, OnnxValue?[] inputs)
    {
        bool isPlain = node.Text("direction", "forward") == "forward" && node.Integer("layout", 0) == 0
            && node.Integer("input_forget", 0) == 0
            && !node.Attributes.ContainsKey("activations") && !node.Attributes.ContainsKey("clip");
        if (!isPlain) throw Unfit(node, "is not a plain one forwards");
        if (inputs is not [{ Shape: [1, 1, var width] } x, { IsConstant: true } w, { IsConstant: true } r,
            { IsConstant: true } b, null, { } h, { } c])
            throw Unfit(node, "has other inputs than one step of one sequence, constant weights and a state");
        int size = (int)Math.Clamp(node.Integer("hidden_size", 0), 0, int.MaxValue / 8);
        if (!w.Shape.SequenceEqual([1, 4 * size, width]) || !r.Shape.SequenceEqual([1, 4 * size, size])
            || !b.Shape.SequenceEqual([1, 8 * size]) || size == 0
            || !h.Shape.SequenceEqual([1, 1, size]) || !c.Shape.SequenceEqual([1, 1, size]))
            throw Unfit(node, "has shapes that do not fit");
        FloatMatrix input = new(program.Kernel, FloatsOf(node, w), 4 * size, width),
            recurrent = new(program.Kernel, FloatsOf(node, r), 4 * size, size);
        float[] sound = FloatsOf(node, x), biases = FloatsOf(node, b), hidden = FloatsOf(node, h), cell = FloatsOf(node, c);
        float[] fromInput = new float[4 * size], fromState = new float[4 * size];
        OnnxValue newHidden = OnnxValue.Result(1, 1, size), newCell = OnnxValue.Result(1, 1, size);
        OnnxValue[] all = [x, h, c];
        newCell = program.Add(newCell, all, () =>
        {
            input.Multiply(sound, width, 1, fromInput);
            recurrent.Multiply(hidden, size, 1, fromState);
            float Gate(int gate, int i) =>
                fromInput[gate * size + i] + fromState[gate * size + i] + (biases[gate * size + i] + biases[(4 + gate) * size + i]);
            for (int i = 0; i < size; i++)
            {
                float kept = Sigmoid(Gate(2, i)) * cell[i], added = Sigmoid(Gate(0, i)) * ActivationFunctions.Tanh(Gate(3, i));
                newCell.Floats![i] = kept + added;
                newHidden.Floats![i] = Sigmoid(Gate(1, i)) * ActivationFunctions.Tanh(kept + added);
            }
        });
        newHidden = newHidden with { IsConstant = newCell.IsConstant };
        return [newHidden.Reshaped(1, 1, 1, size), newHidden, newCell];
    }

    private static float Sigmoid(float x) => ActivationFunctions.Of(Activation.Logistic, x);
}

/// <summary>
/// Weights [rows, columns] of a small network, multiplied by the kernels in their fixed order of sums: the same bits with each.
/// </summary>
internal sealed unsafe class FloatMatrix
{
    private readonly Kernel kernel;
    private readonly float[] weights;
    private readonly int rows, columns;
    private readonly byte[] scratch; // with room to be aligned

    public FloatMatrix(Kernel kernel, float[] weights, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weights.Length, (long)rows * columns);
        (this.kernel, this.weights, this.rows, this.columns) = (kernel, weights, rows, columns);
        scratch = GC.AllocateArray<byte>((int)kernel.ScratchBytes(columns) + 64, pinned: true);
    }

    /// <summary>y[t, r] = sum over c of weights[r, c] x[stride t + c].</summary>
    public void Multiply(float[] x, int stride, int tokens, float[] y)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, (tokens - 1L) * stride + columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(y.Length, (long)tokens * rows);
        fixed (float* w = weights, from = x, to = y)
        fixed (byte* room = scratch)
        {
            var matrix = new WeightMatrix((byte*)w, Kernels.Formats.ElementType.F32, rows, columns);
            kernel.Multiply(matrix, from, stride, tokens, to, rows, 0, rows, (byte*)(((nint)room + 63) & ~63));
        }
    }
}
