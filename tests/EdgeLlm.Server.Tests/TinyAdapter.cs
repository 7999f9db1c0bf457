using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Server.Tests;

/// <summary>A GGUF adapter of random numbers for the feed-forward matrices of a small llama.</summary>
internal static class TinyAdapter
{
    private const int Rank = 4;

    public static byte[] Make(string model, int seed)
    {
        using GgufFile file = GgufFile.Open(model);
        var dice = new Random(seed);
        var writer = new GgufWriter();
        writer.Set("general.type", GgufValue.Of("adapter"));
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("adapter.type", GgufValue.Of("lora"));
        writer.Set("adapter.lora.alpha", GgufValue.Of((float)Rank));
        foreach (GgufTensor tensor in file.Tensors.Where(tensor =>
            tensor.Name.Contains("ffn_", StringComparison.Ordinal) && tensor.Rows > 1))
        {
            byte[] first = Numbers(tensor.Columns * Rank), second = Numbers(tensor.Rows * Rank);
            writer.SetTensor(tensor.Name + ".lora_a", [tensor.Columns, Rank], ElementType.F32, stream => stream.Write(first));
            writer.SetTensor(tensor.Name + ".lora_b", [Rank, tensor.Rows], ElementType.F32, stream => stream.Write(second));
        }
        string path = Path.GetTempFileName();
        writer.Save(path);
        byte[] bytes = File.ReadAllBytes(path);
        File.Delete(path);
        return bytes;

        byte[] Numbers(long count)
        {
            byte[] numbers = new byte[count * sizeof(float)];
            for (int i = 0; i < count; i++) BitConverter.TryWriteBytes(numbers.AsSpan(i * sizeof(float)), (float)(dice.NextDouble() - 0.5));
            return numbers;
        }
    }
}
