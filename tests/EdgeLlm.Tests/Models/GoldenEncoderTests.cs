using System.Text.Json;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Tests.Models;

/// <summary>Hidden states and vectors of tiny encoders against float64 transformers: the bounds of `golden/logits/README.md`.</summary>
public sealed class GoldenEncoderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public static TheoryData<string> Encoders =>
        ["bert", "roberta", "nomic-bert", "modernbert", "embedding-gemma", "bert-classifier", "roberta-classifier",
            "xlm-roberta-classifier"];

    /// <summary>Those that have a file of the reference converter.</summary>
    public static TheoryData<string> WithFile => ["bert", "roberta", "nomic-bert", "modernbert", "embedding-gemma", "roberta-classifier"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Encoders))]
    public void Hidden_states_of_the_folder_are_those_of_the_reference(string name)
    {
        string folder = SharedFolder.Require("golden", "logits", name);
        Check(folder, folder);
    }

    [Theory]
    [MemberData(nameof(Encoders))]
    public void Hidden_states_of_our_file_are_those_of_the_reference(string name)
    {
        string folder = SharedFolder.Require("golden", "logits", name);
        Check(Import(folder), folder);
    }

    [Theory]
    [MemberData(nameof(WithFile))]
    public void Hidden_states_of_the_converter_s_file_are_those_of_the_reference(string name)
    {
        string folder = SharedFolder.Require("golden", "logits", name);
        Check(Path.Combine(folder, "model.gguf"), folder);
    }

    [Theory]
    [MemberData(nameof(WithFile))]
    public void Several_texts_in_a_pass_have_the_bits_that_each_has_alone(string name)
    {
        string folder = SharedFolder.Require("golden", "logits", name);
        using TextEncoder encoder =
            TextEncoder.Load(Path.Combine(folder, "model.gguf"), new ModelOptions { Threads = 2, ContextLength = 100 });
        EncoderText[] texts = [.. Enumerable.Range(0, 20)
            .Select(i => new EncoderText([.. Enumerable.Range(0, 1 + 37 * i % 50).Select(t => (7 * i + 13 * t) % 500)]))];
        float[][] together = encoder.Pool(texts);
        for (int i = 0; i < texts.Length; i++) Assert.Equal(encoder.Pool([texts[i]])[0], together[i]);
    }

    [Theory]
    [InlineData("cls_token", Pooling.Cls)]
    [InlineData("mean_tokens", Pooling.Mean)]
    [InlineData("lasttoken", Pooling.Last)]
    public void A_folder_s_modules_say_how_its_vectors_are_pooled(string mode, Pooling expected)
    {
        string folder = CopyWith(
            $$"""{"word_embedding_dimension": 64, "pooling_mode_{{mode}}": true, "pooling_mode_max_tokens": false}""", "Normalize");
        using TextEncoder encoder = TextEncoder.Load(folder);
        Assert.Equal((expected, true), (encoder.Pooling, encoder.IsNormalized));
        float[] vector = encoder.Embed(["the cat"])[0];
        Assert.Equal(1, vector.Sum(number => (double)number * number), 1e-5);
    }

    [Theory]
    [InlineData("""{"pooling_mode_max_tokens": true}""", "Normalize", "pooling_mode_max_tokens is true")]
    [InlineData("""{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true}""", "Normalize", "asks for 2 ways of pooling")]
    [InlineData("""{"pooling_mode_cls_token": true}""", "LSTM", "LSTM', not one that is computed here")]
    [InlineData("""{"pooling_mode_cls_token": true, "include_prompt": false}""", "Normalize", "include_prompt is false")]
    public void Modules_that_are_not_computed_are_refused_by_name(string pooling, string module, string message)
    {
        string folder = CopyWith(pooling, module);
        Assert.Contains(message, Assert.Throws<ModelException>(() => TextEncoder.Load(folder)).Message);
    }

    private string CopyWith(string pooling, string module)
    {
        string folder = _folder.PathOf("encoder");
        Directory.CreateDirectory(Path.Combine(folder, "1_Pooling"));
        foreach (string file in Directory.GetFiles(SharedFolder.Require("golden", "logits", "bert")))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        File.WriteAllText(Path.Combine(folder, "1_Pooling", "config.json"), pooling);
        File.WriteAllText(Path.Combine(folder, "modules.json"), $$"""
            [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
             {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
             {"idx": 2, "name": "2", "path": "2_{{module}}", "type": "sentence_transformers.models.{{module}}"}]
            """);
        return folder;
    }

    [Fact]
    public void A_file_says_how_its_vectors_are_pooled_and_the_caller_may_say_otherwise()
    {
        string path = SharedFolder.Require("golden", "logits", "embedding-gemma", "model.gguf");
        using (TextEncoder encoder = TextEncoder.Load(path)) Assert.Equal((Pooling.Mean, true), (encoder.Pooling, encoder.IsNormalized));
        using (TextEncoder encoder = TextEncoder.Load(path, null, Pooling.Last, normalize: false))
            Assert.Equal((Pooling.Last, false), (encoder.Pooling, encoder.IsNormalized));
    }

    [Fact]
    public void Matrices_after_pooling_prompts_and_the_longest_text_come_from_the_folder_and_are_kept_in_our_file()
    {
        string folder = SharedFolder.Require("golden", "logits", "embedding-gemma");
        using TextEncoder ofFolder = TextEncoder.Load(folder), ofFile = TextEncoder.Load(Import(folder));
        foreach (TextEncoder encoder in new[] { ofFolder, ofFile })
        {
            Assert.Equal((48, 200, null), (encoder.Dimensions, encoder.ContextLength, encoder.DefaultPrompt));
            Assert.Equal("task: search result | query: ", encoder.Prompts["query"]);
            Assert.Equal(encoder.Embed(["title: none | text: the cat"])[0], encoder.Embed(["the cat"], "document")[0]);
            Assert.Contains("has no prompt 'other': there are query, document",
                Assert.Throws<ArgumentException>(() => encoder.Embed(["a"], "other")).Message);
        }
    }

    [Theory]
    [InlineData("2_Dense", "bias", "true", "bias is true")]
    [InlineData("3_Dense", "activation_function", "\"torch.nn.modules.activation.Tanh\"",
        "torch.nn.modules.activation.Tanh', not torch.nn.modules.linear.Identity")]
    [InlineData("3_Dense", "in_features", "64", "dense_3_feat_in is 64, and the vectors have 128 numbers")]
    [InlineData("2_Dense", "out_features", "64", "dense_3_feat_in is 128, and the vectors have 64 numbers")]
    public void A_matrix_after_pooling_of_another_kind_is_refused_by_its_field(string part, string field, string value, string message)
    {
        string folder = _folder.CopyOf("embedding-gemma");
        TestFolder.EditJson(Path.Combine(folder, part, "config.json"),
            config => config[field] = System.Text.Json.Nodes.JsonNode.Parse(value));
        Assert.Contains(message, Assert.Throws<ModelException>(() => TextEncoder.Load(folder)).Message);
    }

    [Theory]
    [InlineData("bert-classifier", 2, 3, 3)]
    [InlineData("xlm-roberta-classifier", 0, 2, 2)]
    public void Pairs_are_put_together_as_the_tokenizer_s_post_processor_says(string name, int start, int middle, int end)
    {
        string folder = SharedFolder.Require("golden", "logits", name);
        using LanguageModel ofFolder = LanguageModel.Open(folder, new ModelOptions(), encoders: true),
            ofFile = LanguageModel.Open(Import(folder), new ModelOptions(), encoders: true);
        foreach (LanguageModel model in new[] { ofFolder, ofFile })
        {
            (int[] ids, byte[] types) = model.Tokenizer.EncodePair("the", "cat")!.Value;
            int[] first = model.Tokenizer.Encode("the"), second = model.Tokenizer.Encode("cat");
            int[] between = name == "bert-classifier" ? [middle] : [middle, middle];
            Assert.Equal([start, .. first, .. between, .. second, end], ids);
            Assert.Equal(name == "bert-classifier" ? second.Length + 1 : 0, types.Count(type => type == 1));
        }
    }

    [Fact]
    public void A_generating_model_refuses_cls_and_an_encoder_refuses_to_generate()
    {
        string generating = SharedFolder.Require("golden", "logits", "llama"), encoder = SharedFolder.Require("golden", "logits", "bert");
        Assert.Contains("pooling can't be cls",
            Assert.Throws<ModelException>(() => TextEncoder.Load(generating, null, Pooling.Cls)).Message, StringComparison.Ordinal);
        Assert.Contains("is an encoder (bert), which makes vectors of texts and no text: edgellm embed runs it",
            Assert.Throws<ModelException>(() => LanguageModel.Load(encoder)).Message, StringComparison.Ordinal);
    }

    private string Import(string folder)
    {
        string path = _folder.PathOf("imported.gguf");
        using var model = HuggingFaceModel.Open(folder);
        model.Save(path, _ => { }, CancellationToken.None);
        return path;
    }

    private static void Check(string path, string folder)
    {
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "expected.json")));
        Dictionary<string, (int[] Shape, float[] Values)> reference = Safetensors.Read(Path.Combine(folder, "expected.safetensors"));
        JsonElement[] prompts = [.. expected.RootElement.GetProperty("prompts").EnumerateArray()];
        EncoderText[] texts =
            [.. prompts.Select(prompt => new EncoderText([.. Numbers(prompt, "ids")]) { Types =
                [.. Numbers(prompt, "token_type_ids").Select(type => (byte)type)] })];
        var options = new ModelOptions { Threads = 2, ContextLength = 100 };
        using TextEncoder mean = TextEncoder.Load(path, options, Pooling.Mean, normalize: false),
            first = TextEncoder.Load(path, options, Pooling.Cls, normalize: false), whole = TextEncoder.Load(path, options);
        mean.Encode(texts, (i, hidden, logits) =>
        {
            double bound = Math.Max(2e-4, 20 * prompts[i].GetProperty("f32_error").GetDouble());
            AssertNear(reference[$"hidden_{i}"].Values, hidden, bound);
            if (mean.Dimensions == mean.Info.EmbeddingLength
                && reference.TryGetValue($"mean_{i}", out (int[] Shape, float[] Values) wanted))
                AssertNear(wanted.Values, mean.PooledOf(hidden), bound);
            if (mean.Dimensions == mean.Info.EmbeddingLength && reference.TryGetValue($"cls_{i}", out wanted))
                AssertNear(wanted.Values, first.PooledOf(hidden), bound);
            // that file has no matrices after pooling
            if (reference.TryGetValue($"sentence_{i}", out wanted) && !path.EndsWith("model.gguf", StringComparison.Ordinal))
                AssertNear(wanted.Values, whole.PooledOf(hidden), bound);
            if (reference.TryGetValue($"logits_{i}", out wanted)) AssertNear(wanted.Values, logits, bound);
        });
    }

    private static IEnumerable<int> Numbers(JsonElement prompt, string name) =>
        prompt.TryGetProperty(name, out JsonElement numbers) ? numbers.EnumerateArray().Select(number => number.GetInt32()) : [];

    private static void AssertNear(float[] wanted, ReadOnlySpan<float> actual, double bound)
    {
        Assert.Equal(wanted.Length, actual.Length);
        double worst = 0;
        for (int i = 0; i < wanted.Length; i++) worst = Math.Max(worst, Math.Abs(wanted[i] - (double)actual[i]));
        Assert.True(worst <= bound, $"a number is off by {worst}, the bound is {bound}");
    }
}
