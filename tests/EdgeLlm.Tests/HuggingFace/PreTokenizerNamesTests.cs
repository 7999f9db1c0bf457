using System.Text.Json.Nodes;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Tests.HuggingFace;

/// <summary>The pre-tokenizers of families as their tokenizer.json spells them, and the names that GGUF has for them.</summary>
public sealed class PreTokenizerNamesTests : IDisposable
{
    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Upper = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Rest = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama-bpe", true, Llama3)]
    [InlineData("dbrx", false, Llama3)]
    [InlineData("qwen2", false,
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData("tekken", true, Upper + "*" + Lower + "+|" + Upper + "+" + Lower + @"*|\p{N}" + Rest)]
    [InlineData("gpt-4o", false,
        Upper + "*" + Lower + "+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" + Upper + "+" + Lower
            + @"*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}" + Rest)]
    [InlineData("deepseek-coder", false, @"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", "digits")]
    [InlineData("deepseek-v3", false, @"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    public void A_known_way_to_split_has_its_name(string name, bool ignoresMerges, params string[] split)
    {
        Assert.Equal(name, PreTokenizerNames.Find(PreTokenizer(split), ignoresMerges));
        if (name is not ("llama-bpe" or "dbrx")) Assert.Null(PreTokenizerNames.Find(PreTokenizer(split), !ignoresMerges));
    }

    [Fact]
    public void Another_order_or_another_expression_has_none()
    {
        Assert.Null(PreTokenizerNames.Find(PreTokenizer([Llama3, Llama3]), ignoresMerges: true));
        Assert.Null(PreTokenizerNames.Find(PreTokenizer([Llama3[..^1]]), ignoresMerges: true));
        Assert.Null(PreTokenizerNames.Find(PreTokenizer([]), ignoresMerges: false));
    }

    private JsonPart PreTokenizer(string[] split)
    {
        JsonNode[] steps = [.. split.Select(expression => expression == "digits"
            ? new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }
            : new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = expression },
                ["behavior"] = "Isolated", ["invert"] = false })];
        var root = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(
                [.. steps, new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true,
                    ["use_regex"] = false }]),
        };
        string path = _folder.PathOf("pre-tokenizer.json");
        File.WriteAllText(path, root.ToJsonString());
        return JsonPart.Read(path, 1 << 20);
    }
}
