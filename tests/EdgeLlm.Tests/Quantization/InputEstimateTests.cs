using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Tests.Quantization;

public sealed class InputEstimateTests
{
    [Fact]
    public void In_front_of_the_first_layer_it_is_the_mean_over_all_tokens()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        var source = new SourceModel(file);
        int width = source.Model.Width, vocabulary = source.Model.VocabularySize;
        float[] embedding = source.ReadMatrix("token_embd.weight"), norm = source.ReadVector("blk.0.attn_norm.weight");
        double[] expected = new double[width];
        for (int t = 0; t < vocabulary; t++)
        {
            float[] row = embedding[(t * width)..((t + 1) * width)];
            double meanSquare = row.Average(x => (double)x * x);
            if (meanSquare == 0) continue;
            for (int i = 0; i < width; i++) expected[i] += row[i] * row[i] / meanSquare * norm[i] * norm[i];
        }
        float[] found = InputEstimate.Of(file, CancellationToken.None).Of("blk.0.attn_q.weight")!;
        double foundSum = found.Sum(x => (double)x), expectedSum = expected.Sum(); // relative to each other is all that counts
        for (int i = 0; i < width; i++) Assert.Equal(expected[i] / expectedSum, found[i] / foundSum, 1e-6);
    }

    [Fact]
    public void It_knows_the_inputs_that_count_most_from_those_that_count_least()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"));
        ImportanceMatrix estimate = InputEstimate.Of(file, CancellationToken.None);
        var source = new SourceModel(file);
        CalibrationText text = Text(file);
        ImportanceMatrix measured = new ImportanceCollector(source, text).Collect("", _ => { }, CancellationToken.None);
        foreach ((string name, double least) in new[] { ("blk.0.attn_q.weight", 0.9), ("blk.1.attn_q.weight", 0.6),
            ("blk.24.attn_q.weight", 0.5), ("blk.1.ffn_down.weight", 0.3), ("blk.29.ffn_gate.weight", 0.5) })
            Assert.InRange(Correlation(estimate.Of(name)!, measured.Of(name)!), least, 1);
        Assert.Null(estimate.Of("blk.0.attn_output.weight"));
    }

    [Fact]
    public void It_ends_in_front_of_a_layer_that_is_not_whole()
    {
        string path = Path.GetTempFileName();
        try
        {
            using (GgufFile source = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
            {
                var writer = new GgufWriter();
                foreach ((string key, GgufValue value) in source.Metadata) writer.Set(key, value);
                foreach (GgufTensor tensor in source.Tensors.Where(tensor => tensor.Name != "blk.2.ffn_up.weight"))
                    writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type,
                        output => output.Write(source.Bytes(tensor, 0, (int)tensor.ByteCount)));
                writer.Save(path);
            }
            using GgufFile file = GgufFile.Open(path);
            ImportanceMatrix estimate = InputEstimate.Of(file, CancellationToken.None);
            Assert.NotNull(estimate.Of("blk.1.ffn_down.weight"));
            Assert.Null(estimate.Of("blk.2.attn_q.weight"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static CalibrationText Text(GgufFile file)
    {
        var tokenizer = EdgeLlm.Tokenization.Tokenizer.Create(ModelLoader.ReadTokenizer(file));
        return new CalibrationText(tokenizer, OwnCalibrationText.Encode(tokenizer, file), 128, 4);
    }

    private static double Correlation(float[] x, float[] y)
    {
        double[] a = [.. x.Select(value => Math.Log(value + 1e-12))], b = [.. y.Select(value => Math.Log(value + 1e-12))];
        double meanA = a.Average(), meanB = b.Average();
        double products = a.Zip(b, (p, q) => (p - meanA) * (q - meanB)).Sum();
        return products / Math.Sqrt(a.Sum(p => (p - meanA) * (p - meanA)) * b.Sum(q => (q - meanB) * (q - meanB)));
    }
}
