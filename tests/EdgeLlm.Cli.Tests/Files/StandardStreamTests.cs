using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>The program with standard streams that are closed, full, or something else than programs expect.</summary>
public sealed class StandardStreamTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public StandardStreamTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "redirects as Linux does");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("edgellm run --raw --model MODEL <&-", 1, "standard input: closed")]
    [InlineData("edgellm tokenize --model MODEL <&-", 1, "standard input: closed")]
    [InlineData("edgellm tokenize --jsonl --model MODEL <&-", 1, "standard input: closed")]
    [InlineData("edgellm run --raw --model MODEL < /", 1, "standard input: is a folder, not a file")]
    [InlineData("edgellm run --chat --chat-template chatml --model MODEL < /", 1, "standard input: is a folder, not a file")]
    [InlineData("edgellm tokenize --model MODEL < /", 1, "standard input: is a folder, not a file")]
    [InlineData("edgellm run --chat --chat-template chatml --model MODEL < /dev/zero", 1,
        "standard input: has a line of more than 16777216 characters")]
    [InlineData("edgellm run --raw --model MODEL < /dev/zero", 1, "standard input: has more than the 256 MiB that such a file may have")]
    [InlineData("edgellm tokenize --model MODEL < /dev/zero", 1, "standard input: has more than the 256 MiB that such a file may have")]
    [InlineData("edgellm run --chat --chat-template chatml --model MODEL <&-", 0, null)]
    [InlineData("edgellm rm anything <&-", 1, "there is no model 'anything'")]
    [InlineData("edgellm list >&-", 1, "standard output: closed")]
    [InlineData("edgellm --help >&-", 1, "standard output: closed")]
    [InlineData("edgellm run --raw --model MODEL -n 2 --no-stdin hello >&-", 1, "standard output: closed")]
    [InlineData("edgellm list > /dev/full", 1, "standard output: the disk is full")]
    [InlineData("edgellm list --json > /dev/full", 1, "standard output: the disk is full")]
    [InlineData("edgellm --version > /dev/full", 1, "standard output: the disk is full")]
    [InlineData("edgellm inspect --json MODEL > /dev/full", 1, "standard output: the disk is full")]
    [InlineData("edgellm run --raw --model MODEL -n 2 --no-stdin hello > /dev/full", 1, "standard output: the disk is full")]
    [InlineData("echo hello | edgellm tokenize --model MODEL > /dev/full", 1, "standard output: the disk is full")]
    [InlineData(
        "edgellm template --chat-template chatml --model MODEL --input <(echo '{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}') > /dev/full",
        1, "standard output: the disk is full")]
    [InlineData("edgellm perplexity --model MODEL --text <(printf 'once upon a time %.0s' {1..200}) --context 64 --json > /dev/full", 1,
        "standard output: the disk is full")]
    public async Task Each_is_one_line_and_none_hangs(string script, int exitCode, string? problem)
    {
        // With standard input open and silent, whoever reads on from it would hang.
        CliResult result = await ProgramProcess.RunAsync(script.Replace("MODEL", Model, StringComparison.Ordinal), _folder, input: null);
        Assert.Equal((exitCode, ""), (result.ExitCode, result.Output));
        if (problem is null) Assert.Equal("", result.Error);
        else BadInputTests.RequireOneLine(result.Error);
        Assert.StartsWith(problem is null ? "" : $"edgellm: {problem}", result.Error);
    }

    [Theory]
    [InlineData("2>&-")]
    [InlineData("2>/dev/full")]
    [InlineData("2>&- <&-")]
    [InlineData("2</dev/null")] // open, but not for writing
    public async Task Without_standard_error_commands_do_what_they_do(string redirection)
    {
        CliResult answer = await ProgramProcess.RunAsync(
            $"edgellm run --raw --stats --temperature 0 --model {Model} -n 4 'Once upon a time' {redirection}", _folder);
        Assert.Equal((0, ", there was a\n", ""), (answer.ExitCode, answer.Output, answer.Error));
        Assert.Equal(1, (await ProgramProcess.RunAsync($"edgellm inspect /nonexistent {redirection}", _folder)).ExitCode);
        Assert.Equal(2, (await ProgramProcess.RunAsync($"edgellm nonsense {redirection}", _folder)).ExitCode);
        string packed = _folder.PathOf("packed.gguf");
        Assert.Equal(0, (await ProgramProcess.RunAsync($"edgellm quantize {Model} {packed} --fast {redirection}", _folder)).ExitCode);
        Assert.Equal(0, (await ProgramProcess.RunAsync($"edgellm inspect --verify {packed}", _folder)).ExitCode);
    }

    [Fact]
    public async Task With_all_three_closed_nothing_of_ours_gets_their_numbers()
    {
        string output = _folder.PathOf("logits.safetensors"), ids = _folder.Write("ids", "1 2 3\n");
        CliResult result =
            await ProgramProcess.RunAsync($"exec edgellm logits --model {Model} --ids {ids} --output {output} <&- >&- 2>&-", _folder);
        Assert.Equal(1, result.ExitCode); // the hash has no place
        Assert.Equal(["ids"], Directory.GetFiles(_folder.Root).Select(path => Path.GetFileName(path)));
        string packed = _folder.PathOf("packed.gguf");
        result = await ProgramProcess.RunAsync(
            $"exec edgellm quantize {Model} {packed} --fast --no-report <&- 2>&- >{_folder.PathOf("said")}", _folder);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(0, (await ProgramProcess.RunAsync($"edgellm inspect --verify {packed}", _folder)).ExitCode);
    }

    /// <summary>A full SD card, or a log whose reader has gone.</summary>
    [Theory]
    [InlineData("2>/dev/full")]
    [InlineData("2>&-")]
    [InlineData("2>/dev/full >/dev/full <&-")]
    [InlineData("2> >(exit)")]
    public async Task The_service_lives_on_and_stops_cleanly_where_its_log_can_not_be_written(string redirection)
    {
        int port = FreePort();
        using Process service = ProgramProcess.Start(
            $"exec edgellm serve --model {Model} --chat-template chatml --threads 1 --listen 127.0.0.1:{port} {redirection}", _folder);
        try
        {
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromMinutes(1) };
            await UntilReadyAsync(client, service);
            for (int i = 0; i < 3; i++)
            {
                // Each is a line in the log, the refused one a warning.
                using var question =
                    new StringContent(
                        """{"model": "stories260K.f32", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}""",
                        Encoding.UTF8, "application/json");
                using HttpResponseMessage answer = await client.PostAsync("/v1/chat/completions", question);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
                using var request =
                    new HttpRequestMessage(HttpMethod.Get, "/api/tags") { Headers = { { "Origin", "http://evil.example" } } };
                using HttpResponseMessage refused = await client.SendAsync(request);
                Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            }
            SpecialFile.Run("kill", "-TERM", $"{service.Id}");
            await service.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
            Assert.Equal(0, service.ExitCode);
        }
        finally
        {
            if (!service.HasExited) service.Kill(entireProcessTree: true);
        }
    }

    private static string Model => SharedFolder.Require("models", "stories260K.f32.gguf");

    private static async Task UntilReadyAsync(HttpClient client, Process service)
    {
        for (int i = 0; i < 600 && !service.HasExited; i++)
        {
            try
            {
                using HttpResponseMessage response = await client.GetAsync("/health/ready");
                if (response.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // It does not listen yet.
            }
            await Task.Delay(100);
        }
        Assert.Fail(service.HasExited ? $"the service ended with {service.ExitCode}" : "the service was not ready within a minute");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
