using System.CommandLine;
using EdgeLlm.Cli.Bench;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm bench`: speed and memory, with the names that llamacpp-bench gives its figures.</summary>
internal static class BenchCommand
{
    private static readonly Option<int?> Prompt = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--prompt", "TOKENS", "Tokens of the prompt test; 0 leaves it out (default: 256)");
    private static readonly Option<int?> Decode = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--decode", "TOKENS", "Tokens of the decode test; 0 leaves it out (default: 64)");
    private static readonly Option<int?> Depth = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--depth", "TOKENS", "Tokens in the context before each measurement, not timed (default: 0)");
    private static readonly Option<int?> Rounds = SharedOptions.Between(1, 10_000, "--rounds", "N", "Rounds to take the median of, after one that does not count (default: 5)");
    private static readonly Option<bool> Tune = new("--tune") { Description = "Find the fastest numbers of threads again and remember them (done by itself the first time, unless --threads says them)" };
    private static readonly Option<bool> Profile = new("--profile") { Description = "Show the time of each operation, too" };
    private static readonly Option<double?> PeerDecode = new("--peer-decode")
    {
        HelpName = "RATE",
        Description = "Tokens/s that another program decodes of the same model: shows what it comes to in GB/s",
    };
    private static readonly Option<string?> PeerModel = new("--peer-model") { HelpName = "FILE", Description = "The file that program reads, if it is another" };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON: tokens/s, seconds, megabytes (10^6 bytes)" };

    public static Command Create()
    {
        var command = new Command("bench", "Measure speed and memory of a model on this machine.")
        {
            SharedOptions.Model, SharedOptions.Threads, SharedOptions.DecodeThreads, Tune, Prompt, Decode, Depth, Rounds, SharedOptions.Kernel, SharedOptions.Chunk, SharedOptions.CacheType, Profile,
            PeerDecode, PeerModel, Json,
        };
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), cancellation));
        return command;
    }

    private static int Run(ParseResult result, CancellationToken cancellation)
    {
        var options = new BenchOptions(result.GetValue(Prompt) ?? 256, result.GetValue(Decode) ?? 64, result.GetValue(Depth) ?? 0, result.GetValue(Rounds) ?? 5, result.GetValue(Profile));
        if ((long)options.Depth + Math.Max(options.Prompt, options.Decode) > ModelOptions.MaximumContextLength) throw new UsageException("--depth and --prompt or --decode together are more tokens than a context can have");
        string path = SharedOptions.ModelPathOf(result);
        Action<string> progress = Terminal.HasPersonOut() ? static text => Console.Error.Write($"\r\e[K{text}") : static _ => { };
        if (result.GetValue(Tune) || (result.GetValue(SharedOptions.Threads) is null && ThreadChoice.Remembered is null))
        {
            if (!ThreadTuning.Measure(path, SharedOptions.ModelOptionsOf(result), progress, cancellation).Remember())
                Console.Error.WriteLine("edgellm: the numbers of threads can't be remembered: the state folder can't be written");
        }
        using var benchmark = new Benchmark(path, SharedOptions.ModelOptionsOf(result) with { Name = ModelStore.NameOf(path) }, options, cancellation);
        BenchResult measured = benchmark.Run(progress);
        if (Terminal.HasPersonOut()) Console.Error.Write("\r\e[K");

        if (result.GetValue(Json)) BenchReport.WriteJson(measured, options);
        else BenchReport.WriteText(measured, options, PeerOf(result, measured));
        return ExitCode.Success;
    }

    /// <summary>Another program's decoding as bytes a second.</summary>
    private static double? PeerOf(ParseResult result, BenchResult measured)
    {
        if (result.GetValue(PeerDecode) is not { } rate) return null;
        long bytes = measured.BytesPerToken;
        if (result.GetValue(PeerModel) is { } path)
        {
            using LanguageModel peer = LanguageModel.Load(path, new ModelOptions { ContextLength = 1, Threads = 1 });
            bytes = Enum.GetValues<Operation>().Sum(operation => peer.Cost(operation).Bytes);
        }
        return rate * bytes;
    }
}
