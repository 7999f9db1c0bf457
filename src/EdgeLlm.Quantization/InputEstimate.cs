using System.Buffers;
using System.Numerics.Tensors;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization;

/// <summary>
/// About how large the inputs of each matrix are, by the weights alone: the mean squares of the embedding's columns are carried through the
/// layers as if all numbers were independent, each row of a matrix adding up those of its columns. Rough in the middle of a model, but it
/// finds the columns of the first layers that count a hundred times as much as their neighbours. It ends where a tensor is not what the
/// model's numbers say.
/// </summary>
internal sealed class InputEstimate
{
    private const int SampleTokens = 1024;

    // The mean of some values that attention takes has a smaller square than each of them.
    private const float AttentionShare = 0.3f;

    private readonly GgufFile _file;
    private readonly CancellationToken _cancellation;
    private readonly Dictionary<string, float[]> _means = [];

    private InputEstimate(GgufFile file, CancellationToken cancellation) => (_file, _cancellation) = (file, cancellation);

    /// <exception cref="ModelException">A weight is not finite.</exception>
    public static ImportanceMatrix Of(GgufFile file, CancellationToken cancellation)
    {
        var estimate = new InputEstimate(file, cancellation);
        ModelSteps steps = LayerBuilder.Build(ModelLoader.ReadSpec(file));
        if (estimate.Find(TensorTable.Use(steps.Model, TensorRole.TokenEmbedding)) is { } embedding) estimate.PassLayers(steps, embedding);
        return new ImportanceMatrix("the weights", "", chunks: 0, chunkTokens: 0, estimate._means);
    }

    /// <summary>Mean squares of registers, computed when they are asked for: of queries and keys nobody asks.</summary>
    private void PassLayers(ModelSteps steps, GgufTensor embedding)
    {
        (float[] stream, float[] normalized) = ReadEmbedding(embedding);
        Register residual = steps.Stream.Register;
        bool isFirst = true;
        foreach (IReadOnlyList<Step> layer in steps.Layers)
        {
            if (layer.SelectMany(step => step.Tensors).Any(use => Find(use) is null)) return;
            var squares = new Dictionary<Register, Lazy<float[]>> { [residual] = new(stream) };
            var entries = new Dictionary<int, Lazy<float[]>>();
            foreach (Step step in layer)
            {
                Pass(step, squares, entries, isFirst ? normalized : null);
                isFirst &= step is not NormStep; // tokens of the embedding are normalized one by one
            }
            stream = squares[residual].Value;
        }
    }

    private void Pass(Step step, Dictionary<Register, Lazy<float[]>> squares, Dictionary<int, Lazy<float[]>> entries, float[]? normalized)
    {
        switch (step)
        {
            case NormStep norm:
                float[] input = normalized ?? Of(norm.From).Value;
                squares[norm.To.Register] = new(Norm(input, norm.Weight));
                break;
            case ProjectStep project:
                Lazy<float[]> x = Of(project.From);
                foreach (Projection projection in project.Projections)
                {
                    // Attention mixes tokens, and its result is too far from any estimate: nothing is better there.
                    if (project.Operation != Operation.AttentionOutput) _means[projection.Weight.Name] = x.Value;
                    squares[projection.To.Register] = new(() => Squares(projection.Weight, x.Value));
                }
                break;
            case StoreStep store:
                entries[store.Entry] = Of(store.Values);
                break;
            case AttendStep attend:
                Lazy<float[]> values = entries.TryGetValue(attend.Entry, out Lazy<float[]>? own) ? own
                    : new(() => [.. Enumerable.Repeat(1f, attend.Attention.KeyValueWidth)]); // of an earlier layer: not carried along
                (int dimension, int group) = (attend.Attention.Dimension, attend.Attention.GroupSize);
                squares[attend.To.Register] = new(() => [.. Enumerable.Range(0, attend.To.Width)
                    .Select(i => AttentionShare * values.Value[i / dimension / group * dimension + i % dimension])]);
                break;
            case ActivateStep activate:
                Lazy<float[]> gate = Of(activate.Gate);
                Lazy<float[]>? up = activate.Up is { } factors ? Of(factors) : null;
                squares[activate.Gate.Register] = new(() => [.. gate.Value.Select((square, i) => Silu(square) * (up?.Value[i] ?? 1))]);
                break;
            case SplitStep split:
                Lazy<float[]> all = Of(split.From);
                int first = 0;
                foreach (Operand part in split.To)
                {
                    int start = first;
                    squares[part.Register] = new(() => all.Value[start..(start + part.Width)]);
                    first += part.Width;
                }
                break;
            case ScaleStep scale:
                float[] scaled = [.. Of(scale.Operand).Value.Select(square => square * scale.Factor * scale.Factor)];
                squares[scale.Operand.Register] = new(scaled);
                break;
            case AddStep add:
                float[] sum = new float[add.To.Width];
                TensorPrimitives.Add(Of(add.To).Value, Of(add.From).Value, sum);
                squares[add.To.Register] = new(sum);
                break;
            case RotateStep or NarrowStep or ClampStep or GrowStep:
                break; // squares stay
            default:
                // Not known: as large as what goes in.
                float[] whole = [.. step.Inputs.SelectMany(operand => Of(operand).Value)];
                float mean = whole.Length == 0 ? 1 : Reductions.Sum(whole) / whole.Length;
                foreach (Operand output in step.Outputs) squares[output.Register] = new([.. Enumerable.Repeat(mean, output.Width)]);
                break;
        }

        // What the prologue made is not carried along.
        Lazy<float[]> Of(Operand operand) =>
            squares.TryGetValue(operand.Register, out Lazy<float[]>? known) ? known : new(() => [.. Enumerable.Repeat(1f, operand.Width)]);
    }

    /// <summary>Mean squares of the embedding's columns, of some tokens: as they are, and each token over its own mean square.</summary>
    private (float[] Stream, float[] Normalized) ReadEmbedding(GgufTensor embedding)
    {
        var rows = new WeightRows(_file, embedding);
        float[] stream = new float[embedding.Columns], normalized = new float[stream.Length], row = new float[stream.Length];
        long tokens = Math.Min(SampleTokens, embedding.Rows);
        for (long t = 0; t < tokens; t++)
        {
            rows.Read(t * embedding.Rows / tokens, row);
            TensorPrimitives.Multiply(row, row, row);
            TensorPrimitives.Add(stream, row, stream);
            TensorPrimitives.MultiplyAdd(row, 1 / MathF.Max(Reductions.Sum(row), float.Epsilon), normalized, normalized);
        }
        TensorPrimitives.Divide(stream, tokens, stream);
        return (stream, normalized);
    }

    private GgufTensor? Find(TensorUse use) =>
        _file.FindTensor(use.Name) is { } tensor && tensor.Rows == use.Rows && tensor.Columns == use.Columns
            && WeightRows.CanRead(tensor) ? tensor : null;

    /// <summary>
    /// About the mean square of silu(x), by that of x: half a normal distribution stays where it is wide, x / 2 where it is narrow.
    /// </summary>
    private static float Silu(float square) => square * (0.25f + 0.25f * MathF.Min(1, square / 4));

    /// <summary>Mean squares after a norm.</summary>
    private float[] Norm(float[] stream, TensorUse weight)
    {
        float[] squares = new float[stream.Length];
        new WeightRows(_file, _file.FindTensor(weight.Name)!).Read(0, squares);
        TensorPrimitives.Multiply(squares, squares, squares);
        TensorPrimitives.Multiply(squares, stream, squares);
        TensorPrimitives.Divide(squares, MathF.Max(Reductions.Sum(stream) / stream.Length, float.Epsilon), squares);
        return squares;
    }

    /// <summary>The mean square of what each row of a matrix computes.</summary>
    private float[] Squares(TensorUse matrix, float[] inputs)
    {
        const int Block = 32;
        GgufTensor tensor = _file.FindTensor(matrix.Name)!;
        var rows = new WeightRows(_file, tensor);
        float[] squares = new float[tensor.Rows], roots = new float[inputs.Length];
        TensorPrimitives.Sqrt<float>(inputs, roots);
        ParallelWork.ForAll((squares.Length + Block - 1) / Block, _cancellation, block =>
        {
            int first = block * Block, count = Math.Min(Block, squares.Length - first), columns = roots.Length;
            float[] weights = ArrayPool<float>.Shared.Rent(count * columns);
            rows.Read(first, weights.AsSpan(0, count * columns));
            for (int row = 0; row < count; row++)
            {
                Span<float> numbers = weights.AsSpan(row * columns, columns);
                TensorPrimitives.Multiply(numbers, roots, numbers);
                squares[first + row] = Reductions.SumOfSquares(numbers);
            }
            ArrayPool<float>.Shared.Return(weights);
        });
        return squares;
    }
}
