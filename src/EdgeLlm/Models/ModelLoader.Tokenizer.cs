using EdgeLlm.Gguf;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Models;

internal static unsafe partial class ModelLoader
{
    private const string Prefix = "tokenizer.ggml.";

    public static TokenizerData ReadTokenizer(GgufFile file)
    {
        GgufMetadata data = file.Metadata;
        return new TokenizerData
        {
            Model = data.GetString(Prefix + "model"),
            Pre = data.GetString(Prefix + "pre", null),
            Tokens = Copy(data.GetStringArray(Prefix + "tokens")),
            Scores = data.Contains(Prefix + "scores") ? data.GetArray<float>(Prefix + "scores") : null,
            TokenTypes = data.Contains(Prefix + "token_type") ? data.GetArray<int>(Prefix + "token_type") : null,
            Merges = data.Contains(Prefix + "merges") ? Copy(data.GetStringArray(Prefix + "merges")) : null,
            BosId = Id("bos_token_id"),
            EosId = Id("eos_token_id"),
            EotId = Id("eot_token_id"),
            EomId = Id("eom_token_id"),
            UnknownId = Id("unknown_token_id"),
            SeparatorId = Id("seperator_token_id"),
            PaddingId = Id("padding_token_id"),
            ClsId = Id("cls_token_id"),
            MaskId = Id("mask_token_id"),
            AddBos = Flag("add_bos_token"),
            AddEos = Flag("add_eos_token"),
            AddSeparator = Flag("add_sep_token"),
            AddSpacePrefix = Flag("add_space_prefix"),
            RemoveExtraWhitespaces = Flag("remove_extra_whitespaces"),
            PrecompiledCharsmap = data.Contains(Prefix + "precompiled_charsmap") ? data.GetArray<byte>(Prefix + "precompiled_charsmap") : null,
            Lowercase = Flag("normalizer.lowercase"),
            StripAccents = Flag("normalizer.strip_accents"),
            Normalizer = data.GetString("edgellm.tokenizer.normalizer", null),
            CleansUpSpaces = data.GetBool("edgellm.tokenizer.clean_up_spaces", false),
        };

        int? Id(string name) => data.Contains(Prefix + name) ? data.GetInt32(Prefix + name) : null;

        bool? Flag(string name) => data.Contains(Prefix + name) ? data.GetBool(Prefix + name) : null;
    }

    private static Utf8Strings Copy(GgufStringArray source)
    {
        var copy = new Utf8Strings(source.Count);
        for (int i = 0; i < source.Count; i++) copy.Add(source.Utf8(i));
        return copy;
    }
}
