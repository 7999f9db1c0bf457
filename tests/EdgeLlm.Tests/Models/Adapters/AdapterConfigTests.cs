using System.Text.Json.Nodes;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Tests.Models.Adapters;

/// <summary>Every field of adapter_config.json is honoured, does not matter, or is refused.</summary>
public sealed class AdapterConfigTests
{
    [Theory]
    [InlineData("init_lora_weights", "\"pissa\"", "init_lora_weights is pissa, which changed the base's weights"),
        InlineData("init_lora_weights", "\"olora\"", "init_lora_weights is olora"),
     InlineData("init_lora_weights", "\"other\"", "init_lora_weights is other, which is not known here"),
     InlineData("made_up", "true", "made_up is not known here"), InlineData("made_up", "{\"a\": 1}", "made_up is not known here"),
     InlineData("bias", "\"some\"", "bias is 'some'"), InlineData("r", "0", "r is 0"), InlineData("r", "100000", "r is 100000"),
     InlineData("loftq_config", "{\"bits\": 4}", "loftq_config is set"),
     InlineData("target_modules", "\"(a)\\\\1\"", "target_modules has the expression"),
     InlineData("rank_pattern", "{\"(?=a)b\": 2}", "rank_pattern"), InlineData("rank_pattern", "{\"(a{500}){500}\": 2}", "rank_pattern"),
     InlineData("peft_type", "\"IA3\"", "peft_type is IA3: only LORA is read here")]
    public void What_changes_the_arithmetic_is_refused_by_its_field(string field, string value, string problem)
    {
        Assert.Contains(problem, Assert.Throws<ModelException>(() => Read(field, value)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("made_up", "null"), InlineData("made_up", "false"), InlineData("made_up", "[]"), InlineData("made_up", "{}"),
        InlineData("made_up", "\"\""), InlineData("lora_dropout", "0.5"), InlineData("task_type", "\"CAUSAL_LM\""),
     InlineData("init_lora_weights", "\"gaussian\""), InlineData("eva_config", "{\"rho\": 2}"), InlineData("qalora_group_size", "16"),
     InlineData("init_lora_weights", "\"mica\""),
     InlineData("velora_config", "{\"num_groups\": 64, \"scale\": 1.0, \"init_type\": \"random\"}")]
    public void What_does_not_matter_is_taken(string field, string value) => Read(field, value);

    /// <summary>
    /// PeftConfig's and LoraConfig's fields (huggingface/peft, src/peft/config.py and src/peft/tuners/lora/config.py, 0.21).
    /// </summary>
    private const string PeftFields =
        "task_type peft_type auto_mapping peft_version base_model_name_or_path revision inference_mode r target_modules exclude_modules "
            + "lora_alpha lora_dropout fan_in_fan_out bias use_rslora "
        + "modules_to_save init_lora_weights layers_to_transform layers_pattern rank_pattern alpha_pattern megatron_config "
        + "megatron_core trainable_token_indices loftq_config eva_config corda_config lora_ga_config use_dora "
        + "velora_config alora_invocation_tokens use_qalora qalora_group_size monteclora_config layer_replication runtime_config "
        + "lora_bias target_parameters use_bdlora arrow_config kasa_config ensure_weight_tying";

    [Fact]
    public void Every_field_of_peft_is_known_and_in_the_table_and_nothing_else_is()
    {
        string[] fields = PeftFields.Split(' ');
        Assert.Equal(fields.Order(StringComparer.Ordinal), AdapterConfig.KnownFields.Order(StringComparer.Ordinal));
        IEnumerable<string> rows = File.ReadLines(Path.Combine(SharedFolder.RepositoryRoot, "docs", "adapters.md"))
            .SkipWhile(line => !line.StartsWith("| field", StringComparison.Ordinal)).TakeWhile(line => line.StartsWith('|'));
        string[] named = [.. rows.SelectMany(row => row.Split('|')[1].Split('`', StringSplitOptions.RemoveEmptyEntries))
            .Where(name => name.All(letter => char.IsAsciiLetterLower(letter) || letter == '_') && name.Length > 0 && name != "none"
                && name != "all" && name != "lora_only")];
        Assert.Equal(fields.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Keys_are_expressions_for_the_end_of_a_name_and_the_first_that_fits_counts()
    {
        AdapterConfig config = Read("rank_pattern", """{"down_proj": 2, "layers.1.self_attn.q_proj": 8, "layers\\.0\\..*": 6}""");
        Assert.Equal(2, config.RankOf("model.layers.0.mlp.down_proj"));
        Assert.Equal(8, config.RankOf("model.layers.1.self_attn.q_proj"));
        Assert.Equal(6, config.RankOf("model.layers.0.self_attn.q_proj"));
        Assert.Equal(4, config.RankOf("model.layers.2.self_attn.q_proj"));
        Assert.Equal(4, config.RankOf("model.layers.1.mlp.xdown_proj"));
    }

    [Fact]
    public void An_expression_that_would_backtrack_for_ever_opens_at_once()
    {
        AdapterConfig config = Read("rank_pattern", """{"(a+)+$": 2}""");
        Assert.Equal(4, config.RankOf(new string('a', 200) + "b")); // tried one by one, the ways to divide the letters would never end
    }

    [Fact]
    public void Target_modules_are_names_an_expression_or_all_linear_ones_and_layers_limit_them()
    {
        Assert.True(Read("target_modules", "[\"q_proj\"]").Targets("model.layers.0.self_attn.q_proj"));
        Assert.False(Read("target_modules", "[\"q_proj\"]").Targets("model.layers.0.self_attn.xq_proj"));
        Assert.True(Read("target_modules", "\".*\\\\.q_proj\"").Targets("model.layers.0.self_attn.q_proj"));
        Assert.True(Read("target_modules", "\"all-linear\"").Targets("model.layers.0.mlp.up_proj"));
        Assert.False(Read("target_modules", "\"all-linear\"").Targets("lm_head"));
        Assert.False(Read("exclude_modules", "[\"q_proj\"]").Targets("model.layers.0.self_attn.q_proj"));
        Assert.True(Read("layers_to_transform", "[1]").Targets("model.layers.1.self_attn.q_proj"));
        Assert.True(Read("layers_to_transform", "[]").Targets("model.layers.0.self_attn.q_proj"));
        Assert.False(Read("layers_to_transform", "1").Targets("model.layers.0.self_attn.q_proj"));
        Assert.False(Read("layers_to_transform", "[1]", ("layers_pattern", "\"layers\"")).Targets("model.layers.0.self_attn.q_proj"));
        Assert.True(Read("layers_to_transform", "[1]", ("layers_pattern", "[\"layers\"]")).Targets("model.layers.1.self_attn.q_proj"));
    }

    [Fact]
    public void Alpha_is_divided_by_the_rank_or_its_root()
    {
        Assert.Equal(8.0 / 4, Read("lora_alpha", "8").FactorOf("q_proj"));
        Assert.Equal(8 / Math.Sqrt(4), Read("use_rslora", "true").FactorOf("q_proj"));
        Assert.Equal(3.0 / 4, Read("alpha_pattern", """{"q_proj": 3}""").FactorOf("model.q_proj"));
    }

    private static AdapterConfig Read(string field, string value, params (string Field, string Value)[] others)
    {
        using var folder = new TestFolder();
        var config = new JsonObject { ["peft_type"] = "LORA", ["r"] = 4, ["lora_alpha"] = 8, ["target_modules"] = new JsonArray("q_proj") };
        foreach ((string name, string json) in others.Append((field, value))) config[name] = JsonNode.Parse(json);
        File.WriteAllText(folder.PathOf(AdapterConfig.FileName), config.ToJsonString());
        return AdapterConfig.Read(folder.Root);
    }
}
