using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Cli.Tests;

/// <summary>A small GGUF file that is no model which runs.</summary>
internal static class SampleGguf
{
    public const int TensorValues = 64 * 1024;

    public static GgufWriter Writer(string architecture = "sample")
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(architecture));
        writer.Set("general.name", GgufValue.Of("Sample \u001b[31mred\nmodel"));
        writer.Set("general.license", GgufValue.Of("mit"));
        writer.Set("general.source.url", GgufValue.Of("https://example.org/sample"));
        writer.Set("a.u64", GgufValue.Of(ulong.MaxValue));
        writer.Set("a.i64", GgufValue.Of(long.MinValue));
        writer.Set("a.f32", GgufValue.Of(1e-5f));
        writer.Set("a.nan", GgufValue.Of(float.NaN));
        writer.Set("a.bool", GgufValue.Of(true));
        writer.Set("a.numbers", GgufValue.OfArray<int>([3, 6, 1, 7, 9, 11]));
        writer.Set("a.floats", GgufValue.OfArray<float>([0.1f, -2]));
        writer.Set("a.flags", GgufValue.OfArray<bool>([true, false]));
        writer.Set("tokenizer.ggml.tokens", GgufValue.OfArray(["<s>", "a\tb", "c", "d", "e"]));
        writer.SetTensor("token_embd.weight", [64, 1024], ElementType.F16, static output => output.Write(Data()));
        writer.SetTensor("output_norm.weight", [7], ElementType.F32, static output => output.Write(new byte[28]));
        return writer;
    }

    public static byte[] Bytes()
    {
        using var output = new MemoryStream();
        Writer().Write(output);
        return output.ToArray();
    }

    private static byte[] Data()
    {
        var data = new byte[2 * TensorValues];
        new Random(1).NextBytes(data);
        return data;
    }
}
