using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Models;

/// <summary>From a GGUF file to config, weights and tokenizer data: the one place that knows both the file's names and the model's.</summary>
internal static unsafe partial class ModelLoader
{
    private const int MaximumLayers = 1000;

    // Widths, heads and vocabulary: products of two of them and a layer count fit a long, and a width times a chunk of 16 tokens an int.
    private const int MaximumWidth = 1 << 24;

    // With the blocks of tokens that a pass has, heads are the chunks of one job of the worker pool, which counts up to 2^22.
    private const int MaximumHeads = 1 << 16;

    /// <summary>Architectures that run.</summary>
    public static IReadOnlyList<string> Architectures { get; } = ["llama"];

    public static ModelConfig ReadConfig(GgufFile file)
    {
        GgufMetadata data = file.Metadata;
        string architecture = data.GetString("general.architecture", null)
            ?? throw new ModelException(file.Path, "has no general.architecture: it is not a language model");
        if (!Architectures.Contains(architecture))
            throw new ModelException(file.Path, $"its architecture '{architecture}' is not one that runs here ({string.Join(", ", Architectures)})");

        var read = new HashSet<string>();
        int experts = Optional("expert_count", 0);
        Require(experts == 0, $"is a mixture of {experts} experts ({Key("expert_count")}): the file is whole, but experts do not run in this version yet");
        int embedding = Size("embedding_length"), heads = Size("attention.head_count");
        int kvHeads = data.Contains($"{architecture}.attention.head_count_kv") ? Size("attention.head_count_kv") : heads;
        int dimension = Optional("attention.key_length", embedding / heads);
        var config = new ModelConfig
        {
            Architecture = architecture,
            ContextLength = Size("context_length"),
            EmbeddingLength = embedding,
            BlockCount = Size("block_count"),
            FeedForwardLength = Size("feed_forward_length"),
            HeadCount = heads,
            KeyValueHeadCount = kvHeads,
            HeadDimension = dimension,
            VocabularySize = (int)Math.Min(Required(file, "token_embd.weight").Rows, int.MaxValue),
            NormEpsilon = data.GetFloat(Key("attention.layer_norm_rms_epsilon")),
            SlidingWindow = Optional("attention.sliding_window", 0),
            RopeDimension = Optional("rope.dimension_count", dimension),
            RopeBase = data.GetFloat(Key("rope.freq_base"), 10000f),
            RopeScaling = ReadRopeScaling(file, Key("rope.scaling.type")),
            RopeScalingFactor = data.GetFloat(Key("rope.scaling.factor"), data.GetFloat(Key("rope.scale_linear"), 0f)) is not 0 and var factor ? factor : 1f,
            RopeOriginalContextLength = Optional("rope.scaling.original_context_length", 0),
            RopeAttentionFactor = data.GetFloat(Key("rope.scaling.attn_factor"), 1f),
            YarnBetaFast = data.GetFloat(Key("rope.scaling.yarn_beta_fast"), 32f),
            YarnBetaSlow = data.GetFloat(Key("rope.scaling.yarn_beta_slow"), 1f),
        };

        Require(heads <= MaximumHeads, $"{Key("attention.head_count")} {heads} is more than {MaximumHeads}");
        Require((long)heads * dimension <= MaximumWidth && (long)kvHeads * dimension <= MaximumWidth,
            $"{Key("attention.head_count")} {heads} times a head's {dimension} numbers is more than {MaximumWidth}");
        Require(config.VocabularySize <= MaximumWidth, $"tensor token_embd.weight has more than {MaximumWidth} rows");
        Require(dimension > 0, $"{Key("attention.key_length")} is 0");
        Require(heads % kvHeads == 0, $"{Key("attention.head_count")} {heads} is not a multiple of head_count_kv {kvHeads}");
        Require(Optional("attention.value_length", dimension) == dimension, $"{Key("attention.value_length")} differs from the keys' length {dimension}, which this architecture can't have");
        Require(config.RopeDimension <= dimension && config.RopeDimension % 2 == 0, $"{Key("rope.dimension_count")} {config.RopeDimension} is odd or more than a head's {dimension} numbers");
        Require(config.BlockCount <= MaximumLayers, $"{Key("block_count")} {config.BlockCount} is more than {MaximumLayers}");
        Require(config.RopeBase > 0 && float.IsFinite(config.RopeBase), $"{Key("rope.freq_base")} {config.RopeBase} is not a positive number");
        Require(config.RopeScalingFactor is >= 0.001f and <= 100_000f, $"{Key("rope.scaling.factor")} {config.RopeScalingFactor} is out of range");
        Require(float.IsFinite(config.NormEpsilon) && config.NormEpsilon >= 0, $"{Key("attention.layer_norm_rms_epsilon")} is not a number of 0 or more");
        UnreadParts.RefuseKeys(file, architecture, read);
        return config;

        string Key(string name)
        {
            string key = $"{architecture}.{name}";
            read.Add(key);
            return key;
        }

        int Size(string name)
        {
            // Some converters write one number per layer; that is fine as long as all are equal.
            string key = Key(name);
            if (data.TryGet(key, out GgufValue? value) && value.Type == GgufValueType.Array)
            {
                int[] numbers = data.GetArray<int>(key);
                Require(numbers.Length > 0 && numbers.All(number => number == numbers[0]), $"{key} differs between layers, which this architecture can't have");
                return Positive(key, numbers[0]);
            }
            return Positive(key, data.GetInt32(key));
        }

        int Positive(string key, int number)
        {
            Require(number is > 0 && (number <= MaximumWidth || key.EndsWith("context_length", StringComparison.Ordinal)), $"{key} is {number}; it must be 1 to {MaximumWidth}");
            return number;
        }

        int Optional(string name, int fallback)
        {
            int number = data.GetInt32(Key(name), fallback);
            Require(number is >= 0 and <= 1 << 28, $"{Key(name)} is {number}");
            return number;
        }

        void Require(bool condition, string problem)
        {
            if (!condition) throw new ModelException(file.Path, problem);
        }
    }

    public static Weights ReadWeights(GgufFile file, ModelConfig config)
    {
        int embedding = config.EmbeddingLength, feedForward = config.FeedForwardLength;
        var read = new HashSet<string>();
        WeightMatrix tokens = Matrix("token_embd.weight", config.VocabularySize, embedding);
        var layers = new LayerWeights[config.BlockCount];
        for (int l = 0; l < layers.Length; l++)
        {
            layers[l] = new LayerWeights
            {
                AttentionNorm = Vector($"blk.{l}.attn_norm.weight", embedding),
                Query = Map($"blk.{l}.attn_q", config.QueryWidth, embedding),
                Key = Map($"blk.{l}.attn_k", config.KeyValueWidth, embedding),
                Value = Map($"blk.{l}.attn_v", config.KeyValueWidth, embedding),
                AttentionOutput = Map($"blk.{l}.attn_output", embedding, config.QueryWidth),
                FeedForwardNorm = Vector($"blk.{l}.ffn_norm.weight", embedding),
                Gate = Map($"blk.{l}.ffn_gate", feedForward, embedding),
                Up = Map($"blk.{l}.ffn_up", feedForward, embedding),
                Down = Map($"blk.{l}.ffn_down", embedding, feedForward),
            };
        }
        var weights = new Weights
        {
            TokenEmbedding = tokens,
            OutputNorm = Vector("output_norm.weight", embedding),
            Output = file.FindTensor("output.weight") is null ? tokens : Matrix("output.weight", config.VocabularySize, embedding),
            Layers = layers,
            RopeDivisors = file.FindTensor("rope_freqs.weight") is null
                ? []
                : new ReadOnlySpan<float>(Vector("rope_freqs.weight", config.RopeDimension / 2), config.RopeDimension / 2).ToArray(),
        };
        UnreadParts.RefuseTensors(file, config.Architecture, read);
        return weights;

        Linear Map(string name, int rows, int columns) =>
            new(Matrix(name + ".weight", rows, columns), file.FindTensor(name + ".bias") is null ? null : Vector(name + ".bias", rows));

        WeightMatrix Matrix(string name, int rows, int columns)
        {
            GgufTensor tensor = Required(file, name);
            read.Add(name);
            CheckShape(file, tensor, rows, columns);
            if (tensor.Packed is { } packed) return new WeightMatrix((byte*)file.Pointer(tensor), packed.Packing, packed.Codebook, rows, columns);
            if (tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16) && !BlockUnpacker.CanUnpack(tensor.Type))
                throw new ModelException(file.Path, $"tensor {name} is of type {tensor.Type}, which weights can't have here");
            return new WeightMatrix((byte*)file.Pointer(tensor), tensor.Type, rows, columns);
        }

        float* Vector(string name, int length)
        {
            GgufTensor tensor = Required(file, name);
            read.Add(name);
            CheckShape(file, tensor, 1, length);
            if (tensor.Type != ElementType.F32) throw new ModelException(file.Path, $"tensor {name} is {tensor.Type}; norms and biases have to be F32");
            return (float*)file.Pointer(tensor);
        }
    }

    private static GgufTensor Required(GgufFile file, string name) =>
        file.FindTensor(name) ?? throw new ModelException(file.Path, $"has no tensor {name}: the file is incomplete or no language model");

    private static void CheckShape(GgufFile file, GgufTensor tensor, int rows, int columns)
    {
        if (tensor.Columns != columns || tensor.Rows != rows)
            throw new ModelException(file.Path, $"tensor {tensor.Name} has the shape [{tensor.Columns}{(tensor.Rows == 1 ? "" : $", {tensor.Rows}")}], expected [{columns}{(rows == 1 ? "" : $", {rows}")}]");
    }

    // Without a type the factor is linear's, as in llama.cpp; without a factor that is 1.
    private static RopeScaling ReadRopeScaling(GgufFile file, string key) =>
        file.Metadata.GetString(key, "linear") switch
        {
            "none" => RopeScaling.None,
            "linear" => RopeScaling.Linear,
            "yarn" => RopeScaling.Yarn,
            "ntk" => RopeScaling.Ntk,
            "dynamic" => RopeScaling.DynamicNtk,
            var other => throw new ModelException(file.Path, $"{key} '{other}' is not one that runs here (none, linear, yarn, ntk, dynamic)"),
        };
}
