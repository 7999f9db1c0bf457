using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Models;

internal static unsafe partial class ModelLoader
{
    private const string Prefix = "tokenizer.ggml.";
    private const string PipelineKey = "edgellm.tokenizer.pipeline";
    private const int MostEndIds = 1000;

    /// <summary>The tokenizer of a file.</summary>
    /// <exception cref="ModelException">Its data is of an unknown kind or contradicts itself.</exception>
    /// <exception cref="GgufException">A key is missing or of another type.</exception>
    public static Tokenizer MakeTokenizer(GgufFile file)
    {
        try
        {
            return Tokenizer.Create(ReadTokenizer(file));
        }
        catch (TokenizerException exception)
        {
            throw new ModelException(file.Path, exception.Message);
        }
    }

    /// <summary>[tokenizer.chat_template], or null where the file has none; one without any text is none.</summary>
    public static string? ReadChatTemplate(GgufFile file) =>
        file.Metadata.GetString("tokenizer.chat_template", null) is { } source && !string.IsNullOrWhiteSpace(source) ? source : null;

    /// <summary>Whether the file has a chat template with any text.</summary>
    public static bool HasChatTemplate(GgufFile file) =>
        file.Metadata.TryGet("tokenizer.chat_template", out GgufValue? value) && value.TryGetString(out string? text)
            && !string.IsNullOrWhiteSpace(text);

    public static TokenizerData ReadTokenizer(GgufFile file)
    {
        GgufMetadata data = file.Metadata;
        int?[] ends = Ids(Prefix + "eos_token_id");
        return new TokenizerData
        {
            Model = data.GetString(Prefix + "model"),
            Pre = data.GetString(Prefix + "pre", null),
            Tokens = Copy(data.GetStringArray(Prefix + "tokens")),
            Scores = data.Contains(Prefix + "scores") ? data.GetArray<float>(Prefix + "scores") : null,
            TokenTypes = data.Contains(Prefix + "token_type") ? data.GetArray<int>(Prefix + "token_type") : null,
            Merges = data.Contains(Prefix + "merges") ? Copy(data.GetStringArray(Prefix + "merges")) : null,
            BosId = Id("bos_token_id"),
            EosId = ends.FirstOrDefault(),
            EotId = Id("eot_token_id"),
            EomId = Id("eom_token_id"),
            FimPaddingId = Id("fim_pad_token_id"),
            FimRepositoryId = Id("fim_rep_token_id"),
            FimSeparatorId = Id("fim_sep_token_id"),
            FimPrefixId = Id("fim_pre_token_id"),
            FimSuffixId = Id("fim_suf_token_id"),
            FimMiddleId = Id("fim_mid_token_id"),
            EndIds = [.. ends, .. Ids("edgellm.tokenizer.end_token_ids")],
            UnknownId = Id("unknown_token_id"),
            SeparatorId = Id("seperator_token_id"),
            PaddingId = Id("padding_token_id"),
            ClsId = Id("cls_token_id"),
            MaskId = Id("mask_token_id"),
            AddBos = Flag("add_bos_token"),
            AddEos = Flag("add_eos_token"),
            AddSeparator = Flag("add_sep_token"),
            AddSpacePrefix = Flag("add_space_prefix"),
            SpacePrefixOnlyFirst = data.GetString("edgellm.tokenizer.space_prefix", null) == "first",
            RemoveExtraWhitespaces = Flag("remove_extra_whitespaces"),
            PrecompiledCharsmap = data.Contains(Prefix + "precompiled_charsmap")
                ? data.GetArray<byte>(Prefix + "precompiled_charsmap") : null,
            Lowercase = Flag("normalizer.lowercase"),
            StripAccents = Flag("normalizer.strip_accents"),
            Normalizer = data.GetString("edgellm.tokenizer.normalizer", null),
            CleansUpSpaces = data.GetBool("edgellm.tokenizer.clean_up_spaces", false),
            Pipeline = data.GetString(PipelineKey, null) is { } pipeline ? PipelineReader.Read(file.Path, pipeline, PipelineKey) : null,
        };

        int? Id(string name) => Ids(Prefix + name).FirstOrDefault();

        // Some files have -1, or 2^32 - 1, for a token that there is not.
        int?[] Ids(string key)
        {
            if (!data.TryGet(key, out GgufValue? value)) return [];
            if (value.Type != GgufValueType.Array) return value.TryGetInteger(out Int128 id) ? [InRange(id)] : [data.GetInt32(key)];
            return value.Count <= MostEndIds ? [.. data.GetArray<long>(key).Select(id => InRange(id))]
                : throw data.Error(key, $"has {value.Count} tokens");
        }

        static int? InRange(Int128 id) => id >= 0 && id <= int.MaxValue ? (int)id : null;

        bool? Flag(string name) => data.Contains(Prefix + name) ? data.GetBool(Prefix + name) : null;
    }

    private static Utf8Strings Copy(GgufStringArray source)
    {
        var copy = new Utf8Strings(source.Count);
        for (int i = 0; i < source.Count; i++) copy.Add(source.Utf8(i));
        return copy;
    }
}
