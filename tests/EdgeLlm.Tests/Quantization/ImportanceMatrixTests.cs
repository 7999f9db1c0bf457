using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization;

public sealed class ImportanceMatrixTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-imatrix").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_GGUF_form_comes_back_as_it_was_written()
    {
        string path = Path.Combine(_folder, "imatrix.gguf");
        new ImportanceMatrix("a name", "text.txt", 3, 128,
            new Dictionary<string, float[]> { ["blk.0.attn_q.weight"] = [1, 0.25f, 0], ["blk.0.ffn_down.weight"] = [2] }).Write(path);
        var back = ImportanceMatrix.Read(path);
        Assert.Equal(("text.txt", 3, 128, 2), (back.Dataset, back.Chunks, back.ChunkTokens, back.Count));
        Assert.Equal([1, 0.25f, 0], back.Of("blk.0.attn_q.weight")!);
        Assert.Null(back.Of("blk.0.attn_k.weight"));
    }

    [Fact]
    public void The_older_binary_form_is_read()
    {
        var back = ImportanceMatrix.Read(WriteBinary("blk.0.attn_q.weight", calls: 4, [8, 2, 0]));
        Assert.Equal([2, 0.5f, 0], back.Of("blk.0.attn_q.weight")!);
        Assert.Equal(("wiki.txt", 4), (back.Dataset, back.Chunks));
    }

    [Fact]
    public void Damaged_files_are_errors_that_name_the_file()
    {
        byte[] good = File.ReadAllBytes(WriteBinary("blk.0.attn_q.weight", calls: 4, [8, 2, 0]));
        for (int length = 0; length < good.Length; length++)
        {
            bool oldest = length == 4 + 4 + 19 + 8 + 12; // ends behind the matrices
            if (!oldest) AssertDamaged(good[..length]);
        }
        AssertDamaged(File.ReadAllBytes(WriteBinary("t", calls: 1, [float.NaN])));
        AssertDamaged(File.ReadAllBytes(WriteBinary("t", calls: 1, [-1])));
        AssertDamaged(File.ReadAllBytes(WriteBinary("t", calls: 1, [1, 2], values: int.MaxValue)));
        AssertDamaged([0xFF, 0xFF, 0xFF, 0x7F, .. new byte[100]]);
    }

    [Fact]
    public void A_model_is_no_importance_matrix()
    {
        string model = SharedFolder.Require("models", "stories260K.f32.gguf");
        Assert.Contains("no importance matrix", Assert.Throws<InvalidDataException>(() => ImportanceMatrix.Read(model)).Message);
    }

    [Fact]
    public void Another_models_matrix_is_refused()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        var importance =
            new ImportanceMatrix("other.gguf", "text", 1, 1, new Dictionary<string, float[]> { ["blk.0.attn_q.weight"] = new float[7] });
        Assert.Contains("other.gguf: has 7 columns for tensor blk.0.attn_q.weight",
            Assert.Throws<ModelException>(() => importance.RequireFit(file.FindTensor("blk.0.attn_q.weight")!)).Message);
    }

    [Fact]
    public void Collected_from_a_text_it_has_every_matrix_of_the_layers_and_the_mean_squares_of_their_inputs()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        var source = new SourceModel(file);
        string story = string.Concat(Enumerable.Repeat("Once upon a time there was a little girl who lived in a house. ", 40));
        var tokenizer = Tokenizer.Create(ModelLoader.ReadTokenizer(file));
        var text = new CalibrationText(tokenizer, [.. tokenizer.Encode(story)], length: 64, windows: 6);
        ImportanceMatrix importance =
            new ImportanceCollector(source, text).Collect("story", _ => { }, TestContext.Current.CancellationToken);
        GgufTensor[] matrices = [.. file.Tensors.Where(tensor => TensorTable.IsLayerMatrix(tensor.Name))];
        Assert.Equal(matrices.Length, importance.Count);
        foreach (GgufTensor matrix in matrices) importance.RequireFit(matrix);

        // The first layer's input can be had by hand: the embedding's rows, divided by their norm, times the norm's weights.
        float[] weight = source.ReadVector("blk.0.attn_norm.weight"), x = new float[text.Tokens.Length * weight.Length];
        source.Embed(text.Tokens, x);
        double[] expected = new double[weight.Length];
        for (int start = 0; start < x.Length; start += weight.Length)
        {
            double mean = x.AsSpan(start, weight.Length).ToArray().Average(value => (double)value * value)
                + source.Model.OutputNorm!.Epsilon;
            for (int k = 0; k < weight.Length; k++)
                expected[k] += x[start + k] * x[start + k] / mean * weight[k] * weight[k] / text.Tokens.Length;
        }
        float[] query = importance.Of("blk.0.attn_q.weight")!;
        for (int k = 0; k < weight.Length; k++) Assert.Equal(expected[k], query[k], expected[k] * 1e-4);
    }

    private void AssertDamaged(byte[] bytes)
    {
        string path = Path.Combine(_folder, "damaged.dat");
        File.WriteAllBytes(path, bytes);
        Assert.StartsWith(path, Assert.Throws<InvalidDataException>(() => ImportanceMatrix.Read(path)).Message, StringComparison.Ordinal);
    }

    private string WriteBinary(string tensor, int calls, float[] sums, int? values = null)
    {
        string path = Path.Combine(_folder, "imatrix.dat");
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(1);
        writer.Write(Encoding.UTF8.GetByteCount(tensor));
        writer.Write(Encoding.UTF8.GetBytes(tensor));
        writer.Write(calls);
        writer.Write(values ?? sums.Length);
        foreach (float sum in sums) writer.Write(sum);
        writer.Write(4);
        writer.Write(8);
        writer.Write("wiki.txt"u8);
        return path;
    }
}
