using System.Numerics.Tensors;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Models;

/// <summary>Models whose matrices are stored rotated, or in forms of 5 and 3 bits.</summary>
public sealed class RotationTests : IDisposable
{
    private static readonly int[] Ids = [1, 403, 407, 261, 378, 300, 286, 261, 400, 334];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("e8g32", "e8g32", 0.01)]
    [InlineData("e5g32", "e5g32", 0.2)]
    [InlineData("e4g32", "e8g32", 0.35)]
    [InlineData("e3g32", "e5g32", 0.75)]
    public void A_rotated_model_computes_what_its_source_does_up_to_the_error_of_its_form(string body, string embedding, double mostError)
    {
        string source = SharedFolder.Require("models", "stories260K.f32.gguf");
        float[] expected = Logits(source), actual = Logits(Pack(source, body, embedding));
        TensorPrimitives.Subtract(actual, expected, actual);
        Assert.InRange(TensorPrimitives.Norm<float>(actual) / TensorPrimitives.Norm<float>(expected), 1e-6, mostError);
    }

    [Fact]
    public void An_operation_of_which_one_matrix_is_rotated_is_refused()
    {
        string path = Pack(SharedFolder.Require("models", "stories260K.f32.gguf"), "e4g32", "e8g32");
        byte[] bytes = File.ReadAllBytes(path);
        int key = bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes(PackedTensors.RotationsKey)), item;
        using (GgufFile file = GgufFile.Open(path))
            item = file.Metadata.GetStringArray(PackedTensors.NamesKey).ToList().IndexOf("blk.1.attn_k.weight");
        const int Header = 4 + 4 + 8; // the value's type, its items' type and their number
        Assert.Equal(32, bytes[key + PackedTensors.RotationsKey.Length + Header + item]);
        bytes[key + PackedTensors.RotationsKey.Length + Header + item] = 0;
        File.WriteAllBytes(path, bytes);
        ModelException refused =
            Assert.Throws<ModelException>(() => LanguageModel.Load(path, new ModelOptions { Threads = 1, ContextLength = 32 }).Dispose());
        Assert.Contains("blk.1.attn_q.weight is rotated and others", refused.Message);
    }

    private string Pack(string source, string body, string embedding)
    {
        string path = _folder.PathOf($"{body}.gguf");
        using GgufFile file = GgufFile.Open(source);
        new FastQuantizer(new QuantizationPlan(file, PackedTensor.PackingOf(body), PackedTensor.PackingOf(embedding)) { Rotates = true })
            .Save(path, (_, _) => { }, CancellationToken.None);
        return path;
    }

    private static float[] Logits(string path)
    {
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { Threads = 1, ContextLength = 32 });
        using KvCache cache = model.CreateCache();
        return model.Forward(Ids, cache).ToArray();
    }
}
