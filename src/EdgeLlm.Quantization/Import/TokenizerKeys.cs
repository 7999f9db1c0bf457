using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Quantization.Import;

/// <summary>Writes a tokenizer's data under its GGUF keys: what ModelLoader reads.</summary>
internal static class TokenizerKeys
{
    private const string Prefix = "tokenizer.ggml.";

    /// <summary>Sets the keys of a folder's tokenizer and of its chat templates.</summary>
    public static void Write(GgufWriter writer, HuggingFaceTokenizer tokenizer)
    {
        Write(writer, tokenizer.Data);
        foreach ((string name, string template) in tokenizer.Templates().Where(template => !string.IsNullOrWhiteSpace(template.Template))) // an empty one is none
            writer.Set(name.Length == 0 ? "tokenizer.chat_template" : $"tokenizer.chat_template.{name}", GgufValue.Of(template));
    }

    private static void Write(GgufWriter writer, TokenizerData data)
    {
        writer.Set(Prefix + "model", GgufValue.Of(data.Model));
        writer.Set(Prefix + "pre", GgufValue.Of(data.Pre ?? "default"));
        Texts("tokens", data.Tokens);
        if (data.Scores is { } scores) writer.Set(Prefix + "scores", GgufValue.OfArray<float>(scores));
        if (data.TokenTypes is { } types) writer.Set(Prefix + "token_type", GgufValue.OfArray<int>(types));
        if (data.Merges is { } merges) Texts("merges", merges);
        Id("bos_token_id", data.BosId);
        Id("eos_token_id", data.EosId);
        Id("eot_token_id", data.EotId);
        Id("eom_token_id", data.EomId);
        if (data.EndIds.Count > 0) writer.Set("edgellm.tokenizer.end_token_ids", GgufValue.OfArray<int>([.. data.EndIds.OfType<int>()]));
        Id("unknown_token_id", data.UnknownId);
        Id("seperator_token_id", data.SeparatorId);
        Id("padding_token_id", data.PaddingId);
        Id("cls_token_id", data.ClsId);
        Id("mask_token_id", data.MaskId);
        Flag("add_bos_token", data.AddBos);
        Flag("add_eos_token", data.AddEos);
        Flag("add_sep_token", data.AddSeparator);
        Flag("add_space_prefix", data.AddSpacePrefix);
        if (data.SpacePrefixOnlyFirst) writer.Set("edgellm.tokenizer.space_prefix", GgufValue.Of("first"));
        Flag("remove_extra_whitespaces", data.RemoveExtraWhitespaces);
        if (data.PrecompiledCharsmap is { } charsmap) writer.Set(Prefix + "precompiled_charsmap", GgufValue.OfArray<byte>(charsmap));
        Flag("normalizer.lowercase", data.Lowercase);
        Flag("normalizer.strip_accents", data.StripAccents);
        if (data.Normalizer is { } normalizer) writer.Set("edgellm.tokenizer.normalizer", GgufValue.Of(normalizer));
        if (data.CleansUpSpaces) writer.Set("edgellm.tokenizer.clean_up_spaces", GgufValue.Of(true));

        void Texts(string name, Utf8Strings texts) => writer.Set(Prefix + name, GgufValue.OfArray([.. Enumerable.Range(0, texts.Count).Select(texts.GetText)]));

        void Id(string name, int? id)
        {
            if (id is { } number) writer.Set(Prefix + name, GgufValue.Of((uint)number));
        }

        void Flag(string name, bool? flag)
        {
            if (flag is { } value) writer.Set(Prefix + name, GgufValue.Of(value));
        }
    }
}
