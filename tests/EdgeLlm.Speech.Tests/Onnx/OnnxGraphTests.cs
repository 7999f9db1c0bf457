using EdgeLlm.Files;
using EdgeLlm.Speech.Onnx;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Onnx;

public sealed class OnnxGraphTests
{
    [Fact]
    public void A_voices_constants_and_operations_are_read()
    {
        OnnxGraph graph = OnnxGraph.Open(SharedFolder.Require("models", "voice-heart", "hibari.onnx"));
        Assert.Equal([178, 128], graph.Initializer("m.text.emb.weight").Shape);
        Assert.Equal(178 * 128, graph.Initializer("m.text.emb.weight").Floats().Length);
        Assert.Equal(0.1075797379f, Assert.Single(graph.Initializer("pn.dur.2.bias").Floats()), 1e-7);
        Assert.InRange(Assert.Single(graph.Initializer("/head/Transpose_output_0_scale").Floats()), 1e-4, 1);
        Assert.Equal(256 * 3005, graph.Initializer("/head/Transpose_output_0_quantized").SignedBytes().Length);
        Assert.Contains(graph.Nodes,
            node => node.Operation == "MatMulInteger" && node.Inputs.Contains("/head/Transpose_output_0_quantized"));
        Assert.Throws<InvalidDataException>(() => graph.Initializer("/head/Transpose_output_0_scale").SignedBytes());
        Assert.Throws<InvalidDataException>(() => graph.Initializer("nothing"));
    }

    [Fact]
    public void Numbers_in_every_form_are_read()
    {
        // ModelProto { 7: GraphProto { 5: TensorProto { dims 1: 2, data_type 2: 1, float_data 4: [1, 2] packed, name 8: "f" }, 5: {
        // int32_data 5: [-1] of int8, name "i" } } }
        byte[] floats = [8, 2, 16, 1, 0x22, 8, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0x42, 1, (byte)'f'];
        byte[] bytes = [16, 3, 40, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0x42, 1, (byte)'i'];
        byte[] graph = [0x2A, (byte)floats.Length, .. floats, 0x2A, (byte)bytes.Length, .. bytes];
        OnnxGraph read = OnnxGraph.Read(new byte[] { 8, 9, 0x3A, (byte)graph.Length }.Concat(graph).ToArray());
        Assert.Equal([1f, 2f], read.Initializer("f").Floats());
        Assert.Equal([(sbyte)-1], read.Initializer("i").SignedBytes());
        Assert.Empty(read.Initializer("i").Shape);
    }

    [Fact]
    public void Damaged_files_are_refused_in_a_line()
    {
        byte[] whole = File.ReadAllBytes(SharedFolder.Require("models", "voice-heart", "oov.onnx"));
        var random = new Random(3);
        int refused = 0;
        for (int i = 0; i < 300; i++)
        {
            byte[] mutant = whole.ToArray();
            if (i % 3 == 0) mutant = mutant[..random.Next(mutant.Length)];
            int near = i % 2 == 0 ? mutant.Length : Math.Min(mutant.Length, 40_000);
            for (int n = random.Next(1, 20); n > 0 && near > 0; n--) mutant[random.Next(near)] = (byte)random.Next(256);
            try
            {
                OnnxGraph.Read(mutant);
            }
            catch (InvalidDataException exception)
            {
                Assert.DoesNotContain('\n', exception.Message);
                refused++;
            }
        }
        Assert.InRange(refused, 50, 300);
    }

    [Fact]
    public void What_is_not_an_ONNX_file_is_refused_by_name()
    {
        string path = Path.GetTempFileName();
        File.WriteAllText(path, "hello there, this is text");
        Assert.Contains(path, Assert.Throws<FileException>(() => OnnxGraph.Open(path)).Message, StringComparison.Ordinal);
        File.Delete(path);
    }
}
