using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection.TfLite;

internal sealed partial class TfLiteProgram
{
    private const int Valid = 1, Relu = 1;

    /// <summary>Joins tensors of one scale along a dimension.</summary>
    private void Concatenate(TfLiteOperator operation)
    {
        TfLiteTensor output = Out(operation, 0);
        TfLiteTensor[] parts = [.. operation.Inputs.Select((_, i) => In(operation, i))];
        int axis = Axis(operation, operation.Options?.Integer(0) ?? 0, output.Shape.Length), rest = Product(output.Shape, axis + 1),
            blocks = Product(output.Shape, 0, axis);
        bool fits = (operation.Options?.Byte(1) ?? 0) == 0
            && parts.Sum(part => part.Shape.Length == output.Shape.Length ? part.Shape[axis] : 0) == output.Shape[axis]
            && parts.All(part => part.Scale == output.Scale && part.ZeroPoint == output.ZeroPoint
                && part.Shape.Where((dimension, d) => d != axis && dimension != output.Shape[d]).FirstOrDefault(-1) < 0);
        if (!fits) throw Unfit(operation);
        sbyte[][] from = [.. parts.Select(part => part.Bytes)];
        int[] runs = [.. parts.Select(part => part.Shape[axis] * rest)];
        sbyte[] to = output.Bytes;
        steps.Add(() =>
        {
            for (int block = 0, at = 0; block < blocks; block++)
            {
                for (int part = 0; part < from.Length; at += runs[part++])
                    from[part].AsSpan(block * runs[part], runs[part]).CopyTo(to.AsSpan(at));
            }
        });
    }

    /// <summary>A part of each dimension, without steps.</summary>
    private void Slice(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0), output = Out(operation, 0);
        int dimensions = input.Shape.Length, begins = operation.Options?.Integer(0) ?? 0, ends = operation.Options?.Integer(1) ?? 0;
        int[]? begin = Constant(operation, 1), end = Constant(operation, 2), step = Constant(operation, 3);
        bool fits = begin?.Length == dimensions && end?.Length == dimensions && step?.Length == dimensions
            && step.All(stride => stride == 1)
            && Enumerable.Range(2, 3).All(mask => (operation.Options?.Integer(mask) ?? 0) == 0);
        if (!fits) throw Unfit(operation);
        int[] first = [.. input.Shape.Select((dimension, d) => (begins >> d & 1) != 0 ? 0 : Clamp(begin![d], dimension))];
        int[] shape =
            [.. input.Shape.Select((dimension, d) =>
                Math.Max(0, ((ends >> d & 1) != 0 ? dimension : Clamp(end![d], dimension)) - first[d]))];
        Cut(operation, input, output, first, shape);

        static int Clamp(int position, int dimension) => Math.Clamp(position < 0 ? position + dimension : position, 0, dimension);
    }

    /// <summary>SPLIT_V: a tensor in parts along a dimension.</summary>
    private void Split(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0);
        int[] sizes = Constant(operation, 1) ?? throw Unfit(operation);
        int axis = Axis(operation, Constant(operation, 2) is [var one] ? one : throw Unfit(operation), input.Shape.Length), at = 0;
        if (sizes.Length != operation.Outputs.Length || sizes.Any(size => size < 0) || sizes.Sum(size => (long)size) != input.Shape[axis])
            throw Unfit(operation);
        for (int part = 0; part < sizes.Length; at += sizes[part++])
        {
            int[] first = new int[input.Shape.Length], shape = [.. input.Shape];
            (first[axis], shape[axis]) = (at, sizes[part]);
            Cut(operation, input, Out(operation, part), first, shape);
        }
    }

    /// <summary>Copies a box out of a tensor: runs that are whole in their last dimensions.</summary>
    private void Cut(TfLiteOperator operation, TfLiteTensor input, TfLiteTensor output, int[] first, int[] shape)
    {
        if (!shape.SequenceEqual(output.Shape) || input.Scale != output.Scale || input.ZeroPoint != output.ZeroPoint)
            throw Unfit(operation);
        int inner = shape.Length;
        while (inner > 0 && shape[inner - 1] == input.Shape[inner - 1]) inner--;
        int split = Math.Max(inner - 1, 0), run = Product(shape, split), count = Product(shape, 0, split);
        int[] starts = new int[count];
        for (int i = 0; i < count; i++)
        {
            for (int d = split - 1, rest = i; d >= 0; rest /= shape[d--])
                starts[i] += (first[d] + rest % shape[d]) * Product(input.Shape, d + 1);
            if (split < shape.Length) starts[i] += first[split] * Product(input.Shape, split + 1);
        }
        (sbyte[] from, sbyte[] to) = (input.Bytes, output.Bytes);
        steps.Add(() =>
        {
            for (int i = 0; i < starts.Length; i++) from.AsSpan(starts[i], run).CopyTo(to.AsSpan(i * run));
        });
    }

    /// <summary>CONV_2D over [1, height, width, channels] with a filter [outputs, height, width, channels], without padding.</summary>
    private void Convolve(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0), filter = In(operation, 1), output = Out(operation, 0);
        FlatTable options = operation.Options ?? throw Unfit(operation);
        if (input.Shape is not [1, var height, var width, var channels]
            || filter.Shape is not [var outputs, var filterHeight, var filterWidth, var depth] || depth != channels || channels == 0
            || output.Shape is not [1, var outHeight, var outWidth, var outChannels] || outChannels != outputs) throw Unfit(operation);
        (int strideX, int strideY) = (options.Integer(1), options.Integer(2));
        bool isWhole = filterWidth == width && outWidth == 1; // rows of a filter are side by side in the input
        if (!isWhole || !Fits(options.Byte(0), height, filterHeight, strideY, outHeight) || strideX < 1 || options.Integer(4, 1) != 1
            || options.Integer(5, 1) != 1)
            throw Unfit(operation);
        int columns = filterHeight * width * channels;
        Layer layer = NewLayer(operation, filter, output, outputs, columns, isPerChannel: true, options.Byte(3));
        (sbyte[] x, sbyte[] y) = (input.Bytes, output.Bytes);
        steps.Add(() =>
        {
            for (int t = 0; t < outHeight; t++)
                layer.Multiply(x.AsSpan(t * strideY * width * channels, columns), y.AsSpan(t * outputs, outputs));
        });
    }

    /// <summary>FULLY_CONNECTED: a filter [outputs, columns] on rows.</summary>
    private void Connect(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0), filter = In(operation, 1), output = Out(operation, 0);
        if (filter.Shape is not [var outputs, var columns] || columns == 0 || input.Count != columns || output.Count != outputs
            || (operation.Options?.Byte(1) ?? 0) != 0)
            throw Unfit(operation);
        Layer layer = NewLayer(operation, filter, output, outputs, columns, isPerChannel: false, operation.Options?.Byte(0) ?? 0);
        (sbyte[] x, sbyte[] y) = (input.Bytes, output.Bytes);
        steps.Add(() => layer.Multiply(x, y));
    }

    /// <summary>
    /// DEPTHWISE_CONV_2D over [1, height, 1, channels] with a filter [1, height, 1, channels]: each channel by itself, without padding.
    /// </summary>
    private void ConvolveDepthwise(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0), filter = In(operation, 1), output = Out(operation, 0);
        FlatTable options = operation.Options ?? throw Unfit(operation);
        if (input.Shape is not [1, var height, 1, var channels] || filter.Shape is not [1, var taps, 1, var filterChannels]
            || filterChannels != channels
            || output.Shape is not [1, var outHeight, 1, var outChannels] || outChannels != channels) throw Unfit(operation);
        int stride = options.Integer(2);
        if (!Fits(options.Byte(0), height, taps, stride, outHeight) || options.Integer(3) != 1 || options.Integer(5, 1) != 1
            || options.Integer(6, 1) != 1)
            throw Unfit(operation);
        int[] bias = Biases(operation, channels);
        FixedPointScale[] scales = Scales(operation, filter, output, channels, isPerChannel: true);
        int outZero = output.ZeroPoint,
            least = options.Byte(4) switch { 0 => sbyte.MinValue, Relu => Math.Max(outZero, sbyte.MinValue), _ => throw Unfit(operation) };
        (sbyte[] x, sbyte[] w, sbyte[] y) = (input.Bytes, filter.Bytes, output.Bytes);
        for (int i = 0; i < taps * channels; i++) bias[i % channels] -= input.ZeroPoint * w[i]; // as of a layer
        int[] sums = new int[channels];
        steps.Add(() =>
        {
            for (int t = 0; t < outHeight; t++)
            {
                bias.CopyTo(sums, 0);
                ByteProducts.AddColumns(w, x.AsSpan(t * stride * channels, taps * channels), sums);
                for (int c = 0; c < sums.Length; c++)
                    y[t * channels + c] = (sbyte)Math.Clamp(scales[c].Apply(sums[c]) + outZero, least, sbyte.MaxValue);
            }
        });
    }

    /// <summary>LOGISTIC by a table: round(256 / (1 + exp(-x))) - 128.</summary>
    private void Squash(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0), output = Out(operation, 0);
        if (output is not { Scale: 1f / 256, ZeroPoint: sbyte.MinValue } || input.Bytes.Length != output.Bytes.Length)
            throw Unfit(operation);
        sbyte[] table = new sbyte[256];
        for (int q = sbyte.MinValue; q <= sbyte.MaxValue; q++)
        {
            double probability = 1 / (1 + Polynomials.Exp((double)Math.Min(-input.Scale * (q - input.ZeroPoint), 700f)));
            table[q - sbyte.MinValue] = (sbyte)Math.Min(Math.Round(256 * probability, MidpointRounding.AwayFromZero) - 128, sbyte.MaxValue);
        }
        (sbyte[] x, sbyte[] y) = (input.Bytes, output.Bytes);
        steps.Add(() =>
        {
            for (int i = 0; i < y.Length; i++) y[i] = table[x[i] - sbyte.MinValue];
        });
    }

    /// <summary>QUANTIZE from int8 to uint8 of the same scale: 128 more.</summary>
    private void ToUnsigned(TfLiteOperator operation)
    {
        TfLiteTensor input = In(operation, 0);
        if (operation.Outputs is not [var index] || tensors[index] is not { Type: TfLiteType.UInt8 } output || output.Scale != input.Scale
            || output.ZeroPoint != input.ZeroPoint + 128
            || input.Bytes.Length != output.Bytes.Length) throw Unfit(operation);
        (sbyte[] x, sbyte[] y) = (input.Bytes, output.Bytes);
        steps.Add(() =>
        {
            for (int i = 0; i < y.Length; i++) y[i] = (sbyte)(x[i] + 128);
        });
    }

    /// <summary>Without padding: VALID, or a filter of one with a stride of one.</summary>
    private static bool Fits(int padding, int height, int taps, int stride, int outHeight) =>
        stride >= 1 && taps >= 1 && height >= taps && outHeight == (height - taps) / stride + 1
            && (padding == Valid || (taps == 1 && stride == 1));

    private Layer NewLayer(TfLiteOperator operation, TfLiteTensor filter, TfLiteTensor output, int outputs, int columns,
        bool isPerChannel, int activation)
    {
        if (!filter.IsConstant || filter.ZeroPoint != 0 || activation is not (0 or Relu)) throw Unfit(operation);
        int least = activation == Relu ? Math.Max(output.ZeroPoint, sbyte.MinValue) : sbyte.MinValue;
        int[] bias = Biases(operation, outputs);
        // bias + sum of (x - zero) w = bias - zero sum of w + sum of x w, in integers that wrap around.
        for (int o = 0; o < outputs; o++)
        {
            int sum = 0;
            foreach (sbyte weight in filter.Bytes.AsSpan(o * columns, columns)) sum += weight;
            bias[o] -= In(operation, 0).ZeroPoint * sum;
        }
        // Of 12,636 golden inferences one tells the roundings of FULLY_CONNECTED apart: -37,552 by a factor that gives -18.4998, and twice
        // rounded -18.5.
        return new Layer(filter.Bytes, bias, Scales(operation, filter, output, outputs, isPerChannel), columns, output.ZeroPoint, least,
            isRoundedOnce: !isPerChannel);
    }

    private int[] Biases(TfLiteOperator operation, int count)
    {
        int[] bias = [.. Constant(operation, 2) ?? new int[count]];
        return bias.Length == count ? bias : throw Unfit(operation);
    }

    private FixedPointScale[] Scales(TfLiteOperator operation, TfLiteTensor filter, TfLiteTensor output, int count, bool isPerChannel)
    {
        float input = In(operation, 0).Scale;
        if (!filter.IsConstant || filter.ZeroPoint != 0 || (filter.Scales.Length != count && filter.Scales.Length != 1))
            throw Unfit(operation);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            float weight = filter.Scales[filter.Scales.Length == 1 ? 0 : i];
            return new FixedPointScale((isPerChannel ? (double)input * weight : input * weight) / output.Scale);
        })];
    }

    private static int Axis(TfLiteOperator operation, int axis, int dimensions) =>
        axis >= -dimensions && axis < dimensions ? axis < 0 ? axis + dimensions : axis : throw Unfit(operation);

    private static int Product(int[] shape, int first, int? end = null)
    {
        int product = 1;
        for (int d = first; d < (end ?? shape.Length); d++) product *= shape[d];
        return product;
    }

    /// <summary>Weights [outputs, columns] of 8 bits with what turns sums into outputs.</summary>
    private sealed class Layer(sbyte[] weights, int[] bias, FixedPointScale[] scales, int columns, int zero, int least, bool isRoundedOnce)
    {
        private readonly int[] sums = new int[bias.Length];

        public void Multiply(ReadOnlySpan<sbyte> x, Span<sbyte> y)
        {
            bias.CopyTo(sums, 0);
            ByteProducts.Add(weights, x[..columns], sums);
            for (int o = 0; o < sums.Length; o++)
            {
                int product = isRoundedOnce ? scales[o].ApplyOnce(sums[o]) : scales[o].Apply(sums[o]);
                y[o] = (sbyte)Math.Clamp(product + zero, least, sbyte.MaxValue);
            }
        }
    }
}
