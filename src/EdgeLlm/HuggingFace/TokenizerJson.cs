using System.Text.Json;
using EdgeLlm.Tokenization;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// A tokenizer.json of Hugging Face's tokenizers. Its steps become a pipeline; beside that the data says as much of it as GGUF's own keys
/// can, for other programs.
/// </summary>
internal sealed class TokenizerJson
{
    private const int MostBytes = 256 << 20;
    private const int MostOfPair = 32;
    private const string Mark = "▁";

    /// <summary>
    /// A name of a pre-tokenizer that other programs don't know: they refuse the file instead of splitting text in another way.
    /// </summary>
    private const string UnknownPre = "edgellm";

    private readonly JsonPart _root;
    private readonly JsonPart _model;
    private readonly List<string> _notes = [];
    private readonly Dictionary<int, AddedToken> _addedTokens = [];

    /// <param name="rows">Rows of the model's embedding.</param>
    public TokenizerJson(string file, int rows) : this(JsonPart.Read(file, MostBytes), rows)
    {
    }

    /// <param name="root">What such a file would have.</param>
    public TokenizerJson(JsonPart root, int rows)
    {
        (File, _root, _model) = (root.File, root, root.Require("model"));
        Table = new VocabularyTable(File, rows);
    }

    public string File { get; }

    public VocabularyTable Table { get; }

    /// <summary>Notes on parts that can't be kept.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Tokens that the post-processor puts before a text and after it.</summary>
    public (int[] Before, int[] After) Around => _root.Find("post_processor") is { } processor ? AroundOf(processor, depth: 0) : ([], []);

    /// <summary>How the post-processor puts two texts together; empty where it does not say.</summary>
    private PairItem[] Pair => _root.Find("post_processor") is { } processor ? PairOf(processor) : [];

    private string Kind => _model.Find("type")?.Text() ?? (_model.Find("merges") is null ? "" : "BPE");

    /// <summary>All but the ids of special tokens and the pipeline.</summary>
    /// <param name="more">tokenizer_config.json's added_tokens_decoder, or null.</param>
    public TokenizerData Read(JsonPart? more)
    {
        ReadVocabulary();
        foreach (JsonPart token in _root.Find("added_tokens")?.Items() ?? []) AddToken(token.Require("id").Integer(0, int.MaxValue), token);
        foreach ((string number, JsonPart token) in more?.Fields() ?? [])
        {
            if (Table.Find(token.Require("content").Text()) is null && int.TryParse(number, out int id) && id >= 0) AddToken(id, token);
        }
        return Kind switch
        {
            "WordPiece" => ReadWordPiece(),
            "Unigram" => ReadUnigram(),
            "BPE" => PipelineReader.StepsOf(_root, "pre_tokenizer", "pretokenizers").Any(step => step.Require("type").Text() == "ByteLevel")
                ? ReadByteLevel() : ReadBytePair(),
            _ => throw _model.Error($"has the type '{FolderFile.Printable(Kind)}'; BPE, Unigram and WordPiece are known here"),
        };
    }

    /// <summary>The steps, checked.</summary>
    public TokenizerPipeline ReadPipeline(IReadOnlyList<int> before, IReadOnlyList<int> after, int? unknown) =>
        PipelineReader.Read(File, PipelineReader.Write(_root, _addedTokens.Values, before, after, Pair, unknown), "");

    /// <summary>The token that the model's settings name as that of what is unknown.</summary>
    public int? UnknownId => _model.Find("unk_id") is { } id ? (int)id.Integer(0, Table.Count - 1)
        : _model.Find("unk_token") is not { } unknown ? null
        : Table.Find(unknown.Text()) ?? throw unknown.Error($"is '{FolderFile.Printable(unknown.Text())}', which is no token");

    private void ReadVocabulary()
    {
        JsonPart vocabulary = _model.Require("vocab");
        if (Kind != "Unigram")
        {
            foreach ((string token, JsonPart id) in vocabulary.Fields()) Table.Set(id.Integer(0, int.MaxValue), token, TokenType.Normal, 0);
            return;
        }
        int number = 0;
        foreach (JsonPart item in vocabulary.Items())
        {
            JsonPart[] pair = [.. item.Items().Take(3)];
            if (pair.Length != 2) throw item.Error("is not a token and its score");
            if (pair[0].Text().Length == 0) throw item.Error("has no text");
            Table.Set(number++, pair[0].Text(), TokenType.Normal, (float)pair[1].Number(float.MinValue, float.MaxValue));
        }
    }

    private void AddToken(long id, JsonPart token)
    {
        string text = token.Require("content").Text();
        if (text.Length == 0) throw token.Require("content").Error("is empty");
        bool isSpecial = token.Find("special")?.Flag() ?? false;
        if (id >= Table.Rows)
        {
            _notes.Add(VocabularyTable.NoteBeyond(File, text, id, Table.Rows));
            return;
        }
        float score = id < Table.Count && Table.TextOf((int)id) == text ? Table.ScoreOf((int)id) : 0;
        Table.Set(id, text, isSpecial ? TokenType.Control : TokenType.UserDefined, score);
        _addedTokens[(int)id] =
            new AddedToken((int)id, Is("single_word", false), Is("lstrip", false), Is("rstrip", false), Is("normalized", !isSpecial));

        bool Is(string name, bool otherwise) => token.Find(name)?.Flag() ?? otherwise;
    }

    private TokenizerData ReadByteLevel()
    {
        string? pre = PreTokenizerNames.Find(_root.Require("pre_tokenizer"), _model.Find("ignore_merges")?.Flag() ?? false);
        if (pre is null)
            _notes.Add($"{File}: splits text in a way that GGUF has no name for; other programs will refuse a GGUF file of it");
        bool isComposed = PipelineReader.StepsOf(_root, "normalizer", "normalizers").Any(step => step.Require("type").Text() == "NFC");
        return new TokenizerData
        {
            Model = "gpt2",
            Pre = pre ?? UnknownPre,
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            Merges = MergeTexts(),
            UnknownId = UnknownId,
            Normalizer = isComposed ? "nfc" : null,
        };
    }

    /// <summary>
    /// GGUF's `llama` merges by the scores of tokens, not by a list. The list that tokenizers derive from a SentencePiece vocabulary has
    /// all ways to put a token together side by side, in the order of the tokens' scores: then the one is as good as the other. Any other
    /// list is GGUF's `gemma4`.
    /// </summary>
    private TokenizerData ReadBytePair()
    {
        MarkBytes();
        int? unknown = UnknownId;
        if (unknown is { } unknownId) Table.SetType(unknownId, TokenType.Unknown);
        bool isScored = ScoreByMerges();
        return new TokenizerData
        {
            Model = isScored ? "llama" : "gemma4",
            Pre = isScored ? "default" : "gemma4",
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            Scores = isScored ? Table.Scores() : null,
            Merges = MergeTexts(),
            UnknownId = unknown,
            AddSpacePrefix = MarksStart,
            SpacePrefixOnlyFirst = MarksStart && PipelineReader.StepsOf(_root, "pre_tokenizer",
                "pretokenizers").Any(step => step.Find("prepend_scheme")?.Text() == "first"),
        };
    }

    private TokenizerData ReadUnigram()
    {
        MarkBytes();
        int unknown = UnknownId ?? throw _model.Error("has no unk_id, which Unigram needs");
        Table.SetType(unknown, TokenType.Unknown);
        JsonPart? map = PipelineReader.StepsOf(_root, "normalizer", "normalizers").Select(step => step.Find("precompiled_charsmap"))
            .FirstOrDefault(found => found is not null);
        return new TokenizerData
        {
            Model = "t5",
            Pre = "default",
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            Scores = Table.Scores(),
            UnknownId = unknown,
            AddSpacePrefix = MarksStart,
            RemoveExtraWhitespaces = true,
            PrecompiledCharsmap = map is { Element.ValueKind: JsonValueKind.String } text
                && text.Element.TryGetBytesFromBase64(out byte[]? bytes) && bytes.Length > 0 ? bytes : null,
        };
    }

    private TokenizerData ReadWordPiece()
    {
        int? unknown = UnknownId;
        // In GGUF a token that starts a word is marked, and one that goes on with it has nothing.
        for (int id = 0; id < Table.Count; id++)
        {
            if (Table.TypeOf(id) == TokenType.Normal && Table.TextOf(id) is { } text)
                Table.SetText(id, text.StartsWith("##", StringComparison.Ordinal) && text.Length > 2 ? text[2..] : Mark + text);
        }
        JsonPart? normalizer = PipelineReader.StepsOf(_root, "normalizer", "normalizers").Cast<JsonPart?>()
            .FirstOrDefault(step => step!.Value.Find("lowercase") is not null);
        bool lowercase = normalizer?.Find("lowercase")?.Flag() ?? false;
        return new TokenizerData
        {
            Model = "bert",
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            UnknownId = unknown,
            Lowercase = lowercase,
            StripAccents = normalizer?.Find("strip_accents")?.Flag() ?? lowercase,
            CleansUpSpaces = _root.Find("decoder")?.Find("cleanup")?.Flag() ?? false,
        };
    }

    /// <summary>Whether a mark is put before a text: by a normalizer, or by the pre-tokenizer.</summary>
    private bool MarksStart =>
        PipelineReader.StepsOf(_root, "normalizer", "normalizers").Any(step => step.Find("prepend") is not null)
        || PipelineReader.StepsOf(_root, "pre_tokenizer", "pretokenizers").Any(step => step.Require("type").Text() == "Metaspace"
            && (step.Find("prepend_scheme") is { } scheme ? scheme.Text() != "never" : step.Find("add_prefix_space")?.Flag() ?? true));

    private void MarkBytes()
    {
        if (!(_model.Find("byte_fallback")?.Flag() ?? false)) return;
        for (int value = 0; value < 256; value++)
        {
            if (Table.Find($"<0x{value:X2}>") is { } id) Table.SetType(id, TokenType.Byte);
        }
    }

    /// <summary>Gives tokens scores in the order of the merges; false where no scores say the same as the list.</summary>
    private bool ScoreByMerges()
    {
        var ranks = new Dictionary<int, int>(); // token -> the number of its first merge
        var pairs = new HashSet<(string, string)>();
        int last = -1, rank = 0;
        foreach ((string left, string right) in Merges())
        {
            int token = Table.Find(left + right)
                ?? throw _model.Require("merges").Error($"makes '{FolderFile.Printable(left + right)}', which is no token");
            if (token != last && !ranks.TryAdd(token, rank)) return false;
            pairs.Add((left, right));
            last = token;
            rank++;
        }
        foreach ((string text, int token) in Table.Ids)
        {
            if (Table.TypeOf(token) != TokenType.Normal) continue;
            for (int cut = 1; cut < text.Length; cut++)
            {
                if (char.IsLowSurrogate(text[cut])) continue;
                (string left, string right) = (text[..cut], text[cut..]);
                bool couldMerge = IsNormal(left) && IsNormal(right);
                if (couldMerge && !pairs.Contains((left, right))) return false;
            }
            Table.SetScore(token, ranks.TryGetValue(token, out int found) ? -1 - found : -1 - rank);
        }
        return true;

        bool IsNormal(string text) => Table.Find(text) is { } id && Table.TypeOf(id) == TokenType.Normal;
    }

    private Utf8Strings MergeTexts() => Utf8Strings.From([.. Merges().Select(pair => $"{pair.Left} {pair.Right}")]);

    private IEnumerable<(string Left, string Right)> Merges()
    {
        foreach (JsonPart merge in _model.Require("merges").Items())
        {
            string[] pair = merge.Element.ValueKind == JsonValueKind.String ? merge.Text().Split(' ')
                : [.. merge.Items().Take(3).Select(part => part.Text())];
            if (pair.Length != 2 || pair[0].Length == 0 || pair[1].Length == 0 || pair[0].Contains(' ', StringComparison.Ordinal)
                || pair[1].Contains(' ', StringComparison.Ordinal))
                throw merge.Error("is not a pair of tokens without spaces");
            yield return (pair[0], pair[1]);
        }
    }

    private (int[] Before, int[] After) AroundOf(JsonPart processor, int depth)
    {
        JsonPart type = processor.Require("type");
        switch (type.Text())
        {
            case "ByteLevel":
                return ([], []);
            case "Sequence" when depth < 8:
                (int[] Before, int[] After) around = ([], []);
                foreach (JsonPart part in processor.Require("processors").Items())
                {
                    (int[] before, int[] after) = AroundOf(part, depth + 1);
                    around = ([.. before, .. around.Before], [.. around.After, .. after]);
                }
                return around;
            case "TemplateProcessing":
                return AroundOfTemplate(processor.Require("single"));
            case "BertProcessing" or "RobertaProcessing":
                return ([Named("cls")], [Named("sep")]);
            default:
                throw type.Error($"is '{FolderFile.Printable(type.Text())}', which is not known here");
        }

        // A token and its id.
        int Named(string field)
        {
            JsonPart[] pair = [.. processor.Require(field).Items().Take(1)];
            return pair.Length > 0 ? TokenOf(pair[0]) : throw processor.Require(field).Error("is empty");
        }
    }

    /// <summary>
    /// Two texts by the last step that says how they are put together (processors/bert.rs, roberta.rs and template.rs of Hugging Face's
    /// tokenizers).
    /// </summary>
    private PairItem[] PairOf(JsonPart processor)
    {
        PairItem[] pair = [];
        foreach (JsonPart step in PipelineReader.StepsOf(processor, "processors"))
        {
            switch (step.Require("type").Text())
            {
                case "BertProcessing":
                    pair = [Token("cls"), new(PairItem.FirstText, 0), Token("sep"), new(PairItem.SecondText, 1), Token("sep", 1)];
                    break;
                case "RobertaProcessing":
                    pair =
                        [Token("cls"), new(PairItem.FirstText, 0), Token("sep"), Token("sep"), new(PairItem.SecondText, 0), Token("sep")];
                    break;
                case "TemplateProcessing" when step.Find("pair") is { } template:
                    pair = [.. template.Items().Take(MostOfPair).Select(ItemOf)];
                    if (pair.Count(item => item.Token == PairItem.FirstText) != 1
                        || pair.Count(item => item.Token == PairItem.SecondText) != 1)
                        throw template.Error("has not each of two texts once");
                    break;
            }

            PairItem Token(string field, byte type = 0) =>
                new(TokenOf(step.Require(field).Items().FirstOrDefault(step.Require(field))), type);
        }
        return pair;

        PairItem ItemOf(JsonPart item)
        {
            JsonPart place = item.Find("Sequence") ?? item.Require("SpecialToken"), id = place.Require("id");
            byte type = (byte)place.Require("type_id").Integer(0, byte.MaxValue);
            if (item.Find("Sequence") is null) return new PairItem(TokenOf(id), type);
            return id.Text() switch
            {
                "A" => new PairItem(PairItem.FirstText, type),
                "B" => new PairItem(PairItem.SecondText, type),
                _ => throw id.Error("is neither A nor B"),
            };
        }
    }

    /// <summary>A list of special tokens and one place for the text.</summary>
    private (int[] Before, int[] After) AroundOfTemplate(JsonPart template)
    {
        const int Most = 16;
        List<int> before = [], after = [];
        bool afterText = false;
        foreach (JsonPart item in template.Items().Take(2 * Most))
        {
            if (item.Find("Sequence") is { } place)
            {
                if (afterText) throw place.Error("is there twice: a text would be repeated");
                afterText = true;
                continue;
            }
            (afterText ? after : before).Add(TokenOf(item.Require("SpecialToken").Require("id")));
        }
        if (before.Count > Most || after.Count > Most) throw template.Error($"puts more than {Most} tokens on one side of a text");
        return ([.. before], [.. after]);
    }

    private int TokenOf(JsonPart name) =>
        Table.Find(name.Text()) ?? throw name.Error($"is '{FolderFile.Printable(name.Text())}', which is no token");
}
