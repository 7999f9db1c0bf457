using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// Fields of config.json that have another name, another place or another meaning in some family than in most, as the reference has them.
/// </summary>
public sealed class FamilyConfigTests : IDisposable
{
    private const string Sizes =
        """ "vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "max_position_embeddings": 64""";
    private const string Gpt2 = """ "model_type": "gpt2", "vocab_size": 32""";
    private const string Granite =
        $$""" "model_type": "granitemoehybrid", {{Sizes}}, "mamba_n_heads": 4, "mamba_d_state": 8, "num_local_experts": 0, "shared_intermediate_size": 32""";
    private const string Modern = $$""" "model_type": "modernbert", {{Sizes}}""";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_field_may_have_its_other_name()
    {
        ModelSpec spec =
            Spec($$"""{ {{Gpt2}}, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "max_position_embeddings": 64 }""");
        Assert.Equal((16, 3, 64), (spec.Width, spec.Layers.Count, spec.ContextLength));
        Assert.Equal(spec.Layers.Count,
            Spec($$"""{ {{Gpt2}}, "n_embd": 16, "n_layer": 3, "num_hidden_layers": 3, "n_head": 2, "n_positions": 64 }""").Layers.Count);
    }

    [Fact]
    public void Two_names_of_a_field_with_different_values_are_refused() =>
        Assert.EndsWith("num_hidden_layers is 4, and n_layer, of which it is another name, is 3",
            Refusal($$"""{ {{Gpt2}}, "n_embd": 16, "n_layer": 3, "num_hidden_layers": 4, "n_head": 2, "n_positions": 64 }"""),
            StringComparison.Ordinal);

    [Fact]
    public void Falcons_first_name_of_the_width_counts_before_the_later_one() =>
        Assert.Equal(24, Spec($$"""{ "model_type": "falcon", {{Sizes}}, "n_embed": 24 }""").Width);

    [Theory]
    [InlineData("""[0.0, Infinity]""")]
    [InlineData("""[0.0, {"__float__": "Infinity"}]""")]
    [InlineData("null")]
    public void Steps_without_a_limit_are_taken_as_Python_writes_them(string limit) =>
        Assert.Equal(4, Spec($$"""{ {{Granite}}, "time_step_limit": {{limit}} }""").Layers.Count);

    [Theory]
    [InlineData("[]")]
    [InlineData("[0.0]")]
    [InlineData("[0.001, Infinity]")]
    [InlineData("[0.0, 0.1]")]
    [InlineData("[0.0, Infinity, 1]")]
    [InlineData("""[0.0, {"__float__": "NaN"}]""")]
    public void Steps_with_a_limit_are_refused(string limit) =>
        Assert.Contains("time_step_limit", Refusal($$"""{ {{Granite}}, "time_step_limit": {{limit}} }"""), StringComparison.Ordinal);

    [Fact]
    public void A_word_in_a_text_is_no_number() =>
        Assert.Contains("'Infinity'", Refusal($$"""{ "model_type": "llama", {{Sizes}}, "hidden_act": "Infinity" }"""),
            StringComparison.Ordinal);

    [Theory]
    [InlineData("""["mamba", "attention", "mamba", "attention"]""")]
    [InlineData("""["linear_attention", "full_attention", "linear_attention", "full_attention"]""")]
    public void Types_of_layers_have_their_old_and_their_new_names(string types) =>
        Assert.Equal([true, false, true, false],
            Spec($$"""{ {{Granite}}, "layer_types": {{types}} }""").Layers.Select(layer => layer.Recurrence is not null));

    [Fact]
    public void A_heads_width_that_is_a_text_is_only_auto() =>
        Assert.Contains("mamba_d_head", Refusal($$"""{ {{Granite}}, "mamba_d_head": "all" }"""), StringComparison.Ordinal);

    /// <summary>configuration_qwen2.py, configuration_qwen2_moe.py and modeling_qwen3_moe.py each have another rule.</summary>
    [Theory]
    [InlineData("qwen2", new[] { 0, 0, 0, 8 })]
    [InlineData("qwen3", new[] { 0, 0, 0, 8 })]
    [InlineData("qwen2_moe", new[] { 8, 0, 8, 0 })]
    [InlineData("qwen3_moe", new[] { 8, 8, 8, 8 })]
    public void Windows_of_Qwen_follow_each_familys_own_rule(string type, int[] windows)
    {
        ModelSpec spec = Spec($$"""
            { "model_type": "{{type}}", {{Sizes}}, "num_key_value_heads": 2, "head_dim": 8, "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 3,
              "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "shared_expert_intermediate_size": 32 }
            """);
        Assert.Equal(windows, spec.Layers.Select(layer => layer.Attention.Window));
    }

    /// <summary>modeling_rope_utils.py, standardize_rope_params.</summary>
    [Fact]
    public void The_length_beside_the_parameters_counts_before_theirs()
    {
        const string Inner = """ "rope_scaling": { "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16 }""";
        Assert.Equal(16, Length(""));
        Assert.Equal(32, Length(""", "original_max_position_embeddings": 32"""));

        static int Length(string beside) =>
            KeysOf($$"""{ "model_type": "llama", {{Sizes}}, {{Inner}} {{beside}} }""").Size(ModelKeys.RopeOriginalLength);
    }

    [Fact]
    public void An_empty_older_field_of_positions_leaves_the_newer_one_in_force() =>
        Assert.Equal(500f,
            KeysOf($$"""{ "model_type": "llama", {{Sizes}}, "rope_scaling": {}, "rope_parameters": { "rope_theta": 500.0 } }""")
                .Number(ModelKeys.RopeBase));

    [Fact]
    public void ModernBert_takes_its_window_from_either_field_and_refuses_other_heads_and_stretched_positions()
    {
        Assert.Equal(20, KeysOf($$"""{ {{Modern}}, "sliding_window": 10, "local_attention": 8 }""").Size(ModelKeys.SlidingWindow));
        Assert.Contains("head_dim", Refusal($$"""{ {{Modern}}, "head_dim": 4 }"""), StringComparison.Ordinal);
        Assert.Contains("rope_scaling", Refusal($$"""{ {{Modern}}, "rope_scaling": { "rope_type": "linear", "factor": 2.0 } }"""),
            StringComparison.Ordinal);
    }

    /// <summary>
    /// Gemma 3 from 4B on: the text's fields one level down, most of them left out, tensors under another name, and a vision part.
    /// </summary>
    [Theory]
    [InlineData("language_model.model.", "vision_tower.")]
    [InlineData("model.language_model.", "model.vision_tower.")]
    public void Gemma_3_beside_a_vision_part_computes_as_by_itself(string prefix, string vision)
    {
        SharedFolder.Require("golden", "logits", "gemma3");
        float[] plain = LogitsOf(_folder.CopyOf("gemma3"), []);
        string folder = _folder.CopyOf("gemma3");
        JsonNode text = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        text["model_type"] = "gemma3_text";
        text.AsObject().Remove("architectures");
        File.WriteAllText(Path.Combine(folder, "config.json"), new JsonObject
        {
            ["model_type"] = "gemma3",
            ["architectures"] = new JsonArray("Gemma3ForConditionalGeneration"),
            ["text_config"] = text,
            ["vision_config"] = new JsonObject { ["hidden_size"] = 8 },
        }.ToJsonString());
        RenameTensors(Path.Combine(folder, "model.safetensors"), prefix, vision);
        var notes = new List<string>();
        Assert.Equal(plain, LogitsOf(folder, notes));
        Assert.Contains(notes, note => note.Contains("only the text model runs: 1 tensor", StringComparison.Ordinal));
    }

    [Fact]
    public void Gemma_3_beside_a_vision_part_has_the_sizes_that_its_published_files_leave_out()
    {
        ModelSpec spec = Spec("""
            { "model_type": "gemma3", "text_config": { "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024,
              "rope_scaling": { "rope_type": "linear", "factor": 8.0 } } }
            """);
        Assert.Equal((262_208, 8, 4, 256, 1024),
            (spec.VocabularySize, spec.Layers[0].Attention.Heads, spec.Layers[0].Attention.KeyValueHeads,
                spec.Layers[0].Attention.Dimension, spec.Layers[0].Attention.Window));
    }

    private static float[] LogitsOf(string folder, List<string> notes)
    {
        using (var opened = HuggingFaceModel.Open(folder)) notes.AddRange(opened.Notes);
        using LanguageModel model = LanguageModel.Load(folder,
            new ModelOptions { CacheType = KeyValueType.F32, ContextLength = 64, Threads = 1, FloatActivations = true });
        using KvCache cache = model.CreateCache();
        return model.Forward([1, 5, 9, 200, 31], cache).ToArray();
    }

    /// <summary>Other beginnings of names, and one more tensor that shares bytes with the first.</summary>
    private static void RenameTensors(string path, string prefix, string vision)
    {
        byte[] file = File.ReadAllBytes(path);
        int length = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        JsonObject header = JsonNode.Parse(Encoding.UTF8.GetString(file, 8, length))!.AsObject(), renamed = [];
        byte[] data = file[(8 + length)..];
        foreach ((string name, JsonNode? value) in header)
            renamed[name.StartsWith("model.", StringComparison.Ordinal) ? prefix + name["model.".Length..] : name] = value!.DeepClone();
        renamed[vision + "patch.weight"] = new JsonObject
        {
            ["dtype"] = "BF16",
            ["shape"] = new JsonArray(2, 2),
            ["data_offsets"] = new JsonArray(data.Length, data.Length + 8),
        };
        byte[] text = Encoding.UTF8.GetBytes(renamed.ToJsonString());
        byte[] begin = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(begin, text.Length);
        File.WriteAllBytes(path, [.. begin, .. text, .. data, .. new byte[8]]);
    }

    private static ModelSpec Spec(string config) => Read(config, out ModelKeys keys).MakeSpec(keys);

    private static ModelKeys KeysOf(string config)
    {
        Read(config, out ModelKeys keys);
        return keys;
    }

    private static string Refusal(string config) => Assert.Throws<ModelException>(() => Spec(config)).Message;

    private static Family Read(string config, out ModelKeys keys)
    {
        var part = JsonPart.Parse("config.json", Encoding.UTF8.GetBytes(config), "");
        Family family = Family.Of(part);
        keys = family.KeysOf(part);
        return family;
    }
}
