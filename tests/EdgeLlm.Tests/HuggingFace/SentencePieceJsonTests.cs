using System.Text.Json;
using System.Text.Json.Nodes;
using EdgeLlm.HuggingFace;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.HuggingFace;

/// <summary>
/// A SentencePiece vocabulary that lies in a folder as tokenizer.json only, derived as transformers' convert_slow_tokenizer.py does
/// (vocabulary and list of merges from the pieces and their scores): the ids stay SentencePiece's own.
/// </summary>
public sealed class SentencePieceJsonTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(
        """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""",
        "null")]
    [InlineData("null", """{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}""")]
    public void Ids_are_those_of_the_reference(string normalizer, string preTokenizer)
    {
        WriteTokenizer(normalizer, preTokenizer, static merges => merges);
        Tokenizer tokenizer = Tokenizer.Create(HuggingFaceTokenizer.Read(_folder.Root, modelConfig: null, 512).Data);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "hf-tokenizers", "expected.json")));
        foreach (JsonElement item in json.RootElement.GetProperty("spm").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            // Before a space Metaspace puts no mark (tokenizers' metaspace.rs), and SentencePiece does.
            if (preTokenizer != "null" && text.StartsWith(' ')) continue;
            int[] ids = tokenizer.Encode(text);
            Assert.Equal((text, Ids("ids")), (text, string.Join(' ', ids)));
            Assert.Equal((text, Ids("with_special")), (text, string.Join(' ', tokenizer.Encode(text, addSpecial: true))));
            Assert.Equal(item.GetProperty("decoded").GetString(), tokenizer.Decode(ids));

            string Ids(string field) => string.Join(' ', item.GetProperty(field).EnumerateArray().Select(id => id.GetInt32()));
        }
    }

    [Fact]
    public void Merges_that_scores_can_not_stand_for_are_kept_as_a_list()
    {
        const string PreTokenizer = """{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false}""";
        WriteTokenizer("null", PreTokenizer, merges => [.. merges.Skip(1), .. merges.Take(1)]);
        Assert.Equal("llama", Read().Model); // another order of tokens is another order of scores
        int inner = 0;
        WriteTokenizer("null", PreTokenizer,
            merges => [.. merges.OrderBy(merge => merge.Left + merge.Right == "▁the" ? inner++ * 300 : 150)]);
        Assert.Equal("gemma4", Read().Model);
        WriteTokenizer("null", PreTokenizer, merges => [.. merges.Where(merge => merge.Left + merge.Right != "▁the")]);
        TokenizerData without = Read();
        Assert.Equal(("gemma4", null), (without.Model, without.Scores));
        Assert.DoesNotContain("▁the", Tokenizer.Create(without).Encode("the").Select(without.Tokens.GetText));
        WriteTokenizer("null", PreTokenizer, merges => merges);
        Assert.Equal(["▁the"], Tokenizer.Create(Read()).Encode("the").Select(without.Tokens.GetText));
    }

    private TokenizerData Read() => HuggingFaceTokenizer.Read(_folder.Root, modelConfig: null, 512).Data;

    private void WriteTokenizer(string normalizer, string preTokenizer,
        Func<List<(string Left, string Right)>, List<(string Left, string Right)>> change)
    {
        TokenizerData pieces =
            new SentencePieceModel(SharedFolder.Require("golden", "hf-tokenizers", "spm", "tokenizer.model"), 500).Read();
        var scores = Enumerable.Range(0, pieces.Tokens.Count).Where(id => pieces.TokenTypes![id] == 1)
            .ToDictionary(pieces.Tokens.GetText, id => pieces.Scores![id]);
        var ids = Enumerable.Range(0, pieces.Tokens.Count).ToDictionary(pieces.Tokens.GetText);
        List<(string Left, string Right)> merges =
        [
            .. scores.SelectMany(piece => Enumerable.Range(1, piece.Key.Length - 1)
                .Select(cut => (Left: piece.Key[..cut], Right: piece.Key[cut..], Score: piece.Value)))
                .Where(pair => scores.ContainsKey(pair.Left) && scores.ContainsKey(pair.Right))
                .OrderByDescending(pair => pair.Score).ThenByDescending(pair => pair.Left.Length).Select(pair => (pair.Left, pair.Right)),
        ];
        Assert.Contains(merges, merge => merge.Left + merge.Right == "▁the");
        var vocabulary = new JsonObject();
        foreach ((string text, int id) in ids) vocabulary[text] = id;
        var root = new JsonObject
        {
            ["added_tokens"] = JsonNode.Parse(
                """[{"id":0,"content":"<unk>","special":true},{"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true}]"""),
            ["normalizer"] = JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["post_processor"] = JsonNode.Parse(
                """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["byte_fallback"] = true,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. change(merges).Select(merge => (JsonNode)$"{merge.Left} {merge.Right}")]),
            },
        };
        File.WriteAllText(_folder.PathOf("tokenizer.json"), root.ToJsonString());
        File.WriteAllText(_folder.PathOf("tokenizer_config.json"), """{"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"}""");
    }
}
