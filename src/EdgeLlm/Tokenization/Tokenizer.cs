using System.Text;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.Tokenization;

/// <summary>Text to token ids and back, by the rules of one model. Safe for use by several threads at once.</summary>
public abstract partial class Tokenizer
{
    private readonly Lazy<SpecialTokens> _specialTokens;

    private protected Tokenizer(Vocabulary vocabulary, Defaults defaults)
    {
        Vocabulary = vocabulary;
        TokenizerData data = vocabulary.Data;
        // a file that neither names nor adds one has none
        BosId = vocabulary.InRange(data.BosId, data.AddBos == false ? null : defaults.BosId);
        EosId = vocabulary.InRange(data.EosId, defaults.EosId);
        UnknownId = vocabulary.InRange(data.UnknownId, defaults.UnknownId);
        SeparatorId = vocabulary.InRange(data.SeparatorId, defaults.SeparatorId);
        PaddingId = vocabulary.InRange(data.PaddingId, defaults.PaddingId);
        AddsBos = Adds("bos", data.AddBos, defaults.AddBos, BosId);
        AddsEos = Adds("eos", data.AddEos, defaults.AddEos, EosId);
        AddsSeparator = Adds("sep", data.AddSeparator, defaults.AddSeparator, SeparatorId);
        _specialTokens = new Lazy<SpecialTokens>(() => new SpecialTokens(vocabulary));
    }

    /// <summary>How many tokens there are; ids are 0 to this, exclusive.</summary>
    public int VocabularySize => Vocabulary.Count;

    /// <summary>The token at the beginning of a text.</summary>
    public int? BosId { get; }

    /// <summary>The token that ends a text.</summary>
    public int? EosId { get; }

    /// <summary>The token that ends a turn, where the model's file names one.</summary>
    public int? EotId => Vocabulary.InRange(Vocabulary.Data.EotId);

    /// <summary>The token that ends a message, where the model's file names one.</summary>
    public int? EomId => Vocabulary.InRange(Vocabulary.Data.EomId);

    /// <summary>The token for what no other token can stand for.</summary>
    public int? UnknownId { get; }

    /// <summary>The token between, or after, texts.</summary>
    public int? SeparatorId { get; }

    /// <summary>The token that fills up a batch.</summary>
    public int? PaddingId { get; }

    /// <summary>The token that stands for a hidden word.</summary>
    public int? MaskId => Vocabulary.InRange(Vocabulary.Data.MaskId);

    /// <summary>Whether <c>addSpecial</c> puts <see cref="BosId"/> before the text.</summary>
    public bool AddsBos { get; }

    /// <summary>Whether <c>addSpecial</c> puts <see cref="EosId"/> after the text.</summary>
    public bool AddsEos { get; }

    /// <summary>Whether the model wants <see cref="SeparatorId"/> between two texts.</summary>
    public bool AddsSeparator { get; }

    /// <summary>Notes on the vocabulary: unusual but harmless, a line each.</summary>
    public IReadOnlyList<string> Notes => Vocabulary.FirstDuplicate is not var (first, second) ? [] :
    [
        $"{Vocabulary.Duplicates} entries of the vocabulary are there twice (the first are {first} and {second}): text becomes the last "
            + "of them",
    ];

    internal Vocabulary Vocabulary { get; }

    /// <summary>Whether encoding starts a text with a space of its own, which decoding takes away again.</summary>
    private protected abstract bool HasSpacePrefix { get; }

    /// <summary>The tokenizer for a model's data.</summary>
    /// <exception cref="TokenizerException">The data is of an unknown kind or contradicts itself; the message names the field.</exception>
    public static Tokenizer Create(TokenizerData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (data.Pipeline is { } pipeline) return new PipelineTokenizer(new Vocabulary(data), pipeline);
        return data.Model switch
        {
            "llama" => new SentencePieceTokenizer(new Vocabulary(data)),
            "gpt2" => new BytePairTokenizer(new Vocabulary(data), data.Pre ?? "default"),
            "gemma4" => new BytePairTokenizer(new Vocabulary(data), "gemma4"),
            "t5" => new UnigramTokenizer(new Vocabulary(data)),
            "bert" => new WordPieceTokenizer(new Vocabulary(data)),
            _ => throw new TokenizerException($"tokenizer.ggml.model is '{data.Model}'; known are llama, gpt2, gemma4, t5 and bert"),
        };
    }

    /// <summary>Whether the token ends an answer: the end of the text, of a turn or of a message.</summary>
    public bool IsEndOfGeneration(int id) => Vocabulary.IsEndOfGeneration(id);

    /// <summary>Whether the token is not text: typed text never becomes it, and it is rendered only where asked.</summary>
    public bool IsControl(int id) => (uint)id < (uint)VocabularySize && Vocabulary.TypeOf(id) is TokenType.Control or TokenType.Unknown;

    /// <summary>The id of the token whose entry in the vocabulary is <paramref name="text"/>, such as <c>&lt;|im_start|&gt;</c>.</summary>
    public int? FindToken(string text) => Vocabulary.Find(Encoding.UTF8.GetBytes(text)) is >= 0 and var id ? id : null;

    private static bool Adds(string name, bool? asked, bool byDefault, int? id)
    {
        if (asked == true && id is null)
        {
            throw new TokenizerException($"tokenizer.ggml.add_{name}_token is true, but there is no such token in the vocabulary");
        }
        return (asked ?? byDefault) && id is not null;
    }

    /// <summary>Defaults of a kind of tokenizer where the file is silent.</summary>
    private protected readonly record struct Defaults
    {
        public int? BosId { get; init; }
        public int? EosId { get; init; }
        public int? UnknownId { get; init; }
        public int? SeparatorId { get; init; }
        public int? PaddingId { get; init; }
        public bool AddBos { get; init; }
        public bool AddEos { get; init; }
        public bool AddSeparator { get; init; }
    }
}
