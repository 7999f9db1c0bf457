using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>The tokenizer of a folder and its chat template, as GGUF has them.</summary>
internal sealed class HuggingFaceTokenizer
{
    private const int MostConfigBytes = 32 << 20; // some name all added tokens
    private const int MostTemplateBytes = 1 << 20;
    private const int MostEndIds = 1000;
    private const string ModelFile = "tokenizer.model", JsonFile = "tokenizer.json";

    // Classes that number the pieces of a tokenizer.model in another way (fairseq's).
    private static readonly string[] OtherIds = ["XLMRoberta", "Camembert", "MBart", "NllbTokenizer", "M2M100", "XGLM", "BarthezTokenizer"];

    private readonly string _folder;
    private readonly JsonPart? _config; // tokenizer_config.json
    private readonly JsonPart? _specialTokens; // special_tokens_map.json
    private readonly JsonPart? _modelConfig; // config.json
    private readonly JsonPart? _generationConfig; // generation_config.json

    private HuggingFaceTokenizer(string folder, JsonPart? modelConfig, int rows)
    {
        (_folder, _modelConfig) = (folder, modelConfig);
        if (Has("generation_config.json")) _generationConfig = JsonPart.Read(InFolder("generation_config.json"), MostConfigBytes);
        if (Has("tokenizer_config.json")) _config = JsonPart.Read(InFolder("tokenizer_config.json"), MostConfigBytes);
        if (Has("special_tokens_map.json")) _specialTokens = JsonPart.Read(InFolder("special_tokens_map.json"), MostConfigBytes);
        // Of a tokenizer in several files the first is what transformers reads.
        if (Has(JsonFile)) Data = ReadJson(new TokenizerJson(InFolder(JsonFile), rows));
        else if (Has(ModelFile)) Data = ReadSentencePiece(new SentencePieceModel(InFolder(ModelFile), rows));
        else if (OlderTokenizer.Read(folder, _config, _specialTokens) is { } older) Data = ReadJson(new TokenizerJson(older, rows));
        else
            throw new ModelException(folder,
                $"has no tokenizer: neither {JsonFile} nor {ModelFile}, nor vocab.json with merges.txt, nor vocab.txt");
    }

    public TokenizerData Data { get; }

    /// <summary>Notes on parts that can't be kept, a line each.</summary>
    public IReadOnlyList<string> Notes { get; private set; } = [];

    /// <param name="modelConfig">config.json, where there is one.</param>
    /// <param name="rows">Rows of the model's embedding.</param>
    /// <exception cref="ModelException">A file is missing, or has something that is not known here.</exception>
    public static HuggingFaceTokenizer Read(string folder, JsonPart? modelConfig, int rows) => new(folder, modelConfig, rows);

    /// <summary>
    /// About how many bytes of memory reading a folder's tokenizer.json takes: six times its own, as measured with one of 262,144 tokens
    /// (33 MB, 200 MB). Texts of tokens and merges are there several times meanwhile.
    /// </summary>
    public static long ReadingBytes(string folder)
    {
        const int Times = 6;
        var file = new FileInfo(Path.Combine(folder, JsonFile));
        return file.Exists ? Times * file.Length : 0;
    }

    private TokenizerData ReadJson(TokenizerJson json)
    {
        TokenizerData data = json.Read(_config?.Find("added_tokens_decoder"));
        Notes = json.Notes;
        (int[] before, int[] after) = json.Around;
        int? bos = Special(json.Table, "bos_token", "cls_token") ?? (before.Length > 0 ? before[0] : null);
        int? eos = Special(json.Table, "eos_token", "sep_token") ?? (after.Length > 0 ? after[0] : null);
        before = WithFlag("add_bos_token", before, bos);
        after = WithFlag("add_eos_token", after, eos);
        int? unknown = data.UnknownId;
        return Checked(json.File, data with
        {
            BosId = bos,
            EosId = eos,
            UnknownId = unknown ?? Special(json.Table, "unk_token"),
            SeparatorId = Special(json.Table, "sep_token"),
            PaddingId = Special(json.Table, "pad_token"),
            ClsId = Special(json.Table, "cls_token"),
            MaskId = Special(json.Table, "mask_token"),
            AddBos = before.Length > 0 && bos is not null,
            AddEos = after.Length > 0 && eos is not null,
            AddSeparator = data.Model == "bert" ? false : null,
            SpacePrefixOnlyFirst = data.AddSpacePrefix == true && (IsNotLegacy || data.SpacePrefixOnlyFirst),
            Pipeline = json.ReadPipeline(before, after, unknown),
        });
    }

    /// <summary>The tokens on one side of a text; transformers puts them together anew where its config has the flag.</summary>
    private int[] WithFlag(string flag, int[] tokens, int? token) => _config?.Find(flag) is not { } given ? tokens
        : !given.Flag() ? tokens.Length == 1 && tokens[0] == token ? [] : tokens
        : tokens.Length > 0 || token is null ? tokens : [token.Value];

    private TokenizerData ReadSentencePiece(SentencePieceModel model)
    {
        if (_config?.Find("tokenizer_class") is { } name && OtherIds.Any(kind => name.Text().StartsWith(kind, StringComparison.Ordinal)))
            throw name.Error($"is '{FolderFile.Printable(name.Text())}', whose ids are not those of {ModelFile}: {JsonFile} is needed");
        List<string> notes = [];
        AddTokens(model.Table, notes);
        TokenizerData data = model.Read();
        Notes = [.. model.Notes, .. notes];
        int? bos = Special(model.Table, "bos_token") ?? (IsNone("bos_token") ? null : model.BosId);
        int? eos = Special(model.Table, "eos_token") ?? (IsNone("eos_token") ? null : model.EosId);
        return Checked(model.File, data with
        {
            BosId = bos,
            EosId = eos,
            PaddingId = Special(model.Table, "pad_token") ?? model.PaddingId,
            SpacePrefixOnlyFirst = IsNotLegacy,
            // LlamaTokenizer's defaults.
            AddBos = Flag("add_bos_token", true) && bos is not null,
            AddEos = Flag("add_eos_token", false) && eos is not null,
        });
    }

    /// <summary>Tokens beside those of tokenizer.model: added_tokens.json, and added_tokens_decoder, which knows more about them.</summary>
    private void AddTokens(VocabularyTable table, List<string> notes)
    {
        const float Score = -1000; // as llama.cpp's converter has it; they are taken out of a text before scores count
        if (Has("added_tokens.json"))
        {
            foreach ((string text, JsonPart id) in JsonPart.Read(InFolder("added_tokens.json"), MostConfigBytes).Fields())
                Add(id.Integer(0, int.MaxValue), text, id, TokenType.UserDefined);
        }
        foreach ((string number, JsonPart token) in _config?.Find("added_tokens_decoder")?.Fields() ?? [])
        {
            if (!int.TryParse(number, System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture, out int id))
                throw token.Error("is not the number of a token");
            bool isSpecial = token.Find("special")?.Flag() ?? false;
            Add(id, token.Require("content").Text(), token, isSpecial ? TokenType.Control : TokenType.UserDefined);
        }

        void Add(long id, string text, JsonPart field, TokenType type)
        {
            if (text.Length == 0) throw field.Error("is empty");
            if (id >= table.Rows)
            {
                string note = VocabularyTable.NoteBeyond(_folder, text, id, table.Rows);
                if (!notes.Contains(note)) notes.Add(note);
                return;
            }
            bool isThere = id < table.Count && table.TextOf((int)id) == text
                && table.TypeOf((int)id) is (TokenType.Control or TokenType.Unknown or TokenType.Byte);
            if (!isThere) table.Set(id, text, type, Score);
        }
    }

    /// <summary>
    /// The first of these tokens that a file names: tokenizer_config.json, special_tokens_map.json, or by its id config.json.
    /// </summary>
    private int? Special(VocabularyTable table, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if ((_config?.Find(name) ?? _specialTokens?.Find(name)) is { } named)
            {
                JsonPart text = named.Element.ValueKind == System.Text.Json.JsonValueKind.Object ? named.Require("content") : named;
                if (text.Text().Length == 0) return null;
                // The reference makes up a new token where there is none; only BOS and EOS ever come into a text by themselves.
                if (table.Find(text.Text()) is { } id) return id;
                if (name is "bos_token" or "eos_token") throw text.Error($"is '{FolderFile.Printable(text.Text())}', which is no token");
            }
            if (_modelConfig?.Find(name + "_id") is { } number)
            {
                if (Ids(number, table.Count).FirstOrDefault() is { } id) return id;
            }
        }
        return null;
    }

    /// <summary>Whether the tokenizer's config says that there is no such token: `"bos_token": ""`.</summary>
    private bool IsNone(string name) =>
        _config?.Find(name) is { Element.ValueKind: System.Text.Json.JsonValueKind.String } text && text.Text().Length == 0;

    /// <summary>All tokens that end an answer: the fields are a number or a list of them.</summary>
    private int?[] EndIds(int tokens) =>
        [.. new[] { _modelConfig, _generationConfig }.SelectMany(config => config?.Find("eos_token_id") is { } ids
            ? Ids(ids, tokens) : []).Distinct()];

    /// <summary>The ids of a field that is a number or a list; one out of range, such as -1, is none.</summary>
    private static IEnumerable<int?> Ids(JsonPart field, int tokens)
    {
        IEnumerable<JsonPart> numbers = field.Element.ValueKind == System.Text.Json.JsonValueKind.Array
            ? field.Items().Take(MostEndIds) : [field];
        return numbers.Select(number => number.Integer(int.MinValue, uint.MaxValue))
            .Where(id => id >= 0 && id < tokens).Select(id => (int?)id);
    }

    /// <summary>transformers' `legacy: false`: a space goes before the text alone, and not after each special token in it.</summary>
    private bool IsNotLegacy => _config?.Find("legacy") is { } legacy && !legacy.Flag();

    private bool Flag(string name, bool otherwise) => _config?.Find(name)?.Flag() ?? otherwise;

    /// <summary>
    /// chat_template.jinja, or tokenizer_config.json's chat_template: one, or several with names of which `default` is the one.
    /// </summary>
    public IEnumerable<(string Name, string Template)> Templates()
    {
        if (Has("chat_template.jinja"))
        {
            yield return ("", FolderFile.ReadText(InFolder("chat_template.jinja"), MostTemplateBytes));
            yield break;
        }
        if (_config?.Find("chat_template") is not { } field) yield break;
        if (field.Element.ValueKind == System.Text.Json.JsonValueKind.String)
        {
            yield return ("", field.Text());
            yield break;
        }
        foreach (JsonPart item in field.Items().Take(100))
        {
            string name = item.Require("name").Text();
            if (name.Length == 0 || name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter is not ('_' or '-')))
                throw item.Require("name").Error("is no plain name");
            yield return (name == "default" ? "" : name, item.Require("template").Text());
        }
    }

    /// <summary>Has the tokenizer made, so that what is wrong with it shows now.</summary>
    private TokenizerData Checked(string file, TokenizerData data)
    {
        // GGUF has keys for two more; all are in the list, which is ours.
        int?[] ends = EndIds(data.Tokens.Count), others = [.. ends.Where(id => id != data.EosId)];
        data = data with { EndIds = others, EotId = others.FirstOrDefault(), EomId = others.ElementAtOrDefault(1) };
        try
        {
            Notes = [.. Notes, .. Tokenizer.Create(data).Notes.Select(note => $"{file}: {note}")];
            return data;
        }
        catch (TokenizerException exception)
        {
            throw new ModelException(file, exception.Message);
        }
    }

    private string InFolder(string name) => Path.Combine(_folder, name);

    private bool Has(string name) => File.Exists(InFolder(name));
}
