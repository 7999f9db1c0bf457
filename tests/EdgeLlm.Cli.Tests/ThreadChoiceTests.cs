using EdgeLlm.Cli.Bench;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Files;
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
    public void The_fewest_threads_win_that_others_do_not_beat_by_much(double[] rates, int expected) =>
        Assert.Equal(expected, ThreadTuning.Fewest(rates));

    [Theory]
    [InlineData(100, 92, true)]
    [InlineData(100, 85, false)]
    public void Numbers_are_steady_where_the_rounds_of_the_fastest_are_within_ten_percent(double best, double worst, bool expected)
    {
        double[,] prompt = { { 0, 0, 0 }, { 50, 10, 50 }, { best, worst, best } }, decode = { { 0, 0, 0 }, { 20, 20, 20 }, { 20, 5, 20 } };
        ThreadMeasurement found = ThreadTuning.Choose(prompt, decode);
        Assert.Equal(new ThreadChoice(2, 1), found.Choice);
        Assert.Equal(expected, found.IsSteady);
    }

    [Fact]
    public async Task Bench_remembers_nothing_of_other_sizes_than_the_usual_and_says_so()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        Dictionary<string, string?> environment = new() { ["XDG_STATE_HOME"] = _folder.Root };
        string[] arguments = ["bench", "--model", path, "--prompt", "4", "--decode", "2", "--rounds", "1", "--json"];
        CliResult small = await TestCli.RunAsync(arguments, input: null, environment);
        Assert.Equal((0, ""), (small.ExitCode, small.Error)); // not even measured
        CliResult asked = await TestCli.RunAsync([.. arguments, "--tune"], input: null, environment);
        Assert.Contains("not remembered, as --prompt, --decode, --depth or --rounds is not the usual one", asked.Error);
        Assert.False(File.Exists(FileOfChoice));
    }

    [Fact]
    public async Task The_first_bench_of_the_usual_sizes_says_what_it_remembers_where_or_why_not()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        Dictionary<string, string?> environment = new() { ["XDG_STATE_HOME"] = _folder.Root };
        CliResult first = await TestCli.RunAsync(["bench", "--model", path, "--json"], input: null, environment);
        Assert.Equal(0, first.ExitCode);
        if (File.Exists(FileOfChoice)) Assert.EndsWith($"remembered for later runs in {FileOfChoice}\n", first.Error);
        else Assert.Contains("not remembered, as rounds differ by", first.Error);
    }

    [Fact]
    public async Task Later_runs_take_what_was_remembered_and_a_damaged_file_is_as_none()
    {
        string path = SharedFolder.Require("models", "stories260K.f32.gguf");
        Dictionary<string, string?> environment = new() { ["XDG_STATE_HOME"] = _folder.Root };
        string[] arguments = ["bench", "--model", path, "--prompt", "4", "--decode", "2", "--rounds", "1", "--json"];
        _folder.Write("edgellm/threads.json",
            $"{{\"machine\":\"{Processor.Name(SystemFiles.OfThisMachine)}, {Environment.ProcessorCount} cores\",\"prompt\":3,\"decode\":1}}");
        string output = (await TestCli.RunAsync(arguments, input: null, environment)).Output;
        Assert.Contains("\"threads\": 3", output);
        Assert.Contains("\"decode_threads\": 1", output);
        await File.WriteAllTextAsync(FileOfChoice, "{ damaged");
        Assert.DoesNotContain("\"threads\": 3", (await TestCli.RunAsync(arguments, input: null, environment)).Output);
    }

    private string FileOfChoice => Path.Combine(_folder.Root, "edgellm", "threads.json");
}
