using System.Collections.Frozen;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Families;

/// <summary>A tensor's name in a folder; `{}` is the number of the layer.</summary>
internal sealed record FolderName(string Name, FolderForm Form = FolderForm.AsItIs)
{
    /// <summary>Names that other builds have instead.</summary>
    public IReadOnlyList<string> Others { get; init; } = [];
}

/// <summary>How a folder has a tensor's numbers.</summary>
internal enum FolderForm
{
    AsItIs,

    /// <summary>A matrix with its columns where rows should be: [columns, rows].</summary>
    Transposed,

    /// <summary>Queries, keys and values in groups: of each key/value head its query heads, its key head and its value head.</summary>
    HeadGroups,

    /// <summary>The weight less 1.</summary>
    LessOne,

    /// <summary>
    /// Value heads of the gated delta rule by the key head that they use; a file has them with the first of each key head first.
    /// </summary>
    ValueHeads,

    /// <summary>The columns of a matrix, in the order of value heads.</summary>
    ValueHeadColumns,

    /// <summary>The first half of the rows of a matrix, or of each matrix of a stack.</summary>
    FirstHalf,

    /// <summary>The second half of them.</summary>
    SecondHalf,

    /// <summary>Every other row, from the first on.</summary>
    EvenRows,

    /// <summary>Every other row, from the second on.</summary>
    OddRows,
}

/// <summary>A family of models: how its files are recognized, and what spec their keys make.</summary>
internal sealed record Family
{
    /// <summary>GGUF's general.architecture.</summary>
    public required string Architecture { get; init; }

    /// <summary>config.json's model_type.</summary>
    public required string ModelType { get; init; }

    /// <summary>config.json's architectures.</summary>
    public required string ModelClass { get; init; }

    /// <summary>Another name that config.json's architectures may have, or null.</summary>
    public string? OtherClass { get; init; }

    /// <summary>Beginning of the names of tensors, which some folders leave out.</summary>
    public required string Prefix { get; init; }

    /// <summary>Where a folder has tensors under other names, or in another form, than <see cref="TensorTable"/> says.</summary>
    public IReadOnlyDictionary<TensorRole, FolderName> FolderNames { get; init; } = FrozenDictionary<TensorRole, FolderName>.Empty;

    /// <summary>Heads of queries and keys are rotated in neighbours in folders, too: no row moves.</summary>
    public bool RotatesNeighbours { get; init; }

    /// <summary>Ends of the names of a folder's tensors that are not weights.</summary>
    public IReadOnlyList<string> Buffers { get; init; } = [];

    /// <summary>
    /// Fields of config.json that may have another name, as the reference's `attribute_map` says: the name, and the other one.
    /// </summary>
    public IReadOnlyDictionary<string, string> OtherNames { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>The field of config.json that has the text model's fields, where others are beside it; null: none.</summary>
    public string? TextPart { get; init; }

    /// <summary>
    /// Beginnings of the names of a text model's tensors in a folder of more than text, in place of <see cref="Prefix"/>: as hubs have
    /// them, and as transformers 5 saves them.
    /// </summary>
    public IReadOnlyList<string> TextPrefixes { get; init; } = [];

    /// <summary>Starts of the names of tensors of other parts than the text model, which are left out.</summary>
    public IReadOnlyList<string> LeftOut { get; init; } = [];

    /// <summary>A tensor's name in a folder.</summary>
    public FolderName NameOf(TensorEntry entry) =>
        FolderNames.TryGetValue(entry.Role, out FolderName? name) ? name : new FolderName(entry.HuggingFace);

    /// <summary>Keys to spec.</summary>
    public required Func<ModelKeys, ModelSpec> MakeSpec { get; init; }

    /// <summary>config.json to keys.</summary>
    public required Func<JsonPart, ModelKeys> ReadConfig { get; init; }

    /// <summary>The text model's fields of a config.json, as keys.</summary>
    public ModelKeys KeysOf(JsonPart config) =>
        ReadConfig((TextPart is not null && config.Find(TextPart) is { } text ? text : config).WithOtherNames(OtherNames));

    /// <summary>All that run here.</summary>
    public static IReadOnlyList<Family> All { get; } =
    [
        LlamaFamily.Llama, LlamaFamily.Mistral, LlamaFamily.Qwen2, LlamaFamily.Qwen3, StableLmFamily.StableLm, GemmaFamily.Gemma,
        GemmaFamily.Gemma2, GemmaFamily.Gemma3, GemmaFamily.Gemma3WithImages,
        Gpt2Family.Gpt2, Gpt2Family.GptNeo, GptNeoXFamily.GptNeoX, GptNeoXFamily.GptJ, PhiFamily.Phi, PhiFamily.Phi3,
        ModernFamilies.Olmo2, ModernFamilies.SmolLm3,
        ModernFamilies.StarCoder2, FalconFamily.Falcon, AlibiFamilies.Bloom, AlibiFamilies.Mpt, BigCodeFamily.StarCoder,
        GraniteFamily.Granite, MinistralFamily.Mistral3, MinistralFamily.Ministral3,
        Qwen35Family.Qwen35, Qwen35Family.Qwen35Text, Lfm2Family.Lfm2, Lfm2Family.Lfm2Moe, MoeFamilies.Mixtral, MoeFamilies.Qwen2Moe,
        MoeFamilies.Qwen3Moe, GptOssFamily.GptOss,
        GraniteHybridFamily.GraniteHybrid, Gemma4Family.Gemma4, Gemma4Family.Gemma4Text,
        BertFamily.Bert, BertFamily.Roberta, BertFamily.XlmRoberta, BertFamily.Nomic, ModernBertFamily.ModernBert, GemmaFamily.Embedding,
    ];

    /// <summary>The family of a GGUF file.</summary>
    /// <exception cref="ModelException">It is of none that is known here.</exception>
    public static Family Of(GgufFile file)
    {
        string architecture = file.Metadata.GetString("general.architecture", null)
            ?? throw new ModelException(file.Path, "has no general.architecture: it is not a language model");
        return All.FirstOrDefault(family => family.Architecture == architecture)
            ?? throw new ModelException(file.Path, CommandFor(architecture) is { } command
                ? $"is not a language model (its architecture is '{architecture}'): `{command}` takes it"
                : $"its architecture '{architecture}' is not one that runs here "
                    + $"({string.Join(", ", All.Select(family => family.Architecture).Distinct())})");
    }

    /// <summary>The command for a file of another kind of model of ours.</summary>
    private static string? CommandFor(string architecture) => architecture switch
    {
        "whisper" or "moonshine" or "moonshine_streaming" => "edgellm transcribe",
        "edgellm-voice" => "edgellm say",
        _ => null,
    };

    /// <summary>The family of a config.json.</summary>
    /// <exception cref="ModelException">It is of none that is known here.</exception>
    public static Family Of(JsonPart config)
    {
        JsonPart type = config.Require("model_type");
        JsonPart[] classes = config.Find("architectures") is { } names ? [.. names.Items().Take(2)] : [];
        Family[] ofType = [.. All.Where(family => family.ModelType == type.Text())];
        Family family = ofType.FirstOrDefault(family => classes.Length == 1 && classes[0].Text() == family.ModelClass)
            ?? ofType.FirstOrDefault()
            ?? throw type.Error(
                $"is '{FolderFile.Printable(type.Text())}', not one that is read here "
                    + $"({string.Join(", ", All.Select(family => family.ModelType))})");
        if (classes.Length > 0 && (classes.Length > 1 || classes[0].Text() != family.ModelClass && classes[0].Text() != family.OtherClass))
            throw classes[0].Error(
                $"is '{FolderFile.Printable(classes[0].Text())}', and of model_type {family.ModelType} only "
                    + $"{string.Join(" and ", ofType.Select(family => family.ModelClass))} is read here");
        return family;
    }
}
