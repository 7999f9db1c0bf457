using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.Tokenization;

/// <summary>
/// Tokenizer of a model file, as plain data. Each property names its GGUF key; null is an absent key, and then
/// the tokenizer's own default holds. See https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
/// </summary>
public sealed record TokenizerData
{
    /// <summary><c>tokenizer.ggml.model</c>: <c>llama</c> (SentencePiece BPE), <c>gpt2</c> or <c>gemma4</c> (BPE with merges),
    /// <c>t5</c> (SentencePiece Unigram) or <c>bert</c> (WordPiece).</summary>
    public required string Model { get; init; }

    /// <summary><c>tokenizer.ggml.pre</c>: how a BPE with merges splits text before merging; a name out of llama.cpp's list.</summary>
    public string? Pre { get; init; }

    /// <summary><c>tokenizer.ggml.tokens</c>: the text of each token, in the order of the ids.</summary>
    public required Utf8Strings Tokens { get; init; }

    /// <summary><c>tokenizer.ggml.scores</c>: one for each token (more are ignored).</summary>
    public float[]? Scores { get; init; }

    /// <summary><c>tokenizer.ggml.token_type</c>: one for each token (more are ignored), see <see cref="TokenType"/>.</summary>
    public int[]? TokenTypes { get; init; }

    /// <summary><c>tokenizer.ggml.merges</c>: pairs divided by a space, the first merged first.</summary>
    public Utf8Strings? Merges { get; init; }

    /// <summary><c>tokenizer.ggml.bos_token_id</c>: beginning of the text; also what WordPiece calls [CLS]. As with every id here,
    /// one that is not in the vocabulary counts as absent.</summary>
    public int? BosId { get; init; }

    /// <summary><c>tokenizer.ggml.eos_token_id</c>: end of the text.</summary>
    public int? EosId { get; init; }

    /// <summary><c>tokenizer.ggml.eot_token_id</c>: end of a turn.</summary>
    public int? EotId { get; init; }

    /// <summary><c>tokenizer.ggml.eom_token_id</c>: end of a message.</summary>
    public int? EomId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_pad_token_id</c>: ends an answer, as the next two.</summary>
    public int? FimPaddingId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_rep_token_id</c>.</summary>
    public int? FimRepositoryId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_sep_token_id</c>.</summary>
    public int? FimSeparatorId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_pre_token_id</c>: begins the text before a gap that is to be filled.</summary>
    public int? FimPrefixId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_suf_token_id</c>: begins the text after it.</summary>
    public int? FimSuffixId { get; init; }

    /// <summary><c>tokenizer.ggml.fim_mid_token_id</c>: begins the text that fills it.</summary>
    public int? FimMiddleId { get; init; }

    /// <summary><c>edgellm.tokenizer.end_token_ids</c>: more tokens that end an answer (config.json and generation_config.json may name
    /// several). Of our own: GGUF has no key for it.</summary>
    public IReadOnlyList<int?> EndIds { get; init; } = [];

    /// <summary><c>tokenizer.ggml.unknown_token_id</c>.</summary>
    public int? UnknownId { get; init; }

    /// <summary><c>tokenizer.ggml.seperator_token_id</c> (so spelled in GGUF).</summary>
    public int? SeparatorId { get; init; }

    /// <summary><c>tokenizer.ggml.padding_token_id</c>.</summary>
    public int? PaddingId { get; init; }

    /// <summary><c>tokenizer.ggml.cls_token_id</c>: what WordPiece puts first; without it, <see cref="BosId"/>.</summary>
    public int? ClsId { get; init; }

    /// <summary><c>tokenizer.ggml.mask_token_id</c>.</summary>
    public int? MaskId { get; init; }

    /// <summary><c>tokenizer.ggml.add_bos_token</c>.</summary>
    public bool? AddBos { get; init; }

    /// <summary><c>tokenizer.ggml.add_eos_token</c>.</summary>
    public bool? AddEos { get; init; }

    /// <summary><c>tokenizer.ggml.add_sep_token</c>.</summary>
    public bool? AddSeparator { get; init; }

    /// <summary><c>tokenizer.ggml.add_space_prefix</c>.</summary>
    public bool? AddSpacePrefix { get; init; }

    /// <summary><c>edgellm.tokenizer.space_prefix</c> is <c>first</c>: that space is put before the text, and not after each special token
    /// in it (Hugging Face's <c>prepend_scheme: first</c> and <c>legacy: false</c>). Of our own: GGUF has no key for it.</summary>
    public bool SpacePrefixOnlyFirst { get; init; }

    /// <summary><c>tokenizer.ggml.remove_extra_whitespaces</c>.</summary>
    public bool? RemoveExtraWhitespaces { get; init; }

    /// <summary><c>tokenizer.ggml.precompiled_charsmap</c>: SentencePiece's normalizer.</summary>
    public byte[]? PrecompiledCharsmap { get; init; }

    /// <summary><c>tokenizer.ggml.normalizer.lowercase</c>, of WordPiece; true when absent.</summary>
    public bool? Lowercase { get; init; }

    /// <summary><c>tokenizer.ggml.normalizer.strip_accents</c>, of WordPiece; as <see cref="Lowercase"/> when absent.</summary>
    public bool? StripAccents { get; init; }

    /// <summary><c>edgellm.tokenizer.normalizer</c>, of a BPE with merges: <c>nfc</c> where text is put into Unicode's normalization form C
    /// first. Of our own: GGUF has no key for it.</summary>
    public string? Normalizer { get; init; }

    /// <summary><c>edgellm.tokenizer.clean_up_spaces</c>, of WordPiece: whether decoding leaves out the space before . , ! ?
    /// Of our own: GGUF has no key for it.</summary>
    public bool CleansUpSpaces { get; init; }

    /// <summary><c>edgellm.tokenizer.pipeline</c>: the tokenizer as Hugging Face's tokenizer.json has it; with it the rest is for other
    /// readers. Of our own: GGUF has no key for it.</summary>
    internal TokenizerPipeline? Pipeline { get; init; }
}
