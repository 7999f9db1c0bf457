namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>
/// What people type first who know `ollama run llama3.2 "hi"` or `llama-cli -m x.gguf -p hi -n 20`: each gets an answer, or the line to
/// type instead. Answers are cut at one token by an option more, which is not part of the try.
/// </summary>
public sealed class FirstTriesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Prompts and models that are here: an answer, from the model and to the prompt that are meant.</summary>
    [Theory]
    [InlineData("hi")]
    [InlineData("Why is the sky blue?")]
    [InlineData("Why", "is", "the", "sky", "blue?")]
    [InlineData("SmolLM2-135M-Instruct", "hi")]
    [InlineData("smollm2-135m-instruct:latest", "hi")]
    [InlineData("smollm2", "hi")]
    [InlineData("SmolLM2-135M-Instruct", "Why", "is", "the", "sky", "blue?")]
    [InlineData("-m", "smollm2", "-p", "hi", "-n", "2")]
    [InlineData("-m", "SMOLLM2-135M", "hi", "--verbose")]
    [InlineData("-p", "hi", "-n", "2", "-t", "2", "-c", "256", "--temp", "0")]
    [InlineData("--system-prompt", "Be brief.", "--prompt", "hi")]
    [InlineData("hi", "--temperature", "0", "--seed", "-1")]
    [InlineData("--", "llama3.2")] // prompts that merely look like models
    [InlineData("-m", "smollm2", "llama3.2")]
    [InlineData("42")]
    [InlineData("24/7")]
    [InlineData("COVID-19")]
    [InlineData("TCP/IP")]
    [InlineData("GPT-4?")]
    [InlineData("@home")]
    [InlineData("C#")]
    [InlineData("-5 + 3 = ?")]
    [InlineData("what is llama3.2:1b")]
    public async Task An_answer(params string[] words)
    {
        int dashes = Array.IndexOf(words, "--");
        string[] limit = words.Contains("-n") ? [] : ["-n", "1"];
        string[] line = ["run", .. dashes < 0 ? words : words[..dashes], .. limit, .. dashes < 0 ? [] : words[dashes..]];
        CliResult result = await RunAsync(line);
        Assert.Equal(0, result.ExitCode);
        Assert.NotEqual("", result.Output);
    }

    /// <summary>Models that are not here, and commands and options of other programs: one line that has what to type.</summary>
    [Theory]
    [InlineData(1,
        "edgellm pull bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0; if it is the prompt: edgellm run -- llama3.2", "run", "llama3.2")]
    [InlineData(1,
        "with the default model: edgellm run hi; to get one: edgellm pull bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0; if it is the prompt: edgellm run -- llama3.2 hi",
        "run", "llama3.2", "hi")]
    [InlineData(1, "edgellm run --temp 0 -- llama3.2:1b 'how are you?'", "run", "--temp", "0", "llama3.2:1b", "how are you?")]
    [InlineData(1, "to get one: edgellm pull (lists small models that run here)", "run", "qwen2.5:0.5b")]
    [InlineData(1, "to get one: edgellm pull (lists", "run", "phi3", "hi")]
    [InlineData(1, "did you mean SmolLM2-135M-Instruct? edgellm run SmolLM2-135M-Instruct hi", "run", "smollm2:135m", "hi")]
    [InlineData(1, "did you mean SmolLM2-135M-Instruct? edgellm run SmolLM2-135M-Instruct", "run", "SmolLM2-135M-Instuct")]
    [InlineData(1, "edgellm pull bartowski/Qwen2.5-0.5B-Instruct-GGUF", "run", "bartowski/Qwen2.5-0.5B-Instruct-GGUF", "hi")]
    [InlineData(1, "edgellm pull hf.co/bartowski/qwen:q4_0", "run", "hf.co/bartowski/qwen:q4_0")]
    [InlineData(1, "x.gguf: there is no such file", "run", "x.gguf", "hi")]
    [InlineData(1, "there is no model 'x.gguf'", "run", "-m", "x.gguf", "-p", "hi", "-n", "20")]
    [InlineData(1, "if it is the prompt: edgellm run -- mp3", "run", "mp3")]
    [InlineData(1, "if it is the prompt: edgellm run -- either/or", "run", "either/or")]
    [InlineData(1, "edgellm pull bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0", "run", "-m", "llama3.2", "hi")]
    [InlineData(1, "edgellm pull bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0", "serve", "--model", "llama3.2:1b")]
    [InlineData(1, "edgellm serve starts a service", "ps", "--service", "127.0.0.1:9")]
    [InlineData(2, "edgellm run -m x.gguf -p hi -n 20", "-m", "x.gguf", "-p", "hi", "-n", "20")]
    [InlineData(2, "edgellm run 'Why is the sky blue?'", "Why is the sky blue?")]
    [InlineData(2, "edgellm run -- llama3.2", "llama3.2")]
    [InlineData(2, "did you mean run?", "rin", "llama3.2", "hi")]
    [InlineData(2, "edgellm pull bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_0", "pull", "llama3.2")]
    [InlineData(2, "leave this out", "run", "-m", "smollm2", "-p", "hi", "-ngl", "99")]
    [InlineData(2, "edgellm pull OWNER/NAME", "run", "-hf", "ggml-org/gemma-3-1b-it-GGUF", "-p", "hi")]
    [InlineData(2, "edgellm run < FILE", "run", "-m", "smollm2", "-f", "prompt.txt")]
    [InlineData(2, "--listen 127.0.0.1:PORT", "serve", "-m", "smollm2", "--port", "8080")]
    [InlineData(2, "--parallel", "serve", "-np", "4")]
    [InlineData(2, "did you mean --system?", "run", "--sytem", "Be brief.", "hi")]
    public async Task The_line_to_type(int exitCode, string expected, params string[] line)
    {
        CliResult result = await RunAsync(line);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(expected, Assert.Single(result.Error.TrimEnd().Split('\n')));
        Assert.Empty(result.Output);
    }

    [Fact]
    public async Task A_file_of_any_name_is_a_model_where_it_is_GGUF()
    {
        foreach (string name in (string[])["sha256-abc", "model.gguf"])
        {
            string path = _folder.PathOf(name);
            SampleGguf.Writer().Save(path);
            Assert.Contains("sample", (await RunAsync("run", path, "hi")).Error); // which is no architecture that runs
        }
        string text = _folder.Write("notes", "no model");
        Assert.Equal(0, (await RunAsync("run", "-n", "1", text)).ExitCode);
    }

    public void Dispose() => _folder.Dispose();

    private Task<CliResult> RunAsync(params string[] args) => TestCli.RunAsync(args, null, _folder.Environment);
}
