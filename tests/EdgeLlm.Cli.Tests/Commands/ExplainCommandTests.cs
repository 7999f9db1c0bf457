using System.Globalization;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>`explain`, `probe` and `steer` on tiny models.</summary>
public sealed class ExplainCommandTests
{
    private const string Hostile = "</script><img src=x onerror=alert(1)>\u2028\u001b[31m\u202e";

    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    [Theory]
    [InlineData("llama"), InlineData("qwen3-5"), InlineData("qwen3-moe"), InlineData("gpt-oss")]
    public async Task Its_json_satisfies_its_schema(string family)
    {
        using var folder = new TemporaryFolder();
        string output = folder.PathOf("out.json");
        CliResult result = await TestCli.RunAsync("explain", "abc def", "-m",
            SharedFolder.Require("golden", "logits", family, "model.gguf"), "--layers", "--tokens", "3", "-o", output);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var schema = JsonDocument.Parse(File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "docs", "explain.schema.json")));
        var document = new SchemaDocument(schema.RootElement, new CompileBudget());
        using var value = JsonDocument.Parse(File.ReadAllText(output));
        Assert.True(new SchemaValidator(document, new CompileBudget()).IsValid(document.Root, value.RootElement));
        JsonElement model = value.RootElement.GetProperty("models")[0];
        Assert.True(model.GetProperty("tokens")[1].GetProperty("layers").GetArrayLength() > 0);
    }

    [Fact]
    public async Task Both_models_of_a_comparison_read_the_same_tokens()
    {
        using var folder = new TemporaryFolder();
        string output = folder.PathOf("out.json");
        CliResult result = await TestCli.RunAsync("explain", "abc", "-m", SharedFolder.Require("golden", "logits", "llama", "model.gguf"),
            "--tokens", "4", "-o", output, "--compare", SharedFolder.Require("golden", "adapters", "qv-r4") + ":0.5");
        Assert.Equal(0, result.ExitCode);
        using var value = JsonDocument.Parse(File.ReadAllText(output));
        int[][] ids = [.. value.RootElement.GetProperty("models").EnumerateArray()
            .Select(model => model.GetProperty("tokens").EnumerateArray().Select(token => token.GetProperty("id").GetInt32()).ToArray())];
        Assert.Equal(2, ids.Length);
        Assert.Equal(ids[0], ids[1]);
        Assert.EndsWith(" + qv-r4", value.RootElement.GetProperty("models")[1].GetProperty("name").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hostile_tokens_names_and_cards_stay_text()
    {
        using var folder = new TemporaryFolder();
        string model = HostileModel(folder), page = folder.PathOf("page.html");
        CliResult terminal = await TestCli.RunAsync("explain", "Once upon", "-m", model, "--layers", "--tokens", "3"),
            written = await TestCli.RunAsync("explain", "Once upon", "-m", model, "--layers", "--tokens", "3", "-o", page);
        Assert.Equal((0, 0), (terminal.ExitCode, written.ExitCode));
        Assert.DoesNotContain(terminal.Output + terminal.Error,
            letter => letter is not '\n' && (char.IsControl(letter) || letter is '\u2028' or '\u202e'));
        string html = File.ReadAllText(page);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.Equal(3, html.Split("</script>").Length); // the data's and the script's own
        Assert.DoesNotContain(html, letter => letter is '\u2028' or '\u001b' or '\u202e');
        CliResult card = await TestCli.RunAsync("inspect", "--card", model);
        Assert.Equal(0, card.ExitCode);
        Assert.DoesNotContain(card.Output, letter => letter is not '\n' && (char.IsControl(letter) || letter is '\u2028' or '\u202e'));
    }

    [Fact]
    public async Task Scores_of_probe_are_sums_of_what_logits_says()
    {
        using var folder = new TemporaryFolder();
        string pairs = folder.Write("pairs.jsonl",
            "{\"prompt\": \"Once upon\", \"good\": \" a time\", \"bad\": \" the dog\", \"category\": \"x\"}\n\n{\"good\": \"The cat "
                + "sat.\", \"bad\": \"Cat the sat.\"}\n");
        CliResult result = await TestCli.RunAsync("probe", pairs, "-m", Stories, "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var scores = JsonDocument.Parse(result.Output);
        using LanguageModel model = LanguageModel.Load(Stories);
        int number = 0;
        foreach ((string prompt, string good, string bad) in new[] { ("Once upon", " a time", " the dog"),
            ("", "The cat sat.", "Cat the sat.") })
        {
            JsonElement plain = scores.RootElement.GetProperty("pairs")[number++].GetProperty("plain");
            Assert.Equal(Sum(model, prompt, good), plain.GetProperty("good").GetDouble(), 1e-9);
            Assert.Equal(Sum(model, prompt, bad), plain.GetProperty("bad").GetDouble(), 1e-9);
        }
        CliResult table = await TestCli.RunAsync("probe", pairs, "-m", Stories);
        Assert.Contains("x: 1 pairs, the good text is likelier in", table.Output, StringComparison.Ordinal);
        CliResult wrong = await TestCli.RunAsync("probe", folder.Write("wrong.jsonl", "{\"good\": 1}\n"), "-m", Stories);
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("line 1: ", wrong.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mean"), InlineData("pca")]
    public async Task A_vector_of_steer_moves_margins_to_its_side(string method)
    {
        using var folder = new TemporaryFolder();
        string[] names = ["Tom", "Lily", "Max", "Sara", "Ben", "Mia", "Tim", "Anna", "Sam", "Lucy"];
        string positive = folder.Write("p.txt", string.Join('\n', names.Select(name => $"{name} was happy and glad. {name} smiled"))),
            negative = folder.Write("n.txt", string.Join('\n', names.Select(name => $"{name} was sad and afraid. {name} cried")));
        string pairs = folder.Write("pairs.jsonl",
            string.Join('\n', new[] { "The boy", "The girl", "Her mom", "The cat", "The bird",
                "His dad" }.Select(who => $$"""{"prompt": "{{who}} was very", "good": " happy", "bad": " sad"}""")));
        string vector = folder.PathOf("v.gguf");
        Assert.Equal(0, (await TestCli.RunAsync("steer", positive, negative, "-m", Stories, "-o", vector, "--method", method)).ExitCode);
        double plain = await MarginAsync([]);
        foreach (string scale in new[] { "0.5", "1", "1.5" })
        {
            double up = await MarginAsync(["--control-vector", $"{vector}:{scale}"]),
                down = await MarginAsync(["--control-vector", $"{vector}:-{scale}"]);
            Assert.True(up > plain && down < plain, $"scale {scale}: {down} {plain} {up}");
        }

        async Task<double> MarginAsync(string[] options)
        {
            CliResult result = await TestCli.RunAsync(["probe", pairs, "-m", Stories, "--json", .. options]);
            Assert.Equal((0, ""), (result.ExitCode, result.Error));
            using var scores = JsonDocument.Parse(result.Output);
            return scores.RootElement.GetProperty(options.Length == 0 ? "plain" : "changed").GetProperty("mean_margin").GetDouble();
        }
    }

    [Fact]
    public async Task Run_and_logits_take_adapters_and_name_what_is_wrong_with_them()
    {
        using var folder = new TemporaryFolder();
        string model = SharedFolder.Require("golden", "logits", "llama", "model.gguf"),
            adapter = SharedFolder.Require("golden", "adapters", "all-r8"), ids = folder.Write("ids.txt", "1 2 3\n");
        string plain = (await LogitsAsync()).Output, changed = (await LogitsAsync("--lora", adapter)).Output;
        Assert.NotEqual(plain, changed);
        Assert.Equal(plain, (await LogitsAsync("--lora", adapter + ":0")).Output);
        Assert.NotEqual(changed, (await LogitsAsync("--lora", adapter + ":0.5")).Output);
        Assert.NotEqual(changed,
            (await LogitsAsync("--lora", adapter, "--lora", SharedFolder.Require("golden", "adapters", "qv-r4"))).Output);
        CliResult tooMuch = await LogitsAsync("--lora", adapter + ":17"), missing = await LogitsAsync("--lora", "/nonexistent"),
            refused = await LogitsAsync("--lora", SharedFolder.Require("golden", "adapters", "refuse", "ia3"));
        Assert.Equal((2, 1, 1), (tooMuch.ExitCode, missing.ExitCode, refused.ExitCode));
        Assert.Contains("a scale from -16 to 16", tooMuch.Error, StringComparison.Ordinal);
        Assert.Contains("peft_type is IA3", refused.Error, StringComparison.Ordinal);
        CliResult merged = await TestCli.RunAsync("merge", model, folder.PathOf("merged.gguf"), "--lora", adapter, "--type", "f32");
        Assert.Equal(0, merged.ExitCode);
        CliResult packed = await TestCli.RunAsync("merge", SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            folder.PathOf("x.gguf"), "--lora", adapter);
        Assert.Equal(1, packed.ExitCode);
        Assert.Contains("a base has to be F32, F16 or BF16", packed.Error, StringComparison.Ordinal);

        Task<CliResult> LogitsAsync(params string[] options) =>
            TestCli.RunAsync(["logits", "-m", model, "--ids", ids, "-o", folder.PathOf("out.safetensors"), .. options]);
    }

    private static double Sum(LanguageModel model, string prompt, string text)
    {
        int[] before = model.Tokenizer.Encode(prompt, addSpecial: true), tokens = model.Tokenizer.Encode(prompt + text, addSpecial: true);
        int first = 0, vocabulary = model.Info.VocabularySize;
        while (first < before.Length && before[first] == tokens[first]) first++;
        float[] logits = new float[tokens.Length * vocabulary];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(tokens, cache, logits);
        double sum = 0;
        for (int i = Math.Max(1, first); i < tokens.Length; i++)
        {
            double[] row = [.. logits.AsSpan((i - 1) * vocabulary, vocabulary).ToArray().Select(logit => (double)logit)];
            sum += row[tokens[i]] - row.Max() - Math.Log(row.Sum(logit => Math.Exp(logit - row.Max())));
        }
        return sum;
    }

    /// <summary>A model whose file, name, licence and every third token are hostile.</summary>
    private static string HostileModel(TemporaryFolder folder)
    {
        string path = folder.PathOf("<img onerror=alert(1)>.gguf");
        using GgufFile file = GgufFile.Open(Stories);
        GgufWriter writer = GgufWriter.CopyOf(file);
        GgufStringArray tokens = file.Metadata.GetStringArray("tokenizer.ggml.tokens");
        writer.Set("tokenizer.ggml.tokens",
            GgufValue.OfArray(
                [.. tokens.Select((token, i) => i > 259 && i % 3 == 0 ? Hostile + i.ToString(CultureInfo.InvariantCulture) : token)]));
        foreach (string key in new[] { "general.name", "general.license", "general.license.link", "general.base_model.0.name",
            "general.dataset.0.repo_url" })
            writer.Set(key, GgufValue.Of(Hostile));
        writer.Set("edgellm.merged", GgufValue.OfArray([Hostile]));
        writer.Save(path);
        return path;
    }
}
