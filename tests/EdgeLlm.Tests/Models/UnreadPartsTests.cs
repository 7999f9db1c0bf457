using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// Files that say one thing and do another: what would be skipped in silence is refused by name, what is common and harmless is taken.
/// </summary>
public sealed class UnreadPartsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-unread").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("output.bias", 512)]
    [InlineData("blk.0.attn_q_norm.weight", 8)]
    [InlineData("blk.4.attn_k_norm.weight", 8)]
    [InlineData("blk.5.attn_norm.weight", 64)]
    [InlineData("blk.0.attn_norm.bias", 64)]
    [InlineData("token_embd_norm.weight", 64)]
    [InlineData("nextn_but_not.weight", 64)]
    public void A_tensor_that_the_model_does_not_use_is_refused_by_name(string name, int length) =>
        Assert.Contains($"has the tensor {name}, which", Refusal(writer => AddTensor(writer, name, length)), StringComparison.Ordinal);

    [Theory]
    [InlineData("rope_factors_long.weight")]
    [InlineData("rope_factors_short.weight")]
    [InlineData("blk.0.rope_freqs.weight")]
    [InlineData("blk.2.attn_rot_embd.weight")]
    [InlineData("blk.4.nextn.eh_proj.weight")]
    [InlineData("nextn.shared_head_norm.weight")]
    public void A_tensor_that_does_no_harm_changes_nothing(string name) =>
        Assert.Equal(LogitsOf(_ => { }), LogitsOf(writer => AddTensor(writer, name, 4)));

    [Fact]
    public void A_rope_table_that_is_used_is_used() =>
        Assert.NotEqual(LogitsOf(_ => { }), LogitsOf(writer => AddTensor(writer, "rope_freqs.weight", 4, 3)));

    [Fact]
    public void A_key_that_is_not_read_and_would_matter_is_refused_by_name()
    {
        foreach ((string key, GgufValue value) in new (string, GgufValue)[]
        {
            ("attention.causal", GgufValue.Of(false)), ("logit_scale", GgufValue.Of(0.5f)), ("attn_logit_softcapping", GgufValue.Of(50f)),
            ("attention.max_alibi_bias", GgufValue.Of(8f)), ("use_parallel_residual", GgufValue.Of(true)),
            ("rope.dimension_sections", GgufValue.OfArray<int>([1, 2, 1, 0])), ("nextn_predict_layers", GgufValue.Of(1u)),
        })
        {
            Assert.Contains($"has the key llama.{key}", Refusal(writer => writer.Set("llama." + key, value)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_scale_and_an_activation_are_honoured()
    {
        float[] plain = LogitsOf(_ => { });
        foreach ((string key, GgufValue value) in new (string, GgufValue)[] { ("attention.scale", GgufValue.Of(1f)),
            ("hidden_activation", GgufValue.Of("gelu")) })
            Assert.NotEqual(plain, LogitsOf(writer => writer.Set("llama." + key, value)));
        Assert.Equal(plain, LogitsOf(writer => writer.Set("llama.hidden_activation", GgufValue.Of("silu"))));
        Assert.Contains("llama.hidden_activation 'glu' is not one",
            Refusal(writer => writer.Set("llama.hidden_activation", GgufValue.Of("glu"))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_whose_value_changes_nothing_is_taken()
    {
        float[] plain = LogitsOf(_ => { });
        foreach ((string key, GgufValue value) in new (string, GgufValue)[]
        {
            ("attention.causal", GgufValue.Of(true)), ("logit_scale", GgufValue.Of(1f)), ("attn_logit_softcapping", GgufValue.Of(0f)),
            ("expert_count", GgufValue.Of(0u)),
            ("use_parallel_residual", GgufValue.Of(false)), ("rope.scaling.finetuned", GgufValue.Of(true)),
            ("vocab_size", GgufValue.Of(512u)), ("pooling_type", GgufValue.Of(1u)),
        })
        {
            Assert.Equal(plain, LogitsOf(writer => writer.Set("llama." + key, value)));
        }
    }

    [Fact]
    public void A_mixture_of_experts_is_said_to_be_whole() =>
        Assert.Contains("llama.expert_used_count", Refusal(writer => writer.Set("llama.expert_count", GgufValue.Of(8u))),
            StringComparison.Ordinal);

    [Fact]
    public void A_rope_factor_without_a_type_is_linear_and_a_factor_of_0_is_none()
    {
        float[] plain = LogitsOf(_ => { });
        float[] linear = LogitsOf(writer => Scale(writer, "linear", 4));
        Assert.NotEqual(plain, linear);
        Assert.Equal(linear, LogitsOf(writer => Scale(writer, null, 4)));
        Assert.Equal(linear, LogitsOf(writer => writer.Set("llama.rope.scale_linear", GgufValue.Of(4f))));
        Assert.Equal(plain, LogitsOf(writer => Scale(writer, "none", 4)));
        foreach (string? type in new[] { null, "none", "linear", "yarn", "ntk" })
            Assert.Equal(plain, LogitsOf(writer => Scale(writer, type, 0)));
        Assert.Contains("rope.scaling.factor", Refusal(writer => Scale(writer, "linear", float.NaN)), StringComparison.Ordinal);

        static void Scale(GgufWriter writer, string? type, float factor)
        {
            if (type is not null) writer.Set("llama.rope.scaling.type", GgufValue.Of(type));
            writer.Set("llama.rope.scaling.factor", GgufValue.Of(factor));
        }
    }

    [Fact]
    public void Ids_of_special_tokens_that_are_out_of_range_are_absent()
    {
        foreach (GgufValue none in new[] { GgufValue.Of(-1), GgufValue.Of(uint.MaxValue), GgufValue.Of(512u), GgufValue.Of(long.MaxValue),
            GgufValue.Of(ulong.MaxValue) })
        {
            using LanguageModel model = Open(writer =>
            {
                foreach (string name in new[] { "padding", "seperator", "eot", "eom", "mask", "cls" })
                    writer.Set($"tokenizer.ggml.{name}_token_id", none);
            });
            Assert.Equal((null, null, null), (model.Tokenizer.PaddingId, model.Tokenizer.EotId, model.Tokenizer.SeparatorId));
        }
    }

    [Fact]
    public void All_tokens_that_a_file_calls_ends_end_an_answer()
    {
        using LanguageModel model = Open(writer =>
        {
            writer.Set("tokenizer.ggml.eos_token_id", GgufValue.OfArray<uint>([2, 10, uint.MaxValue]));
            writer.Set("tokenizer.ggml.eot_token_id", GgufValue.Of(11u));
            writer.Set("tokenizer.ggml.eom_token_id", GgufValue.Of(12u));
            writer.Set("tokenizer.ggml.fim_pad_token_id", GgufValue.Of(13u));
            writer.Set("tokenizer.ggml.fim_rep_token_id", GgufValue.Of(14u));
            writer.Set("tokenizer.ggml.fim_sep_token_id", GgufValue.Of(15u));
            writer.Set("edgellm.tokenizer.end_token_ids", GgufValue.OfArray<int>([16, 17, -1]));
        });
        Assert.Equal(2, model.Tokenizer.EosId);
        Assert.Equal([2, .. Enumerable.Range(10, 8)], Enumerable.Range(0, 512).Where(model.Tokenizer.IsEndOfGeneration));
    }

    [Fact]
    public void A_token_beyond_the_embedding_is_accepted_and_refused_when_it_is_fed()
    {
        using LanguageModel model = Open(writer => AddTokens(writer, "[PAD]"));
        int pad = model.Tokenizer.FindToken("[PAD]")!.Value;
        Assert.Equal((512, 513), (pad, model.Tokenizer.VocabularySize));
        using KvCache cache = model.CreateCache();
        Assert.Contains("token 512 is not in the model", Assert.Throws<ArgumentException>(() => model.Forward([1, pad], cache)).Message,
            StringComparison.Ordinal);
        Assert.Equal(LogitsOf(_ => { }), model.Forward(model.Tokenizer.Encode("Once upon a time", addSpecial: true), cache).ToArray());
    }

    [Fact]
    public void An_empty_chat_template_counts_as_none()
    {
        foreach (string empty in new[] { "", " \n\t" })
        {
            using LanguageModel model = Open(writer => writer.Set("tokenizer.chat_template", GgufValue.Of(empty)));
            Assert.Null(model.ChatTemplateSource);
        }
        using LanguageModel given = Open(writer => writer.Set("tokenizer.chat_template", GgufValue.Of("{{ 'its own' }}")),
            new ModelOptions { ChatTemplate = "{{ 'given' }}" });
        Assert.Equal("{{ 'given' }}", given.ChatTemplateSource);
    }

    private static void AddTensor(GgufWriter writer, string name, int length, float value = 1)
    {
        byte[] bytes = new byte[4 * length];
        for (int i = 0; i < length; i++) BitConverter.TryWriteBytes(bytes.AsSpan(4 * i), value);
        writer.SetTensor(name, [length], ElementType.F32, stream => stream.Write(bytes));
    }

    private static void AddTokens(GgufWriter writer, params string[] texts)
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        Utf8Strings tokens = ModelLoader.ReadTokenizer(file).Tokens;
        writer.Set("tokenizer.ggml.tokens", GgufValue.OfArray([.. Enumerable.Range(0, tokens.Count).Select(tokens.GetText), .. texts]));
        writer.Set("tokenizer.ggml.scores",
            GgufValue.OfArray<float>([.. file.Metadata.GetArray<float>("tokenizer.ggml.scores"), .. new float[texts.Length]]));
        writer.Set("tokenizer.ggml.token_type",
            GgufValue.OfArray<int>(
                [.. file.Metadata.GetArray<int>("tokenizer.ggml.token_type"), .. texts.Select(_ => (int)TokenType.Control)]));
    }

    private string Refusal(Action<GgufWriter> change)
    {
        string message = Assert.Throws<ModelException>(() => Open(change)).Message;
        Assert.Contains("changed.gguf: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private float[] LogitsOf(Action<GgufWriter> change)
    {
        using LanguageModel model = Open(change);
        using KvCache cache = model.CreateCache();
        return model.Forward(model.Tokenizer.Encode("Once upon a time", addSpecial: true), cache).ToArray();
    }

    private LanguageModel Open(Action<GgufWriter> change, ModelOptions? options = null)
    {
        string path = Path.Combine(_folder, "changed.gguf");
        using (GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
        {
            GgufWriter writer = GgufWriter.CopyOf(file);
            change(writer);
            writer.Save(path);
        }
        return LanguageModel.Load(path, (options ?? new ModelOptions()) with { Threads = 1 });
    }
}
