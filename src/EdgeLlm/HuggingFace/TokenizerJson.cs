using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>A tokenizer.json of Hugging Face's tokenizers: byte-level BPE, BPE with the merges of a SentencePiece vocabulary, WordPiece.</summary>
internal sealed class TokenizerJson
{
    private const int MostBytes = 256 << 20;
    private const string Mark = "▁";

    private readonly JsonPart _root;
    private readonly JsonPart _model;
    private readonly List<string> _notes = [];

    public TokenizerJson(string file, int rows)
    {
        File = file;
        _root = JsonPart.Read(file, MostBytes);
        _model = _root.Require("model");
        Table = new VocabularyTable(file, rows);
    }

    public string File { get; }

    public VocabularyTable Table { get; }

    /// <summary>What can't be kept.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>The token that the post-processor puts before a text, and the one behind it.</summary>
    public (int? First, int? Last) Around => _root.Find("post_processor") is { } processor ? AroundOf(processor) : default;

    /// <summary>Whether its tokens are spelled in letters that stand for bytes.</summary>
    public bool IsByteLevel => Kind == "BPE" && Types("pre_tokenizer", "pretokenizers").Contains("ByteLevel");

    /// <summary>Whether a space goes before the text alone and not after each special token in it (Metaspace's prepend_scheme `first`).</summary>
    public bool MarksOnlyFirst => Steps("pre_tokenizer", "pretokenizers").Any(step => step.Find("prepend_scheme")?.Text() == "first");

    private string Kind => _model.Find("type")?.Text() ?? (_model.Find("merges") is null ? "" : "BPE");

    /// <summary>All but the ids of special tokens.</summary>
    public TokenizerData Read()
    {
        JsonPart vocabulary = _model.Require("vocab");
        if (Kind is not ("BPE" or "WordPiece")) throw _model.Error($"has the type '{FolderFile.Printable(Kind)}'; BPE and WordPiece are read (and SentencePiece as tokenizer.model)");
        foreach ((string token, JsonPart id) in vocabulary.Fields()) Table.Set(id.Integer(0, int.MaxValue), token, TokenType.Normal, 0);
        ReadAddedTokens();
        return Kind == "WordPiece" ? ReadWordPiece() : IsByteLevel ? ReadByteLevel() : ReadSentencePiece();
    }

    private void ReadAddedTokens()
    {
        foreach (JsonPart token in _root.Find("added_tokens")?.Items() ?? [])
        {
            string text = token.Require("content").Text();
            if (text.Length == 0) throw token.Require("content").Error("is empty");
            bool isSpecial = token.Require("special").Flag();
            long id = token.Require("id").Integer(0, int.MaxValue);
            if (id >= Table.Rows)
            {
                _notes.Add(VocabularyTable.NoteBeyond(File, text, id, Table.Rows));
                continue;
            }
            Table.Set(id, text, isSpecial ? TokenType.Control : TokenType.UserDefined, 0);
            if (Is("lstrip") || Is("rstrip")) _notes.Add($"{File}: token '{FolderFile.Printable(text)}' takes the spaces beside it (lstrip, rstrip); a GGUF file can't say so");
            if (Is("single_word")) _notes.Add($"{File}: token '{FolderFile.Printable(text)}' is one only where it stands alone (single_word); a GGUF file can't say so");

            bool Is(string name) => token.Find(name)?.Flag() ?? false;
        }
    }

    private TokenizerData ReadByteLevel()
    {
        RequirePlainModel();
        string? normalizer = null;
        if (_root.Find("normalizer") is { } given && Types("normalizer", "normalizers") is { Count: > 0 } types)
        {
            if (types is not ["NFC"]) throw given.Error($"is {FolderFile.Printable(string.Join(", ", types))}; with this kind of tokenizer only NFC is known here");
            normalizer = "nfc";
        }
        bool ignoresMerges = _model.Find("ignore_merges")?.Flag() ?? false;
        return new TokenizerData
        {
            Model = "gpt2",
            Pre = PreTokenizerNames.Of(_root.Require("pre_tokenizer"), ignoresMerges),
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            Merges = Utf8Strings.From([.. Merges().Select(pair => $"{pair.Left} {pair.Right}")]),
            UnknownId = UnknownId(),
            Normalizer = normalizer,
        };
    }

    /// <summary>
    /// GGUF's `llama` merges by the scores of tokens, not by a list. The list that tokenizers derive from a SentencePiece vocabulary has all
    /// ways to put a token together side by side, in the order of the tokens' scores: then the one is as good as the other.
    /// </summary>
    private TokenizerData ReadSentencePiece()
    {
        RequirePlainModel();
        bool marksStart = ReadSpaceMarking();
        for (int value = 0; value < 256; value++)
        {
            if (Table.Find($"<0x{value:X2}>") is { } id) Table.SetType(id, TokenType.Byte);
        }
        int? unknown = UnknownId();
        if (unknown is { } unknownId) Table.SetType(unknownId, TokenType.Unknown);
        ScoreByMerges();
        return new TokenizerData
        {
            Model = "llama",
            Pre = "default",
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            Scores = Table.Scores(),
            UnknownId = unknown,
            AddSpacePrefix = marksStart,
        };
    }

    private TokenizerData ReadWordPiece()
    {
        if (_model.Find("continuing_subword_prefix") is { } prefix && prefix.Text() != "##") throw prefix.Error("is not '##'");
        if (_model.Find("max_input_chars_per_word") is { } longest) longest.Integer(100, 100);
        JsonPart normalizer = _root.Require("normalizer");
        if (normalizer.Require("type").Text() != "BertNormalizer") throw normalizer.Error("is none of BERT, which alone is known with WordPiece");
        if (_root.Require("pre_tokenizer").Require("type") is var type && type.Text() != "BertPreTokenizer") throw type.Error("is none of BERT, which alone is known with WordPiece");
        foreach (string name in new[] { "clean_text", "handle_chinese_chars" })
        {
            if (!normalizer.Require(name).Flag()) throw normalizer.Require(name).Error("is false, which is not known here");
        }
        int? unknown = UnknownId();
        // In GGUF a token that starts a word is marked, and one that goes on with it has nothing.
        for (int id = 0; id < Table.Count; id++)
        {
            if (Table.TypeOf(id) == TokenType.Normal && Table.TextOf(id) is { } text)
                Table.SetText(id, text.StartsWith("##", StringComparison.Ordinal) ? text[2..] : Mark + text);
        }
        bool lowercase = normalizer.Require("lowercase").Flag();
        return new TokenizerData
        {
            Model = "bert",
            Tokens = Table.Tokens(),
            TokenTypes = Table.Types(),
            UnknownId = unknown,
            Lowercase = lowercase,
            StripAccents = normalizer.Find("strip_accents")?.Flag() ?? lowercase,
            CleansUpSpaces = _root.Find("decoder")?.Find("cleanup")?.Flag() ?? false,
        };
    }

    private void RequirePlainModel()
    {
        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (_model.Find(name) is { } mark && mark.Text().Length > 0) throw mark.Error("is not empty, which is not known here");
        }
        if (_model.Find("dropout") is { } dropout && dropout.Number(0, 1) != 0) throw dropout.Error("is not 0: tokens would be drawn by lot");
    }

    /// <summary>How spaces become ▁; true where one is put before the text.</summary>
    private bool ReadSpaceMarking()
    {
        bool marksStart = false, marksSpaces = false;
        foreach (JsonPart step in Steps("normalizer", "normalizers"))
        {
            JsonPart type = step.Require("type");
            switch (type.Text())
            {
                case "Prepend" when step.Require("prepend").Text() == Mark:
                    marksStart = true;
                    break;
                case "Replace" when step.Require("pattern").Find("String")?.Text() == " " && step.Require("content").Text() == Mark:
                    marksSpaces = true;
                    break;
                default:
                    throw type.Error($"is '{FolderFile.Printable(type.Text())}'; of a SentencePiece tokenizer only spaces that become {Mark} are known");
            }
        }
        foreach (JsonPart step in Steps("pre_tokenizer", "pretokenizers"))
        {
            JsonPart type = step.Require("type");
            if (type.Text() != "Metaspace") throw type.Error($"is '{FolderFile.Printable(type.Text())}'; of a BPE that is not byte-level only Metaspace is known");
            if (step.Require("replacement").Text() != Mark) throw step.Require("replacement").Error($"is not {Mark}");
            if (step.Find("split")?.Flag() ?? true) throw step.Error("splits at spaces before it merges, which is not known here");
            marksSpaces = true;
            marksStart |= step.Find("prepend_scheme") is { } scheme ? scheme.Text() != "never" : step.Find("add_prefix_space")?.Flag() ?? true;
        }
        return marksSpaces ? marksStart : throw _root.Error($"has a BPE that is neither byte-level nor marks spaces as {Mark}: it is not known here");
    }

    private void ScoreByMerges()
    {
        var ranks = new Dictionary<int, int>(); // token -> the number of its first merge
        var pairs = new HashSet<(string, string)>();
        int last = -1, rank = 0;
        foreach ((string left, string right) in Merges())
        {
            int token = Table.Find(left + right) ?? throw _model.Require("merges").Error($"makes '{FolderFile.Printable(left + right)}', which is no token");
            if (token != last && !ranks.TryAdd(token, rank)) throw NotSentencePiece(token);
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
                if (couldMerge && !pairs.Contains((left, right))) throw NotSentencePiece(token);
            }
            Table.SetScore(token, ranks.TryGetValue(token, out int found) ? -1 - found : -1 - rank);
        }

        bool IsNormal(string text) => Table.Find(text) is { } id && Table.TypeOf(id) == TokenType.Normal;
    }

    private ModelException NotSentencePiece(int token) =>
        _model.Require("merges").Error($"are not those of a SentencePiece vocabulary (at token '{FolderFile.Printable(Table.TextOf(token)!)}'): a GGUF file can't hold them; put tokenizer.model beside it");

    private IEnumerable<(string Left, string Right)> Merges()
    {
        foreach (JsonPart merge in _model.Require("merges").Items())
        {
            string[] pair = merge.Element.ValueKind == System.Text.Json.JsonValueKind.String ? merge.Text().Split(' ') : [.. merge.Items().Take(3).Select(part => part.Text())];
            if (pair.Length != 2 || pair[0].Length == 0 || pair[1].Length == 0 || pair[0].Contains(' ', StringComparison.Ordinal) || pair[1].Contains(' ', StringComparison.Ordinal))
                throw merge.Error("is not a pair of tokens without spaces");
            yield return (pair[0], pair[1]);
        }
    }

    private int? UnknownId() => _model.Find("unk_token") is { } unknown
        ? Table.Find(unknown.Text()) ?? throw unknown.Error($"is '{FolderFile.Printable(unknown.Text())}', which is no token")
        : null;

    /// <summary>The steps of a normalizer or pre-tokenizer, without the sequences that hold them.</summary>
    private IEnumerable<JsonPart> Steps(string field, string nested) => _root.Find(field) is { } step ? Steps(step, nested) : [];

    private static IEnumerable<JsonPart> Steps(JsonPart step, string nested) =>
        step.Require("type").Text() == "Sequence" ? step.Require(nested).Items().SelectMany(part => Steps(part, nested)) : [step];

    private List<string> Types(string field, string nested) => [.. Steps(field, nested).Select(step => step.Require("type").Text())];

    private (int? First, int? Last) AroundOf(JsonPart processor)
    {
        JsonPart type = processor.Require("type");
        switch (type.Text())
        {
            case "ByteLevel":
                return default;
            case "Sequence":
                (int? First, int? Last) around = default;
                foreach (JsonPart part in processor.Require("processors").Items())
                {
                    (int? first, int? last) = AroundOf(part);
                    around = (first ?? around.First, last ?? around.Last);
                }
                return around;
            case "TemplateProcessing":
                return AroundOfTemplate(processor.Require("single"));
            default:
                throw type.Error($"is '{FolderFile.Printable(type.Text())}', which is not known here");
        }
    }

    /// <summary>A list of special tokens and one place for the text.</summary>
    private (int? First, int? Last) AroundOfTemplate(JsonPart template)
    {
        int? first = null, last = null;
        bool afterText = false;
        foreach (JsonPart item in template.Items())
        {
            if (item.Find("Sequence") is not null)
            {
                afterText = true;
                continue;
            }
            JsonPart name = item.Require("SpecialToken").Require("id");
            int id = Table.Find(name.Text()) ?? throw name.Error($"is '{FolderFile.Printable(name.Text())}', which is no token");
            if (afterText ? last is not null : first is not null) throw template.Error("puts several tokens on one side of a text, which is not known here");
            if (afterText) last = id;
            else first = id;
        }
        return (first, last);
    }
}
