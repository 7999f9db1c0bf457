using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Tests.Quantization;

/// <summary>A packed file as what is quantized.</summary>
public sealed class PackedSourceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-packed-source").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("e4g32", ElementType.F32, 1e-4)]
    [InlineData("e4g16", ElementType.F32, 1e-4)]
    [InlineData("e8g32", ElementType.F32, 1e-4)]
    [InlineData("e4g32", ElementType.F16, 2e-2)]
    public void As_floats_it_predicts_what_it_does_itself_with_float_activations(string kind, ElementType type, double tolerance)
    {
        string packed = Pack(PackedTensor.PackingOf(kind)), unpacked = Path.Combine(_folder, "unpacked.gguf");
        using (GgufFile file = GgufFile.Open(packed))
        {
            var plan = new StandardPlan(file, type, hasImportance: false);
            new StandardQuantizer(plan, importance: null).Save(unpacked, (_, _) => { }, CancellationToken.None);
            Assert.Equal(kind, plan.QuantizedAlready);
        }
        using (GgufFile result = GgufFile.Open(unpacked))
        {
            Assert.Equal((type, 64L, 512L),
                (result.FindTensor("token_embd.weight")!.Type, result.FindTensor("token_embd.weight")!.Columns,
                    result.FindTensor("token_embd.weight")!.Rows));
            Assert.DoesNotContain(result.Metadata.Keys, PackedTensors.IsKey);
            Assert.False(result.Metadata.Contains("general.alignment"));
        }
        float[] expected = Logits(packed), actual = Logits(unpacked);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    [Fact]
    public void Rows_are_the_same_however_many_are_read_at_a_time()
    {
        using GgufFile file = GgufFile.Open(Pack(Packing.E4Group16));
        var rows = new WeightRows(file, file.FindTensor("token_embd.weight")!); // E8
        var matrix = new WeightRows(file, file.FindTensor("blk.1.ffn_up.weight")!);
        // 172 rows: the last group has four
        foreach ((WeightRows source, int first, int count) in new[] { (rows, 3, 14), (matrix, 5, 30), (matrix, 164, 8) })
        {
            float[] together = new float[count * 64], one = new float[64];
            source.Read(first, together);
            for (int row = 0; row < count; row++)
            {
                source.Read(first + row, one);
                Assert.Equal(together[(row * 64)..((row + 1) * 64)], one);
            }
            Assert.True(together.Distinct().Count() > 50);
        }
    }

    [Fact]
    public void It_can_be_packed_again_and_the_file_tells_of_the_last_time_only()
    {
        string first = Pack(Packing.E4Group32), calibrated = Path.Combine(_folder, "calibrated.gguf"),
            fast = Path.Combine(_folder, "fast.gguf");
        using (GgufFile file = GgufFile.Open(first))
            new CalibratedQuantizer(Plan(file, Packing.E4Group16), new QuantizationSettings { WindowLength = 64, Windows = 16 }, null)
                .Save(calibrated, (_, _) => { }, CancellationToken.None);
        using (GgufFile file = GgufFile.Open(calibrated))
        {
            Assert.Equal("e4g32", file.Metadata.GetString("edgellm.quantization.requantized_from"));
            Assert.Equal("e4g16-rotated", file.FindTensor("blk.0.attn_q.weight")!.TypeName);
            Assert.True(file.Metadata.Contains("edgellm.quantization.calibration.tokens"));
            new FastQuantizer(Plan(file, Packing.E4Group32)).Save(fast, (_, _) => { }, CancellationToken.None);
        }
        using GgufFile result = GgufFile.Open(fast);
        Assert.Equal("e4g16-rotated", result.Metadata.GetString("edgellm.quantization.requantized_from"));
        Assert.Equal("rounded to nearest", result.Metadata.GetString("edgellm.quantization.method"));
        Assert.False(result.Metadata.Contains("edgellm.quantization.calibration.tokens"));
        Assert.Equal(result.Metadata.Keys.Count(), result.Metadata.Keys.Distinct().Count());
        using GgufFile source = GgufFile.Open(first);
        Assert.Equal(source.Tensors.Select(tensor => tensor.ToString()), result.Tensors.Select(tensor => tensor.ToString()));
        Assert.InRange(Error(source, result, "blk.2.attn_output.weight"), 1e-6, 0.02);
    }

    [Fact]
    public void A_packed_tensor_that_has_no_other_form_is_copied_with_what_tells_of_it()
    {
        string source = Pack(Packing.E4Group32), renamed = Path.Combine(_folder, "renamed.gguf"),
            output = Path.Combine(_folder, "output.gguf");
        using (GgufFile file = GgufFile.Open(source))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            GgufTensor tensor = file.FindTensor("blk.0.attn_q.weight")!;
            byte[] bytes = file.Bytes(tensor, 0, (int)tensor.ByteCount).ToArray();
            writer.SetTensor("extra.weight", [.. tensor.Shape], tensor.Type, stream => stream.Write(bytes));
            PackedTensors.Write(writer,
                [.. file.Tensors.Select(other => other.Packed).OfType<PackedTensor>(), tensor.Packed! with { Name = "extra.weight" }]);
            writer.Save(renamed);
        }
        using GgufFile input = GgufFile.Open(renamed);
        new FastQuantizer(Plan(input, Packing.E4Group16)).Save(output, (_, _) => { }, CancellationToken.None);
        using GgufFile result = GgufFile.Open(output);
        Assert.Equal(("e4g16", "e4g32"), (result.FindTensor("blk.0.attn_q.weight")!.TypeName, result.FindTensor("extra.weight")!.TypeName));
        Assert.Equal(0, Error(input, result, "extra.weight"));
    }

    private static QuantizationPlan Plan(GgufFile file, Packing body) => new(file, body, Packing.E8Group32);

    private string Pack(Packing body)
    {
        string path = Path.Combine(_folder, "packed.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        new FastQuantizer(Plan(file, body)).Save(path, (_, _) => { }, CancellationToken.None);
        return path;
    }

    /// <summary>sum (w - w')^2 / sum w^2.</summary>
    private static double Error(GgufFile first, GgufFile second, string name)
    {
        float[] before = new SourceModel(first).ReadMatrix(name), after = new SourceModel(second).ReadMatrix(name);
        return before.Zip(after, (x, y) => Math.Pow((double)x - y, 2)).Sum() / before.Sum(x => (double)x * x);
    }

    private static float[] Logits(string path)
    {
        int[] ids = [.. Enumerable.Range(0, 40).Select(i => 3 + i * 37 % 490)];
        using var model = LanguageModel.Load(path, new ModelOptions { ContextLength = 64, FloatActivations = true });
        float[] logits = new float[ids.Length * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        return logits;
    }
}
