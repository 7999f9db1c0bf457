using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Licences;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>
/// Adapters (PEFT folders and GGUF files), control vectors, and model cards: opened for a good model, and tokens computed with them.
/// </summary>
internal static class AdapterTarget
{
    private static readonly string[] Names =
    [
        "peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "fan_in_fan_out", "target_modules",
        "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save", "bias",
        "init_lora_weights", "ensure_weight_tying", "dtype", "shape", "data_offsets", "q_proj", "(a+)+$", ".*", "all-linear", "LORA",
        "base_model.model.model.embed_tokens.lora_embedding_A", "base_model.model.lm_head.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "base_model.model.model.norm.weight",
        "base_model.model.model.layers.9.mlp.up_proj.lora_A.weight",
    ];

    private static readonly Lazy<GgufDocument> File = new(() => GgufDocument.Parse(Gguf())),
        Vector = new(() => GgufDocument.Parse(VectorFile()));

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        using LanguageModel model = LanguageModel.Load(Samples.ModelPath, new ModelOptions { ContextLength = 32, Threads = 1 });
        var adapters = new List<AdapterUse>();
        var vectors = new List<ControlVectorUse>();
        switch (dice.Below(4))
        {
            case 0:
                vectors.Add(new ControlVectorUse(ControlVector.Open(Written(current, GgufMutator.Mutate(dice, Vector.Value))),
                    dice.Pick(1f, -16f, 0.5f), 0, dice.Pick(1, int.MaxValue))); break;
            case 1:
                adapters.Add(
                    new AdapterUse(model.OpenAdapter(Written(current, GgufMutator.Mutate(dice, File.Value))), dice.Pick(1f, -16f))); break;
            default: adapters.Add(new AdapterUse(model.OpenAdapter(Folder(current)))); break;
        }
        using KvCache cache = model.CreateCache();
        cache.Adaptation = model.Adapt(adapters, vectors);
        try
        {
            model.Forward([1, 2, 3], cache);
            model.Forward([4], cache);
        }
        catch (NotFiniteException)
        {
            // Large numbers may overflow; the pass says so.
        }
        return null;
    }

    /// <summary>README.md's head, and a machine's policy on licences.</summary>
    public static string? RunCard(FuzzCase current)
    {
        Dice dice = current.Dice;
        byte[] card =
            dice.Damage(
                Encoding.UTF8.GetBytes(
                    "---\nlicense: other\nlicense_name: \"a-name\" # c\nlicense_link: x\nbase_model:\n- a/b\n- 'c/d'\ndatasets: [x/y, "
                        + "\"z\"]\n---\n# M\n"));
        current.Begin(card.Length);
        var keys = new Dictionary<string, string>();
        foreach ((string key, GgufValue value) in ModelCard.KeysOf(Encoding.UTF8.GetString(card))) keys[key] = value.ToString();
        var licence = Licence.Of(keys.GetValueOrDefault("general.license", ""), keys.GetValueOrDefault("general.license.name", ""));
        _ = licence.Use;
        if (licence.Text.Any(letter => char.IsControl(letter))) throw new WrongResultException("a licence has a control character");
        string policy = current.PathOf("policy.json");
        System.IO.File.WriteAllBytes(policy,
            JsonMutator.Mutate(dice, """{"licences": {"allow": ["MIT", "Apache-2.0"]}, "unknown": "refuse"}"""u8,
                ["licences", "allow", "unknown", "licenses"]));
        LicencePolicy.PathOfTest = policy;
        try
        {
            LicencePolicy.Require("model.gguf", licence);
        }
        finally
        {
            LicencePolicy.PathOfTest = null;
        }
        return null;
    }

    private static string Written(FuzzCase current, byte[] bytes)
    {
        string path = current.PathOf("adapter.gguf");
        System.IO.File.WriteAllBytes(path, bytes);
        current.Begin(bytes.Length);
        return path;
    }

    private static string Folder(FuzzCase current)
    {
        Dice dice = current.Dice;
        string folder = current.PathOf("adapter");
        Directory.CreateDirectory(folder);
        var config = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["r"] = 2,
            ["lora_alpha"] = 4,
            ["target_modules"] = new JsonArray("q_proj", "down_proj", "embed_tokens"),
            ["use_dora"] = dice.OneIn(3),
            ["rank_pattern"] = new JsonObject { ["down_proj"] = 3 },
        };
        const string Layer = "base_model.model.model.layers.0.";
        List<(string, int[])> tensors =
        [
            (Layer + "self_attn.q_proj.lora_A.weight", [2, 64]), (Layer + "self_attn.q_proj.lora_B.weight", [64, 2]),
            (Layer + "mlp.down_proj.lora_A.weight", [3, 96]), (Layer + "mlp.down_proj.lora_B.weight", [64, 3]),
        ];
        if (config["use_dora"]!.GetValue<bool>())
            tensors.AddRange(
                [(Layer + "self_attn.q_proj.lora_magnitude_vector", [64]), (Layer + "mlp.down_proj.lora_magnitude_vector", [64])]);
        else
            tensors.AddRange([("base_model.model.model.embed_tokens.lora_embedding_A", [2, TinyVocabulary.Size]),
                ("base_model.model.model.embed_tokens.lora_embedding_B", [64, 2]), ("base_model.model.model.norm.weight", [64])]);
        byte[] json = Encoding.UTF8.GetBytes(config.ToJsonString()), weights = TinyFolder.Safetensors(tensors);
        if (!dice.OneIn(3)) json = JsonMutator.Mutate(dice, json, Names);
        if (dice.OneIn(2))
        {
            int header = (int)BinaryPrimitives.ReadInt64LittleEndian(weights);
            byte[] head = weights[8..(8 + header)], data = weights[(8 + header)..];
            weights = dice.OneIn(3) ? TinyFolder.Join(head, dice.Damage(data), null)
                : TinyFolder.Join(JsonMutator.Mutate(dice, head, Names), data, null);
        }
        System.IO.File.WriteAllBytes(Path.Combine(folder, AdapterConfig.FileName), json);
        System.IO.File.WriteAllBytes(Path.Combine(folder, "adapter_model.safetensors"), weights);
        current.Begin(json.Length + weights.Length);
        return folder;
    }

    private static byte[] Gguf()
    {
        var writer = new GgufWriter();
        writer.Set("general.type", GgufValue.Of("adapter"));
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("adapter.type", GgufValue.Of("lora"));
        writer.Set("adapter.lora.alpha", GgufValue.Of(4f));
        Pair("blk.0.attn_q.weight", 64, 64);
        Pair("blk.1.ffn_down.weight", 96, 64);
        return Bytes(writer);

        void Pair(string name, int columns, int rows)
        {
            var dice = new Dice(columns);
            byte[] a = RandomWeights.Rows(ElementType.F32, 2, columns, 0.1f, dice),
                b = RandomWeights.Rows(ElementType.F32, rows, 2, 0.1f, dice);
            writer.SetTensor(name + ".lora_a", [columns, 2], ElementType.F32, stream => stream.Write(a));
            writer.SetTensor(name + ".lora_b", [2, rows], ElementType.F32, stream => stream.Write(b));
        }
    }

    private static byte[] VectorFile()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(ControlVector.Architecture));
        byte[] direction = RandomWeights.Rows(ElementType.F32, 1, 64, 1, new Dice(1));
        writer.SetTensor("direction.1", [64], ElementType.F32, stream => stream.Write(direction));
        return Bytes(writer);
    }

    private static byte[] Bytes(GgufWriter writer)
    {
        using var bytes = new MemoryStream();
        writer.Write(bytes);
        return bytes.ToArray();
    }
}
