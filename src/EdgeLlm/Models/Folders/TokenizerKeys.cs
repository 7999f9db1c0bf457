using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Models.Folders;

/// <summary>A tokenizer's data under its GGUF keys: what ModelLoader reads.</summary>
internal static class TokenizerKeys
{
    private const string Prefix = "tokenizer.ggml.";

    /// <summary>The keys of a folder's tokenizer and of its chat templates.</summary>
    public static List<(string Key, GgufValue Value)> Of(HuggingFaceTokenizer tokenizer)
    {
        List<(string, GgufValue)> keys = Of(tokenizer.Data);
        // an empty one is none
        foreach ((string name, string template) in tokenizer.Templates().Where(template => !string.IsNullOrWhiteSpace(template.Template)))
            keys.Add((name.Length == 0 ? "tokenizer.chat_template" : $"tokenizer.chat_template.{name}", GgufValue.Of(template)));
        return keys;
    }

    private static List<(string Key, GgufValue Value)> Of(TokenizerData data)
    {
        var keys = new List<(string, GgufValue)>();
        Set(Prefix + "model", GgufValue.Of(data.Model));
        Set(Prefix + "pre", GgufValue.Of(data.Pre ?? "default"));
        Texts("tokens", data.Tokens);
        if (data.Scores is { } scores) Set(Prefix + "scores", GgufValue.OfArray<float>(scores));
        if (data.TokenTypes is { } types) Set(Prefix + "token_type", GgufValue.OfArray<int>(types));
        if (data.Merges is { } merges) Texts("merges", merges);
        Id("bos_token_id", data.BosId);
        Id("eos_token_id", data.EosId);
        Id("eot_token_id", data.EotId);
        Id("eom_token_id", data.EomId);
        if (data.EndIds.Count > 0) Set("edgellm.tokenizer.end_token_ids", GgufValue.OfArray<int>([.. data.EndIds.OfType<int>()]));
        Id("unknown_token_id", data.UnknownId);
        Id("seperator_token_id", data.SeparatorId);
        Id("padding_token_id", data.PaddingId);
        Id("cls_token_id", data.ClsId);
        Id("mask_token_id", data.MaskId);
        Flag("add_bos_token", data.AddBos);
        Flag("add_eos_token", data.AddEos);
        Flag("add_sep_token", data.AddSeparator);
        Flag("add_space_prefix", data.AddSpacePrefix);
        if (data.SpacePrefixOnlyFirst) Set("edgellm.tokenizer.space_prefix", GgufValue.Of("first"));
        Flag("remove_extra_whitespaces", data.RemoveExtraWhitespaces);
        if (data.PrecompiledCharsmap is { } charsmap) Set(Prefix + "precompiled_charsmap", GgufValue.OfArray<byte>(charsmap));
        Flag("normalizer.lowercase", data.Lowercase);
        Flag("normalizer.strip_accents", data.StripAccents);
        if (data.Normalizer is { } normalizer) Set("edgellm.tokenizer.normalizer", GgufValue.Of(normalizer));
        if (data.Pipeline is { } pipeline) Set("edgellm.tokenizer.pipeline", GgufValue.Of(pipeline.Json));
        if (data.CleansUpSpaces) Set("edgellm.tokenizer.clean_up_spaces", GgufValue.Of(true));
        return keys;

        void Set(string key, GgufValue value) => keys.Add((key, value));

        void Texts(string name, Utf8Strings texts) =>
            Set(Prefix + name, GgufValue.OfArray([.. Enumerable.Range(0, texts.Count).Select(texts.GetText)]));

        void Id(string name, int? id)
        {
            if (id is { } number) Set(Prefix + name, GgufValue.Of((uint)number));
        }

        void Flag(string name, bool? flag)
        {
            if (flag is { } value) Set(Prefix + name, GgufValue.Of(value));
        }
    }
}
