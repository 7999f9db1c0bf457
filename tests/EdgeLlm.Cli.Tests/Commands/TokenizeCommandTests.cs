using System.Text;
using System.Text.Json;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`edgellm tokenize` on llama.cpp's cases (`golden/tokenizers`), which are vocabularies without a model.</summary>
public sealed class TokenizeCommandTests
{
    public static TheoryData<string> Vocabularies => ["llama-spm", "gpt-2", "deepseek-coder"];

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public async Task Json_lines_give_the_ids_of_every_golden_case_and_come_back_as_the_text(string name)
    {
        using JsonDocument cases =
            JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "tokenizers", $"ggml-vocab-{name}.stress.json")));
        string[] texts = [.. cases.RootElement.EnumerateArray().Select(item => item.GetProperty("text").GetString()!)];
        string[] ids = [.. cases.RootElement.EnumerateArray()
            .Select(item => $"[{string.Join(',', item.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()))}]")];

        string encoded = await OutputOf(string.Concat(texts.Select(text => JsonSerializer.Serialize(text) + "\n")), "--model",
            VocabularyOf(name), "--jsonl");
        Assert.Equal(ids, encoded.TrimEnd('\n').Split('\n'));

        string decoded = await OutputOf(encoded, "--model", VocabularyOf(name), "--jsonl", "--decode");
        Assert.Equal(texts, decoded.TrimEnd('\n').Split('\n').Select(line => JsonSerializer.Deserialize<string>(line)!));
    }

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public async Task All_of_the_input_is_one_text_and_its_bytes_come_back(string name)
    {
        string text = File.ReadAllText(VocabularyOf(name) + ".inp");
        string ids = await OutputOf(text, "--model", VocabularyOf(name));
        Assert.Equal(1, ids.Count(c => c == '\n'));
        Assert.Equal('\n', ids[^1]);
        Assert.Equal(text, await OutputOf(ids, "--model", VocabularyOf(name), "--decode"));
    }

    [Fact]
    public async Task The_last_newline_is_part_of_the_text()
    {
        string model = VocabularyOf("gpt-2");
        Assert.Equal("31373\n", await OutputOf("hello", "--model", model));
        Assert.Equal("31373 198\n", await OutputOf("hello\n", "--model", model));
        Assert.Equal("\n", await OutputOf("", "--model", model));
    }

    [Fact]
    public async Task Special_tokens_are_parsed_added_and_written_only_where_asked()
    {
        string model = VocabularyOf("llama-spm");
        Assert.DoesNotContain("2", (await OutputOf("</s>", "--model", model)).Split(' ', '\n'));
        Assert.Equal("2\n", await OutputOf("</s>", "--model", model, "--special"));
        Assert.Equal("1 15043\n", await OutputOf("Hello", "--model", model, "--add-special"));
        Assert.Equal("Hello", await OutputOf("1 15043 2", "--model", model, "--decode"));
        Assert.Equal("</s>", await OutputOf("1 2", "--model", model, "--decode", "--special", "--add-special"));
    }

    [Fact]
    public async Task Bytes_that_are_no_characters_are_written_as_they_are()
    {
        // 0x80 and 0xff as tokens of their own: byte b is token 3 + b in Llama's vocabulary.
        CliResult result = await TestCli.RunAsync(["tokenize", "--model", VocabularyOf("llama-spm"), "--decode"], "131 258"u8.ToArray());
        Assert.Equal([0x80, 0xff], result.OutputBytes);
        Assert.Equal("\"\uFFFD\uFFFD\"\n", await OutputOf("[131, 258]", "--model", VocabularyOf("llama-spm"), "--decode", "--jsonl"));
    }

    [Theory]
    [InlineData("1 two", "standard input: word 2 is not a token id", "--decode")]
    [InlineData("-1", "standard input: word 1 is not a token id", "--decode")]
    [InlineData("99999999999", "standard input: word 1 is not a token id", "--decode")]
    [InlineData("0 32000", "standard input: token 32000 is not in the vocabulary (0 to 31999)", "--decode")]
    [InlineData("[1]\n[32000]\n", "standard input, line 2: token 32000 is not in the vocabulary (0 to 31999)", "--decode", "--jsonl")]
    [InlineData("[1]\n[-1]\n", "standard input, line 2: token -1 is not in the vocabulary", "--decode", "--jsonl")]
    [InlineData("[1.5]", "standard input, line 1: not a JSON array of token ids", "--decode", "--jsonl")]
    [InlineData("[\"1\"]", "standard input, line 1: not a JSON array of token ids", "--decode", "--jsonl")]
    [InlineData("1", "standard input, line 1: not a JSON array of token ids", "--decode", "--jsonl")]
    [InlineData("[1", "standard input, line 1: not a JSON array of token ids", "--decode", "--jsonl")]
    [InlineData("\"a\"\nb\n", "standard input, line 2: not a JSON string", "--jsonl")]
    [InlineData("\"a\"\n\n\"b\"\n", "standard input, line 2: not a JSON string", "--jsonl")]
    [InlineData("[1]\n", "standard input, line 1: not a JSON string", "--jsonl")]
    [InlineData("\"\\ud800\"\n", "standard input, line 1: not a JSON string", "--jsonl")]
    public async Task Bad_input_gets_one_line_that_names_the_place(string input, string expected, params string[] options)
    {
        CliResult result =
            await TestCli.RunAsync(["tokenize", "--model", VocabularyOf("llama-spm"), .. options], Encoding.UTF8.GetBytes(input));
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("edgellm: " + expected, result.Error);
        Assert.Equal(1, result.Error.Count(c => c == '\n'));
    }

    [Fact]
    public async Task A_missing_model_and_a_file_that_is_none_get_one_line()
    {
        using var folder = new TemporaryFolder();
        CliResult missing = await TestCli.RunAsync("tokenize", "--model", folder.PathOf("no.gguf"));
        Assert.Equal((1, ""), (missing.ExitCode, missing.Output));
        Assert.Equal($"edgellm: {folder.PathOf("no.gguf")}: there is no such file\n", missing.Error);

        string text = folder.Write("text.gguf", "This is text and no model, however long it may be.");
        CliResult other = await TestCli.RunAsync("tokenize", "--model", text);
        Assert.Equal((1, ""), (other.ExitCode, other.Output));
        Assert.StartsWith($"edgellm: {text}: ", other.Error);
        Assert.Equal(1, other.Error.Count(c => c == '\n'));
    }

    private static string VocabularyOf(string name) => SharedFolder.Require("golden", "tokenizers", $"ggml-vocab-{name}.gguf");

    private static async Task<string> OutputOf(string input, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["tokenize", .. options], Encoding.UTF8.GetBytes(input));
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return result.Output;
    }
}
