using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

/// <summary>A small file with a value of every type and a handful of tensors.</summary>
internal static class GgufSample
{
    public static readonly string[] Tokens = ["<s>", "", "ab", "Grüße", "\U0001F600"];

    public static GgufWriter Writer()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("general.alignment", GgufValue.Of(64u));
        writer.Set("a.u8", GgufValue.Of((byte)200));
        writer.Set("a.i8", GgufValue.Of((sbyte)-100));
        writer.Set("a.u16", GgufValue.Of((ushort)60000));
        writer.Set("a.i16", GgufValue.Of((short)-30000));
        writer.Set("a.u32", GgufValue.Of(4000000000u));
        writer.Set("a.i32", GgufValue.Of(-2000000000));
        writer.Set("a.f32", GgufValue.Of(1e-5f));
        writer.Set("a.bool", GgufValue.Of(true));
        writer.Set("a.u64", GgufValue.Of(ulong.MaxValue));
        writer.Set("a.i64", GgufValue.Of(long.MinValue));
        writer.Set("a.f64", GgufValue.Of(0.1));
        writer.Set("tokens", GgufValue.OfArray(Tokens));
        writer.Set("scores", GgufValue.OfArray<float>([0, -1.5f, -2]));
        writer.Set("types", GgufValue.OfArray<int>([3, 6, 1]));
        writer.Set("flags", GgufValue.OfArray<bool>([true, false]));
        writer.Set("empty", GgufValue.OfArray<int>([]));
        writer.SetTensor("token_embd.weight", [32, 5], ElementType.Q4_0, output => output.Write(Bytes(90, 1)));
        writer.SetTensor("blk.0.attn_norm.weight", [7], ElementType.F32, output => output.Write(Bytes(28, 2)));
        writer.SetTensor("blk.0.experts.weight", [3, 2, 2, 2], ElementType.BF16, output => output.Write(Bytes(48, 3)));
        return writer;
    }

    public static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] ToArray(this GgufWriter writer)
    {
        using var output = new MemoryStream();
        writer.Write(output);
        return output.ToArray();
    }
}
