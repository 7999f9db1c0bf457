using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Report;

namespace EdgeLlm.Tests.Quantization.Report;

/// <summary>What the report says of a tensor's errors.</summary>
public sealed class WeightComparisonTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-comparison").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Columns_that_are_scaled_against_their_norm_are_no_error()
    {
        string before = Write("before.gguf", ElementType.F32, [2, 4], [1, 2, 3, 4, 5, 6]),
            after = Write("after.gguf", ElementType.F16, [1, 8], [2, 1, 6, 2, 10, 3]);
        string other = Write("other.gguf", ElementType.F16, [2, 4], [1, 2, 3, 4, 5, 7]);
        Assert.Equal(0, Error(before, after));
        Assert.Equal(1.0 / 91, Error(before, other), 1e-6);
    }

    private static double Error(string before, string after)
    {
        using GgufFile source = GgufFile.Open(before), output = GgufFile.Open(after);
        return WeightComparison.Tensors(source, output, CancellationToken.None)
            .Single(tensor => tensor.Name == "blk.0.attn_k.weight").Error!.Value;
    }

    private string Write(string name, ElementType type, float[] norm, float[] weights)
    {
        string path = Path.Combine(_folder, name);
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("llama.attention.layer_norm_rms_epsilon", GgufValue.Of(1e-5f));
        foreach ((string key, uint size) in new[] { ("context_length", 8u), ("block_count", 1u), ("embedding_length", 2u),
            ("feed_forward_length", 4u), ("attention.head_count", 1u), ("attention.key_length", 3u), ("attention.value_length", 3u),
            ("rope.dimension_count", 2u) })
            writer.Set("llama." + key, GgufValue.Of(size));
        writer.SetTensor("token_embd.weight", [2, 4], ElementType.F32, output => output.Write(new byte[4 * 8]));
        writer.SetTensor("blk.0.attn_norm.weight", [2], ElementType.F32, output => output.Write(MemoryMarshal.AsBytes<float>(norm)));
        writer.SetTensor("blk.0.attn_k.weight", [2, 3], type, output => output.Write(type == ElementType.F32
            ? MemoryMarshal.AsBytes<float>(weights)
            : MemoryMarshal.AsBytes<Half>(weights.Select(weight => (Half)weight).ToArray())));
        writer.Save(path);
        return path;
    }
}
