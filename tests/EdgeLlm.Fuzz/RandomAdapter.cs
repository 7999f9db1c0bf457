using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Fuzz;

/// <summary>
/// Writes a GGUF adapter of random numbers on all projections of a model, each changing its matrix by a share of the matrix' length: for
/// tools/test-adapters and tools/adapter-cost.
/// </summary>
internal static class RandomAdapter
{
    public static int Write(string model, string output, int rank, int seed, double change, ElementType type)
    {
        using GgufFile file = GgufFile.Open(model);
        ModelSpec spec = ModelLoader.ReadSpec(file);
        var writer = new GgufWriter();
        writer.Set("general.type", GgufValue.Of("adapter"));
        writer.Set("general.architecture", GgufValue.Of(spec.Architecture));
        writer.Set("adapter.type", GgufValue.Of("lora"));
        writer.Set("adapter.lora.alpha", GgufValue.Of((float)rank));
        TensorRole[] roles = [TensorRole.Query, TensorRole.Key, TensorRole.Value, TensorRole.AttentionOutput, TensorRole.Gate,
            TensorRole.Up, TensorRole.Down];
        foreach (TensorUse use in TensorTable.Of(spec).Where(use => roles.Contains(use.Role)))
        {
            var dice = new Dice(seed * 100_003 + use.Layer * 101 + (int)use.Role);
            double length = LengthOf(file, file.FindTensor(use.Name)!, use);
            // |B A| is about sqrt(rows * columns * rank) * a * b for numbers of deviations a and b.
            double a = 1 / Math.Sqrt(use.Columns), b = change * length / (Math.Sqrt((double)use.Rows * use.Columns * rank) * a);
            byte[] first = RandomWeights.Rows(type, rank, use.Columns, (float)a, dice),
                second = RandomWeights.Rows(type, use.Rows, rank, (float)b, dice);
            writer.SetTensor(use.Name + ".lora_a", [use.Columns, rank], type, stream => stream.Write(first));
            writer.SetTensor(use.Name + ".lora_b", [rank, use.Rows], type, stream => stream.Write(second));
        }
        writer.Save(output);
        return 0;
    }

    /// <summary>The length of a matrix, by 64 of its rows; of one that is packed, by what rows of such widths usually have.</summary>
    private static double LengthOf(GgufFile file, GgufTensor tensor, TensorUse use)
    {
        if (tensor.Packed is not null) return Math.Sqrt(use.Rows);
        float[] row = new float[tensor.Columns];
        int bytes = (int)ElementFormat.ByteCount(tensor.Type, tensor.Columns), step = Math.Max(1, use.Rows / 64), rows = 0;
        double squares = 0;
        for (int r = 0; r < use.Rows; r += step, rows++)
        {
            Dequantizer.ToFloat(tensor.Type, file.Bytes(tensor, (long)r * bytes, bytes), row);
            foreach (float number in row) squares += (double)number * number;
        }
        return Math.Sqrt(squares / rows * use.Rows);
    }
}
