using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Tests.Models;

/// <summary>One table of keys, one table of tensors, one list of steps: they have to say one and the same of every model.</summary>
public sealed class ModelStepsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-steps").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Folders => [.. GoldenLogitsTests.WithFile];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Steps_use_the_tensors_of_the_table_in_its_order(string folder)
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("golden", "logits", folder, "model.gguf"));
        ModelSpec spec = ModelLoader.ReadSpec(file);
        string[] table = [.. TensorTable.Of(spec).Where(use => !use.Entry.IsRopeTable).Select(use => use.Name)];
        string[] steps = [.. LayerBuilder.Build(spec).All.SelectMany(step => step.Tensors).Select(use => use.Name).Distinct()];
        Assert.Equal(table.Order(), steps.Order());
        Assert.Equal(table.Order(),
            file.Tensors.Select(tensor => tensor.Name).Where(name => !name.StartsWith("rope_", StringComparison.Ordinal)).Order());
        string[] weights = [.. steps.Where(name => name.EndsWith("weight", StringComparison.Ordinal)
            && (name != "token_embd_norm.weight" || !folder.StartsWith("lfm2", StringComparison.Ordinal)))];
        Assert.Equal(weights, weights.OrderBy(name => TensorTable.Rank(name, isTied: false)));
    }

    [Fact]
    public void Every_tensor_of_the_table_is_found_by_its_name()
    {
        ModelSpec spec = TestSpecs.Llama(layers: 3, width: 32, heads: 4, dimension: 8, feedForward: 48, vocabulary: 64);
        foreach (TensorUse use in TensorTable.Of(spec)) Assert.Equal((use.Entry, use.Layer), TensorTable.Find(use.Name));
        Assert.Null(TensorTable.Find("blk.0.attn_q_norm.bias"));
        Assert.Null(TensorTable.Find("blk.x.attn_q.weight"));
        Assert.Null(TensorTable.Find("attn_q.weight"));
    }

    [Fact]
    public void Tokens_without_logits_end_after_the_last_keys_and_values()
    {
        ModelSteps steps =
            LayerBuilder.Build(TestSpecs.Llama(layers: 3, width: 32, heads: 4, dimension: 8, feedForward: 48, vocabulary: 64));
        Assert.Equal(1, steps.All.Count(step => step is NarrowStep));
        Step[] last = [.. steps.Layers[2]];
        int narrow = Array.FindIndex(last, step => step is NarrowStep);
        Assert.IsType<StoreStep>(last[narrow - 1]);
        Assert.IsType<AttendStep>(last[narrow + 1]);
        Assert.Equal(2, last[narrow].Inputs.Count()); // the stream and the queries
    }

    [Fact]
    public void A_number_per_layer_is_taken_where_layers_may_differ_and_refused_by_name_where_not()
    {
        Assert.Equal([172, 172, 172, 172, 172],
            SpecOf(("feed_forward_length", [172, 172, 172, 172, 172])).Layers.Select(layer => layer.FeedForward.Width));
        Assert.Equal([0, 8, 0, 8, 0], SpecOf(("attention.sliding_window", [0, 8, 0, 8, 0])).Layers.Select(layer => layer.Attention.Window));
        Assert.Equal(64, SpecOf(("embedding_length", [64, 64, 64, 64, 64])).Width);
        foreach ((string key, int[] numbers) in new (string, int[])[] { ("embedding_length", [64, 64, 64, 64, 32]),
            ("block_count", [5, 5, 5, 5, 5]), ("attention.head_count", [8, 8]), ("feed_forward_length", []) })
            Assert.Contains($"llama.{key} ", Assert.Throws<ModelException>(() => SpecOf((key, numbers))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_observer_sees_every_step_in_order_with_what_it_wrote()
    {
        using LanguageModel model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
            new ModelOptions { ContextLength = 16, Threads = 1 });
        using KvCache cache = model.CreateCache();
        float[] plain = model.Forward([1, 2, 3], cache).ToArray();
        cache.Truncate(0);
        var seen = new List<(int? Layer, string Step, int Tokens)>();
        model.Observer = (step, pass) => seen.Add((pass.Layer, step.GetType().Name, pass.Tokens));
        Assert.Equal(plain, model.Forward([1, 2, 3], cache).ToArray());
        Assert.Equal(2 + 5 * 12 + 1 + 2, seen.Count); // prologue, layers, the one that drops tokens, epilogue and head
        Assert.Equal((4, nameof(NarrowStep), 1), seen.Single(step => step.Step == nameof(NarrowStep)));
        Assert.Equal([0, 1, 2, 3, 4], seen.Where(step => step.Step == nameof(AttendStep)).Select(step => step.Layer!.Value));
        Assert.Equal((null, nameof(ProjectStep), 1), seen[^1]);
    }

    private ModelSpec SpecOf(params (string Key, int[] Numbers)[] changes)
    {
        string path = Path.Combine(_folder, "changed.gguf");
        using (GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            foreach ((string key, int[] numbers) in changes) writer.Set("llama." + key, GgufValue.OfArray<int>(numbers));
            writer.Save(path);
        }
        using GgufFile changed = GgufFile.Open(path);
        return ModelLoader.ReadSpec(changed);
    }
}
