using System.Numerics;
using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>Operators that compute with sound: their results are written by each run. One sequence at a time (a batch of 1).</summary>
internal static unsafe partial class OnnxOperators
{
    private const int MostPadding = 1 << 16;

    /// <summary>A function of each number by the kernels: the same bits with each of them.</summary>
    private static OnnxValue Activate(OnnxProgram program, OnnxNode node, OnnxValue value, Activation activation)
    {
        float[] x = FloatsOf(node, value);
        OnnxValue result = OnnxValue.Result(value.Shape);
        float[] y = result.Floats!;
        return program.Add(result, [value], () =>
        {
            x.CopyTo(y, 0);
            fixed (float* numbers = y) program.Kernel.Activate(activation, numbers, null, y.Length);
        });
    }

    private static OnnxValue Square(OnnxProgram program, OnnxNode node, OnnxValue value)
    {
        float[] x = FloatsOf(node, value);
        OnnxValue result = OnnxValue.Result(value.Shape);
        float[] y = result.Floats!;
        return program.Add(result, [value], () =>
        {
            int i = 0;
            for (; i <= y.Length - Vector<float>.Count; i += Vector<float>.Count)
            {
                var part = new Vector<float>(x, i);
                (part * part).CopyTo(y, i);
            }
            for (; i < y.Length; i++) y[i] = x[i] * x[i];
        });
    }

    private static OnnxValue Root(OnnxProgram program, OnnxNode node, OnnxValue value)
    {
        float[] x = FloatsOf(node, value);
        OnnxValue result = OnnxValue.Result(value.Shape);
        float[] y = result.Floats!;
        return program.Add(result, [value], () =>
        {
            int i = 0;
            for (; i <= y.Length - Vector<float>.Count; i += Vector<float>.Count) Vector.SquareRoot(new Vector<float>(x, i)).CopyTo(y, i);
            for (; i < y.Length; i++) y[i] = MathF.Sqrt(x[i]);
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
            left.CopyTo(sum, 0);
            fixed (float* x = sum, y = right) program.Kernel.Add(x, y, sum.Length);
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
        int times = (int)((length + before + after - width) / stride) + 1, step = (int)stride;
        OnnxValue result = OnnxValue.Result(1, outputs, times);
        float[] y = result.Floats!;
        if (channels == 1 && before == 0 && after == 0 && bias is null && FourierFilters.Of(w, outputs, width) is { } transform)
            return program.Add(result, [value], () => transform.Multiply(x, step, times, y));

        // Moments one after the other, with all their channels: what a filter covers is then one run.
        program.Reserve(FloatPanels.SizeOf(outputs, channels * width));
        var panels = new FloatPanels(outputs, channels * width, (o, i) => w[(o * channels + i % channels) * width + i / channels],
            o => bias?.Floats![o] ?? 0);
        int first = (int)before;
        float[] moments = new float[OnnxValue.CountOf([(int)(before + length + after), channels])],
            products = new float[OnnxValue.CountOf([times, outputs])];
        return program.Add(result, [value], () =>
        {
            Exchange(x, channels, length, moments.AsSpan(first * channels));
            panels.Multiply(moments, step * channels, times, products);
            Exchange(products, times, outputs, y);
        });
    }

    /// <summary>y[c, r] = x[r, c].</summary>
    private static void Exchange(ReadOnlySpan<float> x, int rows, int columns, Span<float> y)
    {
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> row = x.Slice(r * columns, columns);
            for (int c = 0, at = r; c < row.Length; c++, at += rows) y[at] = row[c];
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
        (float[] fromInput, float[] fromState, float[] biases) = (FloatsOf(node, w), FloatsOf(node, r), FloatsOf(node, b));
        (float[] sound, float[] hidden, float[] cell) = (FloatsOf(node, x), FloatsOf(node, h), FloatsOf(node, c));
        program.Reserve(FloatPanels.SizeOf(4 * size, checked(width + size)));
        var panels = new FloatPanels(4 * size, width + size,
            (gate, i) => i < width ? fromInput[gate * width + i] : fromState[gate * size + i - width],
            gate => biases[gate] + biases[4 * size + gate]);
        float[] both = new float[width + size], gates = new float[4 * size];
        OnnxValue newHidden = OnnxValue.Result(1, 1, size), newCell = OnnxValue.Result(1, 1, size);
        OnnxValue[] all = [x, h, c];
        newCell = program.Add(newCell, all, () =>
        {
            sound.CopyTo(both, 0);
            hidden.CopyTo(both, width);
            panels.Multiply(both, both.Length, 1, gates);
            fixed (float* input = gates, memory = newCell.Floats, result = newHidden.Floats)
            {
                float* output = input + size, forget = output + size, added = forget + size;
                program.Kernel.Activate(Activation.Logistic, input, null, 3 * size);
                program.Kernel.Cap(added, 1, size); // tanh
                for (int i = 0; i < size; i++) result[i] = memory[i] = forget[i] * cell[i] + input[i] * added[i];
                program.Kernel.Cap(result, 1, size);
                for (int i = 0; i < size; i++) result[i] *= output[i];
            }
        });
        newHidden = newHidden with { IsConstant = newCell.IsConstant };
        return [newHidden.Reshaped(1, 1, 1, size), newHidden, newCell];
    }
}
