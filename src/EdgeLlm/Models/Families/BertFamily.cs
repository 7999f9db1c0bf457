using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>
/// BERT and its kin: encoders whose layers end with norms of the stream. RoBERTa counts positions from after its padding's; nomic-bert has
/// rotary positions, one matrix for queries, keys and values, and a gate.
/// </summary>
internal static class BertFamily
{
    private const string Classifiers = "ForSequenceClassification";

    private static readonly ConfigNames Names = new() { KeyValueHeads = "", HeadDimension = "", IsRotated = false };

    public static Family Bert { get; } = OfModel("bert", "bert", "Bert", ReadBert, new Dictionary<TensorRole, FolderName>
    {
        [TensorRole.Pooler] = new("bert.pooler.dense.weight"),
        [TensorRole.PoolerBias] = new("bert.pooler.dense.bias"),
        [TensorRole.Classifier] = new("classifier.weight"),
        [TensorRole.ClassifierBias] = new("classifier.bias"),
    });

    public static Family Roberta { get; } = OfModel("roberta", "roberta", "Roberta", ReadRoberta, RobertaHead);

    public static Family XlmRoberta { get; } = OfModel("xlm-roberta", "roberta", "XLMRoberta", ReadRoberta, RobertaHead);

    public static Family Nomic { get; } = new()
    {
        Architecture = "nomic-bert",
        ModelType = "nomic_bert",
        ModelClass = "NomicBertModel",
        Prefix = "model.",
        MakeSpec = MakeNomic,
        ReadConfig = ReadNomic,
        Buffers = ["embeddings.position_ids"],
        FolderNames = new Dictionary<TensorRole, FolderName>
        {
            [TensorRole.TokenEmbedding] = new("embeddings.word_embeddings.weight"),
            [TensorRole.TokenTypes] = new("embeddings.token_type_embeddings.weight"),
            [TensorRole.EmbeddingNorm] = new("emb_ln.weight"),
            [TensorRole.EmbeddingNormBias] = new("emb_ln.bias"),
            [TensorRole.QueryKeyValue] = new("encoder.layers.{}.attn.Wqkv.weight"),
            [TensorRole.AttentionOutput] = new("encoder.layers.{}.attn.out_proj.weight"),
            [TensorRole.AddedAttentionNorm] = new("encoder.layers.{}.norm1.weight"),
            [TensorRole.AddedAttentionNormBias] = new("encoder.layers.{}.norm1.bias"),
            [TensorRole.Gate] = new("encoder.layers.{}.mlp.fc12.weight"),
            [TensorRole.Up] = new("encoder.layers.{}.mlp.fc11.weight"),
            [TensorRole.Down] = new("encoder.layers.{}.mlp.fc2.weight"),
            [TensorRole.AddedFeedForwardNorm] = new("encoder.layers.{}.norm2.weight"),
            [TensorRole.AddedFeedForwardNormBias] = new("encoder.layers.{}.norm2.bias"),
        },
    };

    private static Dictionary<TensorRole, FolderName> RobertaHead => new()
    {
        [TensorRole.Pooler] = new("classifier.dense.weight"),
        [TensorRole.PoolerBias] = new("classifier.dense.bias"),
        [TensorRole.Classifier] = new("classifier.out_proj.weight"),
        [TensorRole.ClassifierBias] = new("classifier.out_proj.bias"),
    };

    /// <param name="prefix">What names of tensors begin with in a folder of a model with a head.</param>
    private static Family OfModel(string type, string prefix, string @class, Func<JsonPart, ModelKeys> read,
        Dictionary<TensorRole, FolderName> names)
    {
        string embeddings = $"{prefix}.embeddings.", layer = $"{prefix}.encoder.layer.{{}}.";
        Add(TensorRole.TokenEmbedding, embeddings + "word_embeddings.weight");
        Add(TensorRole.PositionEmbedding, embeddings + "position_embeddings.weight");
        Add(TensorRole.TokenTypes, embeddings + "token_type_embeddings.weight");
        AddBoth(TensorRole.EmbeddingNorm, TensorRole.EmbeddingNormBias, embeddings + "LayerNorm");
        AddBoth(TensorRole.Query, TensorRole.QueryBias, layer + "attention.self.query");
        AddBoth(TensorRole.Key, TensorRole.KeyBias, layer + "attention.self.key");
        AddBoth(TensorRole.Value, TensorRole.ValueBias, layer + "attention.self.value");
        AddBoth(TensorRole.AttentionOutput, TensorRole.AttentionOutputBias, layer + "attention.output.dense");
        AddBoth(TensorRole.AddedAttentionNorm, TensorRole.AddedAttentionNormBias, layer + "attention.output.LayerNorm");
        AddBoth(TensorRole.Up, TensorRole.UpBias, layer + "intermediate.dense");
        AddBoth(TensorRole.Down, TensorRole.DownBias, layer + "output.dense");
        AddBoth(TensorRole.AddedFeedForwardNorm, TensorRole.AddedFeedForwardNormBias, layer + "output.LayerNorm");
        return new Family
        {
            Architecture = "bert",
            ModelType = type,
            ModelClass = @class + "Model",
            OtherClass = @class + Classifiers,
            Prefix = prefix + ".",
            MakeSpec = Make,
            ReadConfig = read,
            FolderNames = names,
            Buffers = ["embeddings.position_ids", "embeddings.token_type_ids", "pooler.dense.weight", "pooler.dense.bias"],
        };

        void Add(TensorRole role, string name) => names.Add(role, new FolderName(name));

        void AddBoth(TensorRole weight, TensorRole bias, string name)
        {
            // The first builds called a norm's weight and bias gamma and beta.
            bool isNorm = name.EndsWith("LayerNorm", StringComparison.Ordinal);
            names.Add(weight, new FolderName(name + ".weight") { Others = isNorm ? [name + ".gamma"] : [] });
            names.Add(bias, new FolderName(name + ".bias") { Others = isNorm ? [name + ".beta"] : [] });
        }
    }

    private static ModelSpec Make(ModelKeys keys)
    {
        ModelSpec spec = Encoder(keys, (attention, _) => attention, Activation.Gelu, isGated: false);
        return spec with
        {
            Positions = new LearnedPositions(spec.ContextLength),
            Labels = keys.Has(TensorRole.Classifier) ? keys.Rows(TensorRole.Classifier, ModelKeys.LabelCount) : 0,
        };
    }

    private static ModelSpec MakeNomic(ModelKeys keys) =>
        Encoder(keys, (attention, l) => attention with { Rope = CommonKeys.Rope(keys, attention.Dimension, isSplit: true, l) },
            Activation.Silu, isGated: true);

    private static ModelSpec Encoder(ModelKeys keys, Func<AttentionSpec, int, AttentionSpec> finish, Activation activation, bool isGated)
    {
        ModelSpec spec = CommonKeys.Decoder(keys, null, l => new LayerSpec
        {
            AttentionNorm = null,
            Attention = finish(CommonKeys.Attention(keys, l), l) with { IsBidirectional = true },
            AddedAttentionNorm = CommonKeys.LayerNorm(keys, TensorRole.AddedAttentionNormBias, l),
            FeedForwardNorm = null,
            FeedForward = CommonKeys.FeedForward(keys, l, activation, isGated),
            AddedFeedForwardNorm = CommonKeys.LayerNorm(keys, TensorRole.AddedFeedForwardNormBias, l),
        });
        return CommonKeys.Encoder(keys, spec) with
        {
            EmbeddingNorm = CommonKeys.LayerNorm(keys, TensorRole.EmbeddingNormBias),
            TokenTypes = keys.Has(TensorRole.TokenTypes) ? keys.Rows(TensorRole.TokenTypes, ModelKeys.TokenTypeCount) : 0,
        };
    }

    private static ModelKeys ReadBert(JsonPart config)
    {
        ModelKeys keys = ReadCommon(config, "bert", Activation.Gelu, out _, out _);
        ReadHead(config, keys);
        return keys;
    }

    private static ModelKeys ReadRoberta(JsonPart config)
    {
        // Positions begin after the padding token's row (modeling_roberta.py, create_position_ids_from_input_ids).
        int skipped = (int)config.Require("pad_token_id").Integer(0, ModelKeys.MaximumWidth) + 1;
        ModelKeys keys = ReadCommon(config, "bert", Activation.Gelu, out _, out int rows);
        if (rows <= skipped)
            throw config.Require("max_position_embeddings").Error($"is {rows}: no position is left after pad_token_id {skipped - 1}");
        keys.Set(ModelKeys.ContextLength, rows - skipped);
        keys.SkippedPositions = skipped;
        ReadHead(config, keys);
        return keys;
    }

    private static ModelKeys ReadNomic(JsonPart config)
    {
        ModelKeys keys = ReadCommon(config, "nomic-bert", Activation.Silu, out AttentionConfig attention, out int context);
        RopeConfig.Read(config, keys, attention.Dimension, context);
        keys.Set(TensorRole.QueryKeyValue);
        return keys;
    }

    private static ModelKeys ReadCommon(JsonPart config, string architecture, Activation activation,
        out AttentionConfig attention, out int context)
    {
        bool isNomic = architecture == "nomic-bert";
        ModelKeys keys = CommonConfig.Decoder(config, architecture, out attention, out context, activation,
            isNomic ? Names with { HeadDimension = "head_dim", IsRotated = true } : Names);
        CommonConfig.SetEpsilon(config, "layer_norm_eps", ModelKeys.NormEpsilon, 1e-12, keys);
        CommonConfig.RefuseFlag(config, "is_decoder");
        CommonConfig.RefuseFlag(config, "add_cross_attention");
        if (config.Find("position_embedding_type") is { } positions && positions.Text() != "absolute")
            throw positions.Error("is not absolute, the only one that runs here");
        keys.Set(ModelKeys.IsCausal, false);
        keys.Set(ModelKeys.TokenTypeCount, (int)config.Require("type_vocab_size").Integer(1, ModelKeys.MaximumWidth));
        keys.Set(TensorRole.TokenTypes, TensorRole.EmbeddingNormBias, TensorRole.AddedAttentionNormBias,
            TensorRole.AddedFeedForwardNormBias);
        if (!isNomic)
            keys.Set(TensorRole.QueryBias, TensorRole.KeyBias, TensorRole.ValueBias, TensorRole.AttentionOutputBias,
                TensorRole.UpBias, TensorRole.DownBias);
        return keys;
    }

    /// <summary>A sequence classifier's head.</summary>
    private static void ReadHead(JsonPart config, ModelKeys keys)
    {
        if (config.Find("architectures") is not { } classes
            || !classes.Items().Any(name => name.Text().EndsWith(Classifiers, StringComparison.Ordinal)))
            return;
        int labels = config.Find("id2label") is { } names ? names.Fields().Take(ModelKeys.MaximumWidth).Count()
            : (int)(config.Find("num_labels")?.Integer(1, ModelKeys.MaximumWidth) ?? 2);
        if (labels == 0) throw config.Require("id2label").Error("has no labels");
        keys.Set(ModelKeys.LabelCount, labels);
        keys.Set(TensorRole.Pooler, TensorRole.PoolerBias, TensorRole.Classifier, TensorRole.ClassifierBias);
    }
}
