using EdgeLlm.Cli.Pull;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>`pull` without a name, and with names of another library.</summary>
public sealed class RecommendedModelsTests
{
    [Fact]
    public async Task Without_a_name_good_small_models_are_listed_with_licence_and_megabytes()
    {
        CliResult result = await TestCli.RunAsync("pull");
        Assert.Equal(("", 0), (result.Error, result.ExitCode));
        Assert.Contains("2026-11-29", result.Output);
        Assert.Matches(@"HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0 +386 MB\n    English chat and summaries on any Pi \(Apache-2\.0\)\n",
            result.Output);
        Assert.Contains("* Llama 3.2 Community License: commercial use with conditions", result.Output);
        Assert.Contains("* Gemma Terms of Use: commercial use with conditions", result.Output);
        Assert.Matches(@"\n  openai/whisper-tiny\.en ", result.Output);
    }

    [Fact]
    public void Every_reference_means_its_file()
    {
        foreach (RecommendedModel model in RecommendedModels.Load().Models)
        {
            var reference = RepositoryReference.Parse(model.Reference);
            IReadOnlyList<RemoteModel> models = RemoteModel.Of(model.Repository, [new RepositoryFile(model.File, 1, null)]);
            Assert.Equal(model.File, ModelChoice.Named(models, reference.Repository, reference.File!).Model.Files[0].Path);
        }
    }

    [Theory]
    [InlineData("llama3.2", "bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0")]
    [InlineData("llama3.2:1b", "bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0")]
    [InlineData("smollm2:135m", "bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M")]
    [InlineData("smollm2:1.7b", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:Q4_K_M")]
    [InlineData("qwen3:0.6b", "Qwen/Qwen3-0.6B-GGUF:Q8_0")]
    [InlineData("qwen3", "Qwen/Qwen3-0.6B-GGUF:Q8_0")]
    [InlineData("qwen3.5", "ggml-org/Qwen3.5-0.8B-GGUF:Q4_0")]
    [InlineData("gemma3:1b", "ggml-org/gemma-3-1b-it-qat-GGUF:Q4_0")]
    [InlineData("phi4-mini", "unsloth/Phi-4-mini-instruct-GGUF:Q4_K_M")]
    [InlineData("lfm2", "LiquidAI/LFM2-700M-GGUF:Q4_0")]
    [InlineData("tinyllama:latest", "TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF:Q4_K_M")]
    [InlineData("https://ollama.com/library/llama3.2", "bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0")]
    [InlineData("SmolLM2-360M-Instruct", "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0")]
    public async Task A_name_of_Ollamas_library_is_answered_with_the_line_to_type(string name, string reference)
    {
        CliResult result = await TestCli.RunAsync("pull", name);
        Assert.Equal(2, result.ExitCode);
        Assert.EndsWith($": edgellm pull {reference}\n", result.Error);
    }

    [Theory]
    [InlineData("llama3.2:3b")]
    [InlineData("qwen3:32b")]
    [InlineData("deepseek-r1")]
    public async Task One_that_is_not_in_the_list_is_answered_with_where_to_look(string name)
    {
        CliResult result = await TestCli.RunAsync("pull", name);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("https://huggingface.co/models?library=gguf&search=", result.Error);
        Assert.Contains("`edgellm pull` alone", result.Error);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public void The_rows_are_those_of_the_list_that_they_were_copied_from()
    {
        string[] rows = File.ReadAllLines(SharedFolder.Require("research", "models.tsv"));
        Assert.All(RecommendedModels.Load().Models, model =>
            Assert.Contains(rows, row => row.Split('\t') is [var repository, var file, _, var licence, var commercial, var goodFor]
                && (repository, file, licence, commercial, goodFor)
                    == (model.Repository, model.File, model.Licence, model.Commercial, model.GoodFor)));
    }
}
