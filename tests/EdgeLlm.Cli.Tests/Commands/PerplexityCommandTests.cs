using System.Globalization;
using System.Text.Json;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

public sealed class PerplexityCommandTests
{
    /// <summary>Twice that many tokens and more, so that windows and a rest are there.</summary>
    private const string Story =
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. "
        + "She wanted to play with it, but it was too high. Her mom said, \"Lily, let us go home.\" Lily was sad and did not want to "
        + "go.</s> The end.\n";

    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    [Theory]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(31)]
    public async Task It_is_that_of_a_direct_computation(int context)
    {
        using var folder = new TemporaryFolder();
        using JsonDocument report = await JsonOf("--model", Stories, "--text", folder.Write("text.txt", Story), "--context",
            context.ToString(CultureInfo.InvariantCulture));

        List<Prediction> predictions = Predict(Stories, context);
        int windows = predictions.Count / (context - 1 - context / 2);
        Assert.True(windows > 1);
        Assert.Equal(["perplexity", "windows", "tokens"], report.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Equal(windows, report.RootElement.GetProperty("windows").GetInt32());
        Assert.Equal(predictions.Count, report.RootElement.GetProperty("tokens").GetInt32());
        double expected = Math.Exp(predictions.Average(prediction => -prediction.LogProbabilities[prediction.Token]));
        Assert.Equal(expected, report.RootElement.GetProperty("perplexity").GetDouble(), expected * 1e-9);
    }

    [Fact]
    public async Task Divergence_from_a_reference_is_that_of_a_direct_computation()
    {
        using var folder = new TemporaryFolder();
        string model = SharedFolder.Require("golden", "logits", "llama", "model.gguf"),
            reference = SharedFolder.Require("golden", "logits", "llama-linear", "model.gguf");
        using JsonDocument report =
            await JsonOf("--model", model, "--text", folder.Write("text.txt", Story), "--context", "10", "--against", reference);

        Prediction[] actual = [.. Predict(model, 10)], wanted = [.. Predict(reference, 10)];
        double[] divergences =
            [.. wanted.Zip(actual, (p, q) => p.LogProbabilities.Zip(q.LogProbabilities, (a, b) => Math.Exp(a) * (a - b)).Sum()).Order()];
        double same = wanted.Zip(actual, (p, q) => p.Top == q.Top ? 1.0 : 0).Average();
        Assert.Equal(["perplexity", "windows", "tokens", "reference_perplexity", "kl_mean", "kl_median", "kl_99", "same_top"],
            report.RootElement.EnumerateObject().Select(property => property.Name));
        double referencePerplexity = Math.Exp(wanted.Average(prediction => -prediction.LogProbabilities[prediction.Token]));
        Assert.Equal(referencePerplexity, report.RootElement.GetProperty("reference_perplexity").GetDouble(), referencePerplexity * 1e-9);
        Assert.Equal(divergences.Average(), report.RootElement.GetProperty("kl_mean").GetDouble(), 1e-9);
        Assert.Equal((divergences[(divergences.Length - 1) / 2] + divergences[divergences.Length / 2]) / 2,
            report.RootElement.GetProperty("kl_median").GetDouble(), 1e-9);
        Assert.InRange(report.RootElement.GetProperty("kl_99").GetDouble(), divergences[^3], divergences[^1]);
        Assert.Equal(same, report.RootElement.GetProperty("same_top").GetDouble(), 1e-9);
    }

    [Theory]
    [InlineData("output_norm.weight")]
    [InlineData("token_embd.weight")]
    [InlineData("blk.2.ffn_down.weight")]
    public async Task A_damaged_model_or_a_damaged_file_of_logits_has_no_perplexity(string tensor)
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", Story), damaged = Path.Combine(folder.Root, "damaged.gguf"),
            kept = Path.Combine(folder.Root, "kept");
        byte[] bytes = await File.ReadAllBytesAsync(Stories);
        using (GgufFile file = GgufFile.Open(Stories))
            BitConverter.TryWriteBytes(bytes.AsSpan((int)file.FindTensor(tensor)!.Offset), float.NaN);
        await File.WriteAllBytesAsync(damaged, bytes);
        RequireOneLine(await TestCli.RunAsync("perplexity", "--model", damaged, "--text", text, "--context", "16"));
        RequireOneLine(await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16", "--against", damaged));

        Assert.Equal(0,
            (await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16", "--against", Stories,
                "--keep-logits", kept)).ExitCode);
        byte[] logits = await File.ReadAllBytesAsync(kept);
        BitConverter.TryWriteBytes(logits.AsSpan(32 + 400), float.PositiveInfinity);
        await File.WriteAllBytesAsync(kept, logits);
        RequireOneLine(await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16", "--against",
            Stories, "--keep-logits", kept));

        static void RequireOneLine(CliResult result)
        {
            Assert.Equal((1, ""), (result.ExitCode, result.Output));
            Assert.Contains("not a number", result.Error);
            Assert.Single(result.Error.TrimEnd().Split('\n'));
        }
    }

    [Fact]
    public async Task Kept_logits_of_another_model_with_the_same_header_are_refused()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", Story), other = Path.Combine(folder.Root, "other.gguf"),
            kept = Path.Combine(folder.Root, "kept");
        byte[] bytes = await File.ReadAllBytesAsync(Stories);
        using (GgufFile file = GgufFile.Open(Stories))
            BitConverter.TryWriteBytes(bytes.AsSpan((int)file.FindTensor("output_norm.weight")!.Offset), 3.5f);
        await File.WriteAllBytesAsync(other, bytes);
        string[] options = ["perplexity", "--model", Stories, "--text", text, "--context", "16", "--keep-logits", kept, "--against"];
        Assert.Equal(0, (await TestCli.RunAsync([.. options, Stories])).ExitCode);
        CliResult result = await TestCli.RunAsync([.. options, other]);
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.Contains("has no logits of", result.Error);
    }

    [Fact]
    public async Task A_model_does_not_diverge_from_itself()
    {
        using var folder = new TemporaryFolder();
        using JsonDocument report =
            await JsonOf("--model", Stories, "--text", folder.Write("text.txt", Story), "--context", "24", "--against", Stories);
        Assert.Equal(0, report.RootElement.GetProperty("kl_mean").GetDouble(), 1e-12);
        Assert.Equal(0, report.RootElement.GetProperty("kl_99").GetDouble(), 1e-12);
        Assert.Equal(1, report.RootElement.GetProperty("same_top").GetDouble());
    }

    [Fact]
    public async Task Text_for_people_has_the_same_figures()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", Story);
        using JsonDocument report = await JsonOf("--model", Stories, "--text", text, "--context", "16");
        CliResult result = await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16");
        Assert.Equal(0, result.ExitCode);
        int windows = report.RootElement.GetProperty("windows").GetInt32();
        Assert.Equal(
            string.Create(CultureInfo.InvariantCulture,
                $"perplexity     {report.RootElement.GetProperty("perplexity").GetDouble():F4} ({windows * 7} predictions in {windows} windows)\n"),
            result.Output);
    }

    [Fact]
    public async Task Models_with_other_vocabularies_or_tokenizers_are_not_compared()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", Story);
        string otherSize = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            otherTokenizer = SharedFolder.Require("golden", "logits", "llama", "model.gguf");
        CliResult size =
            await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16", "--against", otherSize);
        Assert.Equal((1, $"edgellm: {otherSize}: its vocabulary of 49152 is not the 512 of {Stories}: predictions can't be compared\n"),
            (size.ExitCode, size.Error));
        CliResult tokenizer =
            await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text, "--context", "16", "--against", otherTokenizer);
        Assert.Equal(
            (1, $"edgellm: {otherTokenizer}: its tokenizer splits the text otherwise than that of {Stories}: predictions can't be "
                + "compared\n"),
            (tokenizer.ExitCode, tokenizer.Error));
    }

    [Fact]
    public async Task A_text_shorter_than_a_window_and_missing_files_get_one_line()
    {
        using var folder = new TemporaryFolder();
        string text = folder.Write("text.txt", "Once"), none = folder.PathOf("none.gguf");
        CliResult shorter = await TestCli.RunAsync("perplexity", "--model", Stories, "--text", text);
        Assert.Equal(1, shorter.ExitCode);
        Assert.EndsWith(" tokens are less than a window of 512: take a longer text or a smaller --context\n", shorter.Error);

        foreach (string[] options in new string[][] { ["--model", Stories, "--text", none], ["--model", none, "--text", text],
            ["--model", Stories, "--text", text, "--against", none] })
        {
            CliResult result = await TestCli.RunAsync(["perplexity", .. options]);
            Assert.Equal((1, ""), (result.ExitCode, result.Output));
            Assert.Contains(none, result.Error);
            Assert.Equal(1, result.Error.Count(c => c == '\n'));
        }
    }

    [Theory]
    [InlineData("--text is required")]
    [InlineData("--context takes a whole number from 3 to 16777216, not '2'", "--text", "text.txt", "--context", "2")]
    public async Task A_wrong_option_is_a_usage_error(string expected, params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["perplexity", .. options]);
        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.Equal($"edgellm: {expected}; see `edgellm perplexity --help`\n", result.Error);
    }

    /// <summary>The protocol once more, as plainly as can be: whole windows at once, all logits.</summary>
    private static List<Prediction> Predict(string path, int context)
    {
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { ContextLength = context });
        int vocabulary = model.Info.VocabularySize, bos = model.Tokenizer.BosId!.Value;
        Assert.True(model.Tokenizer.AddsBos);
        int[] tokens = [bos, .. model.Tokenizer.Encode(Story)];
        var predictions = new List<Prediction>();
        for (int start = 0; start + context <= tokens.Length; start += context)
        {
            int[] window = [bos, .. tokens[(start + 1)..(start + context)]];
            float[] logits = new float[context * vocabulary];
            using KvCache cache = model.CreateCache();
            model.ForwardAll(window, cache, logits);
            for (int i = context / 2 + 1; i < context; i++)
            {
                double[] row = [.. logits.Skip((i - 1) * vocabulary).Take(vocabulary).Select(logit => (double)logit)];
                double sum = Math.Log(row.Sum(Math.Exp));
                predictions.Add(new Prediction(window[i], [.. row.Select(logit => logit - sum)]));
            }
        }
        return predictions;
    }

    private static async Task<JsonDocument> JsonOf(params string[] options)
    {
        CliResult result = await TestCli.RunAsync(["perplexity", .. options, "--json"]);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.Equal('\n', result.Output[^1]);
        return JsonDocument.Parse(result.Output);
    }

    private sealed record Prediction(int Token, double[] LogProbabilities)
    {
        public int Top => Array.IndexOf(LogProbabilities, LogProbabilities.Max());
    }
}
