using EdgeLlm.Cli.Bench;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests;

public sealed class ThreadChoiceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(new double[] { 0, 10, 19, 28, 36 }, 4)]
    [InlineData(new double[] { 0, 10, 19, 19.1, 18 }, 2)]
    [InlineData(new double[] { 0, 10, 9, 8, 10.2 }, 1)]
    public void The_fewest_threads_win_that_others_do_not_beat_by_much(double[] rates, int expected) => Assert.Equal(expected, ThreadTuning.Fewest(rates));

    [Fact]
    public async Task Bench_measures_once_and_later_runs_take_what_it_found()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf"), file = Path.Combine(_folder.Root, "edgellm", "threads.json");
        Dictionary<string, string?> environment = new() { ["XDG_STATE_HOME"] = _folder.Root };
        string[] arguments = ["bench", "--model", path, "--prompt", "4", "--decode", "2", "--rounds", "1", "--json"];
        Assert.Equal(0, (await TestCli.RunAsync(arguments, input: null, environment)).ExitCode);
        string measured = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, measured[..measured.IndexOf("\"prompt\"", StringComparison.Ordinal)] + "\"prompt\":3,\"decode\":1}");
        string output = (await TestCli.RunAsync(arguments, input: null, environment)).Output;
        Assert.Contains("\"threads\": 3", output);
        Assert.Contains("\"decode_threads\": 1", output);
        await File.WriteAllTextAsync(file, "{ damaged");
        Assert.Equal(0, (await TestCli.RunAsync(arguments, input: null, environment)).ExitCode); // and measured again
        Assert.StartsWith("{\"machine\"", await File.ReadAllTextAsync(file));
    }
}
