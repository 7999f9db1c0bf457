using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Text;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Training;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Tests.Training;

/// <summary>
/// The backward pass of tiny checkpoints against gradients that the reference computed in float64. Derivatives by the bias of a norm are
/// not computed here.
/// </summary>
public sealed class GoldenGradientTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama3-rope")]
    [InlineData("qwen3")]
    [InlineData("gpt-neox")]
    [InlineData("gemma3")]
    public void Loss_and_gradients_are_those_of_the_reference(string name)
    {
        string golden = SharedFolder.Require("golden", "tune", name), checkpoint = SharedFolder.Require("golden", "logits", name);
        using var expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden, "expected.json")));
        int[][] ids = expected.RootElement.GetProperty("ids").Deserialize<int[][]>()!,
            learned = expected.RootElement.GetProperty("loss_on").Deserialize<int[][]>()!;
        using GgufFile file = GgufFile.Open(Import(checkpoint, null, "weights.gguf")),
            gradients = GgufFile.Open(Import(checkpoint, golden, "gradients.gguf"));
        var source = new SourceModel(file);
        Assert.Null(source.NoPrograms);

        (double loss, Collected actual) = Compute(source, ids, learned);
        Assert.Equal(expected.RootElement.GetProperty("loss_without_adapter").GetDouble(), loss, 1e-5);
        int compared = 0;
        foreach (GgufTensor tensor in gradients.Tensors)
        {
            if (tensor.Name.EndsWith("norm.bias", StringComparison.Ordinal) || tensor.Name.StartsWith("rope_", StringComparison.Ordinal))
                continue;
            float[] values = Values(gradients, tensor);
            // Gemma's files have 1 + weight, so that its gradients came here with 1 more.
            if (name == "gemma3" && tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal))
                TensorPrimitives.Subtract(values, 1, values);
            float[] mine = actual[tensor.Name];
            float largest = TensorPrimitives.MaxMagnitude<float>(values), bound = 1e-3f * Math.Abs(largest);
            for (int i = 0; i < values.Length; i++)
                Assert.True(Math.Abs(values[i] - mine[i]) <= bound,
                    $"{tensor.Name}[{i}]: {mine[i]:G6}, the reference has {values[i]:G6} (largest {largest:G3})");
            compared++;
        }
        Assert.InRange(compared, 18, 200);
    }

    private static (double Loss, Collected Gradients) Compute(SourceModel source, int[][] ids, int[][] learned)
    {
        int width = source.Model.Width, vocabulary = source.Model.VocabularySize, count = learned.Sum(row => row.Skip(1).Sum());
        float[] head = source.ReadMatrix(source.HeadName), outputNorm = source.OutputNorm;
        var collected = new Collected();
        double loss = 0;
        for (int text = 0; text < ids.Length; text++)
        {
            int tokens = ids[text].Length;
            var pass = source.NewPass(tokens);
            source.Embed(ids[text], pass.Stream);
            pass.Forward(l => source.ReadLayer(l), outputNorm);
            float[] byLogits = new float[tokens * vocabulary], byHidden = new float[tokens * width];
            MatrixMultiplier.Multiply(new MatrixView(pass.Hidden, tokens, width), new MatrixView(head, vocabulary, width).Transposed,
                new MatrixView(byLogits, tokens, vocabulary));
            for (int t = 0; t < tokens; t++)
            {
                Span<float> row = byLogits.AsSpan(t * vocabulary, vocabulary);
                if (t + 1 == tokens || learned[text][t + 1] == 0)
                {
                    row.Clear();
                    continue;
                }
                TensorPrimitives.SoftMax<float>(row, row);
                loss -= Math.Log(row[ids[text][t + 1]]) / count;
                row[ids[text][t + 1]] -= 1;
                TensorPrimitives.Divide(row, count, row);
            }
            var d = new MatrixView(byLogits, tokens, vocabulary);
            MatrixMultiplier.Multiply(d.Transposed, new MatrixView(pass.Hidden, tokens, width),
                new MatrixView(collected.Of(source.HeadName, vocabulary * width), vocabulary, width), accumulate: true);
            MatrixMultiplier.Multiply(d, new MatrixView(head, vocabulary, width), new MatrixView(byHidden, tokens, width));
            pass.Backward(l => source.ReadLayer(l), outputNorm, byHidden, _ => collected,
                collected.Of(source.OutputNormStep.Weight.Name, width));
            float[] embedding = collected.Of(TensorTable.Embedding, vocabulary * width);
            for (int t = 0; t < tokens; t++)
            {
                for (int i = 0; i < width; i++)
                    embedding[ids[text][t] * width + i] += source.Model.EmbeddingScale * pass.Derivatives[t * width + i];
            }
        }
        return (loss, collected);
    }

    /// <param name="weights">A folder whose weight_gradients.safetensors take the place of the weights; null: the checkpoint's own.</param>
    private string Import(string checkpoint, string? weights, string name)
    {
        string folder = checkpoint;
        if (weights is not null)
        {
            folder = _folder.PathOf("copy");
            Directory.CreateDirectory(folder);
            foreach (string file in Directory.GetFiles(checkpoint)
                .Where(file => Path.GetFileName(file) is not ("model.safetensors" or "model.gguf")))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            CopyWeights(Path.Combine(weights, "weight_gradients.safetensors"), Path.Combine(folder, "model.safetensors"));
        }
        string path = _folder.PathOf(name);
        using var model = HuggingFaceModel.Open(folder);
        model.Save(path, static _ => { }, CancellationToken.None);
        return path;
    }

    /// <summary>The reference's newest version calls GPT-NeoX' head lm_head; its checkpoints have the older name.</summary>
    private static void CopyWeights(string from, string to)
    {
        byte[] bytes = File.ReadAllBytes(from);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        if (header.Contains("gpt_neox", StringComparison.Ordinal))
            header = header.Replace("lm_head", "embed_out", StringComparison.Ordinal);
        byte[] start =
            [.. BitConverter.GetBytes(Encoding.UTF8.GetByteCount(header)).Concat(new byte[4]), .. Encoding.UTF8.GetBytes(header)];
        File.WriteAllBytes(to, [.. start, .. bytes.AsSpan(8 + length)]);
    }

    private static float[] Values(GgufFile file, GgufTensor tensor)
    {
        float[] values = new float[tensor.Rows * tensor.Columns];
        Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, 0, (int)tensor.ByteCount), values);
        return values;
    }

    /// <summary>Gradients by the tensors' names.</summary>
    private sealed class Collected : ILayerGradient
    {
        private readonly Dictionary<string, float[]> _sums = [];

        public float[] this[string name] => _sums[name];

        public float[] Of(string name, int length)
        {
            if (!_sums.TryGetValue(name, out float[]? sum)) _sums[name] = sum = new float[length];
            return sum;
        }

        public float[]? NormOf(TensorUse weight) => Of(weight.Name, weight.Columns);

        public void Add(Projection projection, float[]? bias, float[] x, float[] dy, float[] y, int tokens)
        {
            (int rows, int columns) = (projection.Weight.Rows, projection.Weight.Columns);
            var sum = new MatrixView(Of(projection.Weight.Name, rows * columns), rows, columns);
            MatrixMultiplier.Multiply(new MatrixView(dy, tokens, rows).Transposed,
                new MatrixView(x, tokens, columns), sum, accumulate: true);
            if (projection.Bias is not { } added) return;
            float[] byBias = Of(added.Name, rows);
            for (int t = 0; t < tokens; t++) TensorPrimitives.Add(byBias, dy.AsSpan(t * rows, rows), byBias);
        }
    }
}
