using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>A voice's network of 32 numbers a row with random weights, whose head is packed.</summary>
internal static class TinyVoice
{
    private const int Width = 32, Hidden = 64, Vocabulary = 8;

    public static byte[] ToArray()
    {
        var writer = new GgufWriter();
        var random = new Random(5);
        writer.Set("general.architecture", GgufValue.Of(VoiceStore.Architecture));
        writer.Set(VoiceModel.TextRepeatsKey, GgufValue.Of(2u));
        writer.Set(VoiceModel.ProsodyTextRepeatsKey, GgufValue.Of(1u));
        writer.Set(VoiceModel.DilationsKey, GgufValue.OfArray<uint>([1, 2]));
        foreach (string encoder in new[] { "m.text", "pn.text" })
        {
            Floats(encoder + ".emb.weight", Width, Vocabulary);
            Block(encoder + ".convs.0", 5);
            Block(encoder + ".convs.1", 5);
            Norm(encoder + ".attn.norm1");
            Norm(encoder + ".attn.norm2");
            Norm(encoder + ".norm");
            Map(encoder + ".attn.self_attn.in_proj", 3 * Width, Width);
            Map(encoder + ".attn.self_attn.out_proj", Width, Width);
            Map(encoder + ".attn.linear1", Hidden, Width);
            Map(encoder + ".attn.linear2", Width, Hidden);
        }
        Map("pn.dur.0", Width, 3 * Width);
        Map("pn.dur.2", 1, Width);
        Map("pn.pro_in", Width, Width);
        Map("pn.pro_out", 4, Width);
        Block("pn.pro.0", 7);
        Block("pn.pro.1", 7);
        Floats("m.dec_in.text.weight", Width, 7 * Width);
        Floats("m.dec_in.prosody.weight", Width, 14);
        Floats("m.dec_in.bias", Width);
        Block("m.dec.0", 7);
        Norm("m.dec_norm");
        Floats("m.head.bias", VoiceModel.FrameWidth);
        var head = new PackedTensor("m.head.weight", Packing.E8Group32, VoiceModel.FrameWidth, Width, Vector256<sbyte>.Zero);
        byte[] packed = new byte[head.ByteCount];
        for (int i = 0; i < packed.Length; i++)
            packed[i] = i % head.Layout.GroupBytes < PackedLayout.SubScaleOffset ? (byte)(i % 4 == 3 ? 0x3A : 0) : (byte)random.Next(1, 60);
        writer.SetTensor(head.Name, [head.ByteCount], ElementType.I8, output => output.Write(packed));
        PackedTensors.Write(writer, [head]);
        using var bytes = new MemoryStream();
        writer.Write(bytes);
        return bytes.ToArray();

        void Block(string name, int taps)
        {
            Floats(name + ".dw.weight", Width, taps);
            Floats(name + ".dw.bias", Width);
            Norm(name + ".norm");
            Map(name + ".pw1", Hidden, Width);
            Map(name + ".pw2", Width, Hidden);
            Floats(name + ".gamma", Width);
        }

        void Norm(string name)
        {
            Floats(name + ".weight", Width);
            Floats(name + ".bias", Width);
        }

        void Map(string name, int rows, int columns)
        {
            Floats(name + ".weight", columns, rows);
            Floats(name + ".bias", rows);
        }

        void Floats(string name, params long[] shape)
        {
            float[] numbers = new float[shape.Aggregate(1L, static (product, dimension) => product * dimension)];
            for (int i = 0; i < numbers.Length; i++) numbers[i] = (float)(random.NextDouble() - 0.4);
            writer.SetTensor(name, shape, ElementType.F32, output => output.Write(MemoryMarshal.AsBytes(numbers.AsSpan())));
        }
    }
}
