using System.Text;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Tokenization;
using EdgeLlm.Tokenization.Patterns;
using EdgeLlm.Tokenization.Pipeline;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// Reads the steps of a tokenizer.json: normalizer, pre_tokenizer and decoder, and the settings of its model. What is not understood is an
/// error with its name. Format: https://github.com/huggingface/tokenizers.
/// </summary>
internal static class PipelineReader
{
    private const int MostSteps = 100;

    // [\p{P}] and what else of ASCII is neither letter nor digit nor space.
    private const string Punctuation = @"[\p{P}!-/:-@\[-`{-~]";

    // The expression of ByteLevel itself.
    private const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly string[] Kept = ["normalizer", "pre_tokenizer", "decoder"];
    private static readonly string[] KeptOfModel =
        ["type", "unk_token", "unk_id", "byte_fallback", "fuse_unk", "ignore_merges", "dropout", "continuing_subword_prefix",
            "end_of_word_suffix", "max_input_chars_per_word"];

    /// <summary>A tokenizer.json without its vocabulary, for a GGUF file's key; tokens by their ids.</summary>
    /// <param name="before">Tokens that go before a text.</param>
    /// <param name="after">Tokens that go after a text.</param>
    /// <param name="pair">How two texts are put together.</param>
    /// <param name="unknown">The token of what is unknown.</param>
    public static string Write(JsonPart root, IEnumerable<AddedToken> addedTokens, IReadOnlyList<int> before, IReadOnlyList<int> after,
        IReadOnlyList<PairItem> pair, int? unknown)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            foreach (string name in Kept)
            {
                if (root.Find(name) is not { } part) continue;
                json.WritePropertyName(name);
                part.Element.WriteTo(json);
            }
            json.WriteStartObject("model");
            JsonPart model = root.Require("model");
            foreach (string name in KeptOfModel)
            {
                if (model.Find(name) is not { } part) continue;
                json.WritePropertyName(name);
                part.Element.WriteTo(json);
            }
            json.WriteEndObject();
            json.WriteObjects("added_tokens", addedTokens, token =>
            {
                json.WriteNumber("id", token.Id);
                foreach ((string name, bool flag) in new[] { ("single_word", token.IsSingleWord), ("lstrip", token.StripsLeft),
                    ("rstrip", token.StripsRight), ("normalized", token.IsNormalized) })
                {
                    if (flag) json.WriteBoolean(name, flag);
                }
            });
            json.WriteArray("before", before, json.WriteNumberValue);
            json.WriteArray("after", after, json.WriteNumberValue);
            if (pair.Count > 0)
            {
                json.WriteArray("pair", pair.Select(item => item.Token), json.WriteNumberValue);
                json.WriteArray("pair_types", pair.Select(item => (int)item.Type), json.WriteNumberValue);
            }
            if (unknown is { } id) json.WriteNumber("unknown", id);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>The pipeline of such a text.</summary>
    /// <param name="file">For messages.</param>
    /// <param name="what">What the text is, for messages; empty: the file.</param>
    /// <exception cref="ModelException">It has something that is not known here; the message names it.</exception>
    public static TokenizerPipeline Read(string file, string json, string what)
    {
        var root = JsonPart.Parse(file, Encoding.UTF8.GetBytes(json), what);
        JsonPart model = root.Require("model");
        string type = model.Find("type")?.Text() ?? "BPE";
        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            bool isUsual = type == "WordPiece" && name == "continuing_subword_prefix";
            if (model.Find(name) is { } mark && mark.Text() != (isUsual ? "##" : ""))
                throw mark.Error($"is '{FolderFile.Printable(mark.Text())}', which is not known here");
        }
        if (model.Find("dropout") is { } dropout && dropout.Number(0, 1) != 0)
            throw dropout.Error("is not 0: tokens would be drawn by lot");
        var steps = new List<PieceStep>();
        foreach (JsonPart step in StepsOf(root, "pre_tokenizer", "pretokenizers")) AddSteps(step, steps);
        return new TokenizerPipeline
        {
            Json = json,
            Model = type switch
            {
                "BPE" => PieceModelKind.BytePair,
                "Unigram" => PieceModelKind.Unigram,
                "WordPiece" => PieceModelKind.WordPiece,
                _ => throw model.Require("type").Error($"is '{FolderFile.Printable(type)}'; BPE, Unigram and WordPiece are known here"),
            },
            Normalizers = [.. StepsOf(root, "normalizer", "normalizers").SelectMany(NormalizersOf)],
            Steps = steps,
            Decoder = DecoderOf(root),
            AddedTokens = [.. (root.Find("added_tokens")?.Items() ?? []).Select(AddedTokenOf)],
            Before = Ids("before"),
            After = Ids("after"),
            Pair = PairOf(root),
            UnknownId = (int?)root.Find("unknown")?.Integer(0, int.MaxValue),
            IgnoresMerges = Flag(model, "ignore_merges"),
            FallsBackToBytes = Flag(model, "byte_fallback"),
            FusesUnknown = Flag(model, "fuse_unk"),
            LongestWord = (int)(model.Find("max_input_chars_per_word")?.Integer(1, 1 << 20) ?? 100),
        };

        int[] Ids(string name) => [.. (root.Find(name)?.Items() ?? []).Take(MostSteps).Select(id => (int)id.Integer(0, int.MaxValue))];
    }

    /// <summary>
    /// How two texts are put together: tokens, -1 for the first text and -2 for the second, each of which is there once; and their types.
    /// </summary>
    private static PairItem[] PairOf(JsonPart root)
    {
        if (root.Find("pair") is not { } items) return [];
        int[] tokens = [.. items.Items().Take(MostSteps).Select(id => (int)id.Integer(PairItem.SecondText, int.MaxValue))];
        byte[] types = [.. root.Require("pair_types").Items().Take(MostSteps).Select(type => (byte)type.Integer(0, byte.MaxValue))];
        if (types.Length != tokens.Length) throw items.Error("has not as many items as pair_types");
        if (tokens.Count(token => token == PairItem.FirstText) != 1 || tokens.Count(token => token == PairItem.SecondText) != 1)
            throw items.Error("has not each of two texts once");
        return [.. tokens.Zip(types, (token, type) => new PairItem(token, type))];
    }

    /// <summary>The steps of a field, without the sequences that hold them.</summary>
    public static IEnumerable<JsonPart> StepsOf(JsonPart root, string field, string nested) =>
        root.Find(field) is { } given ? StepsOf(given, nested) : [];

    /// <summary>A step, or the steps of a sequence and of those in it.</summary>
    public static IEnumerable<JsonPart> StepsOf(JsonPart given, string nested)
    {
        JsonPart[] steps = [.. Flatten(given, depth: 0).Take(MostSteps + 1)];
        return steps.Length <= MostSteps ? steps : throw given.Error($"has more than {MostSteps} steps");

        IEnumerable<JsonPart> Flatten(JsonPart step, int depth)
        {
            if (step.Require("type").Text() != "Sequence") return [step];
            return depth < 8 ? step.Require(nested).Items().SelectMany(part => Flatten(part, depth + 1))
                : throw step.Error("is nested too deep");
        }
    }

    private static AddedToken AddedTokenOf(JsonPart token) =>
        new((int)token.Require("id").Integer(0, int.MaxValue), Flag(token, "single_word"), Flag(token, "lstrip"), Flag(token, "rstrip"),
            Flag(token, "normalized"));

    private static IEnumerable<Normalizer> NormalizersOf(JsonPart step)
    {
        JsonPart type = step.Require("type");
        return type.Text() switch
        {
            "NFC" => [new FormNormalizer(isCompatible: false, composes: true)],
            "NFD" => [new FormNormalizer(isCompatible: false, composes: false)],
            "NFKC" => [new FormNormalizer(isCompatible: true, composes: true)],
            "NFKD" => [new FormNormalizer(isCompatible: true, composes: false)],
            "Lowercase" => [new LowercaseNormalizer()],
            "StripAccents" => [new StripAccentsNormalizer()],
            "Strip" => [new StripNormalizer(step.Require("strip_left").Flag(), step.Require("strip_right").Flag())],
            "Prepend" => [new PrependNormalizer(step.Require("prepend").Text())],
            "Replace" => [new ReplaceNormalizer(PatternOf(step), step.Require("content").Text())],
            "ByteLevel" => [new ByteLevelNormalizer()],
            "Precompiled" => CharsmapOf(step.Require("precompiled_charsmap")),
            "BertNormalizer" => OfBert(step),
            _ => throw Unknown(type),
        };
    }

    private static Normalizer[] CharsmapOf(JsonPart map)
    {
        byte[] bytes;
        try
        {
            bytes = map.Element.ValueKind == JsonValueKind.String ? map.Element.GetBytesFromBase64() : throw map.Error("must be a text");
        }
        catch (FormatException)
        {
            throw map.Error("is not base64");
        }
        if (bytes.Length == 0) return [];
        try
        {
            return [new CharsmapNormalizer(bytes)];
        }
        catch (TokenizerException exception)
        {
            throw map.Error(exception.Message);
        }
    }

    private static List<Normalizer> OfBert(JsonPart step)
    {
        var normalizers = new List<Normalizer>();
        bool lowercases = step.Require("lowercase").Flag();
        if (step.Require("clean_text").Flag()) normalizers.Add(new CleanNormalizer());
        if (step.Require("handle_chinese_chars").Flag()) normalizers.Add(new IdeographNormalizer());
        if (step.Find("strip_accents")?.Flag() ?? lowercases)
            normalizers.AddRange([new FormNormalizer(isCompatible: false, composes: false), new StripAccentsNormalizer()]);
        if (lowercases) normalizers.Add(new LowercaseNormalizer());
        return normalizers;
    }

    private static void AddSteps(JsonPart step, List<PieceStep> steps)
    {
        JsonPart type = step.Require("type");
        switch (type.Text())
        {
            case "ByteLevel":
                if (step.Find("add_prefix_space")?.Flag() ?? true) steps.Add(new SpacePrefixStep());
                if (step.Find("use_regex")?.Flag() ?? true) steps.Add(Split(Words, SplitBehavior.Isolated));
                steps.Add(new ByteLettersStep());
                break;
            case "Split":
                steps.Add(new SplitStep(PatternOf(step), BehaviorOf(step), Flag(step, "invert")));
                break;
            case "Metaspace":
                string mark = MarkOf(step);
                steps.Add(new MetaspaceStep(mark, SchemeOf(step)));
                if (step.Find("split")?.Flag() ?? true)
                    steps.Add(new SplitStep(PatternParser.Literal(mark), SplitBehavior.MergedWithNext, isInverted: false));
                break;
            case "WhitespaceSplit":
                steps.Add(Split(@"\s", SplitBehavior.Removed));
                break;
            case "Whitespace":
                steps.Add(new SplitStep(Pattern.Parse(@"\w+|[^\w\s]+", Dialect.Oniguruma), SplitBehavior.Removed, isInverted: true));
                break;
            case "Punctuation":
                steps.Add(Split(Punctuation, step.Find("behavior") is null ? SplitBehavior.Isolated : BehaviorOf(step)));
                break;
            case "Digits":
                steps.Add(Split(@"\p{N}", step.Require("individual_digits").Flag() ? SplitBehavior.Isolated : SplitBehavior.Contiguous));
                break;
            case "BertPreTokenizer":
                steps.Add(Split(@"\s", SplitBehavior.Removed));
                steps.Add(Split(Punctuation, SplitBehavior.Isolated));
                break;
            case "CharDelimiterSplit":
                string delimiter = step.Require("delimiter").Text();
                if (delimiter.EnumerateRunes().Count() != 1) throw step.Require("delimiter").Error("must be one character");
                steps.Add(new SplitStep(PatternParser.Literal(delimiter), SplitBehavior.Removed, isInverted: false));
                break;
            default:
                throw Unknown(type);
        }
    }

    /// <summary>The character that Metaspace writes spaces as.</summary>
    private static string MarkOf(JsonPart step)
    {
        string mark = step.Require("replacement").Text();
        return mark.EnumerateRunes().Count() == 1 ? mark : throw step.Require("replacement").Error("must be one character");
    }

    private static SplitStep Split(string expression, SplitBehavior behavior) =>
        new(Pattern.Parse(expression, Dialect.Oniguruma), behavior, isInverted: false);

    private static Pattern PatternOf(JsonPart step)
    {
        JsonPart pattern = step.Require("pattern");
        if (pattern.Find("String") is { } literal)
            return literal.Text().Length > 0 ? PatternParser.Literal(literal.Text()) : throw literal.Error("is empty");
        JsonPart expression = pattern.Require("Regex");
        try
        {
            return Pattern.Parse(expression.Text(), Dialect.Oniguruma);
        }
        catch (NotSupportedException exception)
        {
            throw expression.Error($"has something that is not known here, {FolderFile.Printable(exception.Message)}");
        }
    }

    private static SplitBehavior BehaviorOf(JsonPart step)
    {
        JsonPart behavior = step.Require("behavior");
        return behavior.Text() switch
        {
            "Removed" => SplitBehavior.Removed,
            "Isolated" => SplitBehavior.Isolated,
            "Contiguous" => SplitBehavior.Contiguous,
            "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
            "MergedWithNext" => SplitBehavior.MergedWithNext,
            _ => throw Unknown(behavior),
        };
    }

    /// <summary>prepend_scheme, or the older add_prefix_space.</summary>
    private static PrependScheme SchemeOf(JsonPart step)
    {
        if (step.Find("prepend_scheme") is not { } scheme)
            return step.Find("add_prefix_space")?.Flag() ?? true ? PrependScheme.Always : PrependScheme.Never;
        return scheme.Text() switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw Unknown(scheme),
        };
    }

    private static PieceDecoder DecoderOf(JsonPart root)
    {
        if (root.Find("decoder") is null) return UsualDecoder(root);
        var decoder = new PieceDecoder();
        var replacements = new List<(string, string)>();
        foreach (JsonPart step in StepsOf(root, "decoder", "decoders"))
        {
            JsonPart type = step.Require("type");
            switch (type.Text())
            {
                case "ByteLevel":
                    decoder = decoder with { ReadsByteLetters = true };
                    break;
                case "WordPiece":
                    if (step.Require("prefix") is var prefix && prefix.Text() != "##") throw prefix.Error("is not '##'");
                    decoder = decoder with { JoinsWords = true, CleansUpSpaces = Flag(step, "cleanup") };
                    break;
                case "Metaspace":
                    replacements.Add((MarkOf(step), " "));
                    decoder = decoder with { DropsFirstSpace = SchemeOf(step) != PrependScheme.Never };
                    break;
                case "Replace" when step.Require("pattern").Find("String") is { } from && from.Text().Length > 0:
                    replacements.Add((from.Text(), step.Require("content").Text()));
                    break;
                case "ByteFallback":
                    decoder = decoder with { ReadsBytes = true };
                    break;
                case "Strip" when step.Require("content").Text() == " " && step.Require("start").Integer(0, 1) is var start
                    && step.Require("stop").Integer(0, 0) == 0:
                    if (start == 1) decoder = decoder with { DropsFirstSpace = true };
                    break;
                case "Fuse":
                    break;
                default:
                    throw Unknown(type);
            }
        }
        return decoder with { Replacements = replacements };
    }

    /// <summary>Decoder that undoes the other steps, where a file has no decoder.</summary>
    private static PieceDecoder UsualDecoder(JsonPart root)
    {
        JsonPart[] steps = [.. StepsOf(root, "pre_tokenizer", "pretokenizers")];
        if (root.Require("model").Find("type")?.Text() == "WordPiece") return new PieceDecoder { JoinsWords = true };
        if (steps.Any(step => step.Require("type").Text() == "ByteLevel")) return new PieceDecoder { ReadsByteLetters = true };
        bool marksStart = StepsOf(root, "normalizer", "normalizers").Any(step => step.Find("prepend") is not null)
            || steps.Any(step => step.Require("type").Text() == "Metaspace" && SchemeOf(step) != PrependScheme.Never);
        return new PieceDecoder { ReadsBytes = true, Replacements = [("▁", " ")], DropsFirstSpace = marksStart };
    }

    private static bool Flag(JsonPart step, string name) => step.Find(name)?.Flag() ?? false;

    private static ModelException Unknown(JsonPart field) =>
        field.Error($"is '{FolderFile.Printable(field.Text())}', which is not known here");
}
