using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using EdgeLlm.Cli.Bench;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Run;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm bench`: speed and memory, with the names that llamacpp-bench gives its figures.</summary>
internal static class BenchCommand
{
    private static readonly Option<int?> Prompt = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--prompt", "TOKENS",
        "Tokens of the prompt test; 0 leaves it out (default: 256)", "-p");
    private static readonly Option<int?> Decode = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--decode", "TOKENS",
        "Tokens of the decode test; 0 leaves it out (default: 64)", "-n");
    private static readonly Option<int?> Depth = SharedOptions.Between(0, ModelOptions.MaximumContextLength, "--depth", "TOKENS",
        "Tokens in the context before each measurement, not timed (default: 0)", "-d");
    private static readonly Option<int?> Rounds =
        SharedOptions.Between(1, 10_000, "--rounds", "N", "Rounds to take the median of, after one that does not count (default: 5)", "-r");
    private static readonly Option<bool> Tune = new("--tune")
    {
        Description =
            "Find the fastest numbers of threads again (done by itself the first time, unless --threads or other sizes are given) and "
                + "remember them, where the sizes are the usual ones and the rounds within 10 % of each other",
    };
    private static readonly Option<bool> Profile = new("--profile") { Description = "Show the time of each operation, too" };
    private static readonly Option<IReadOnlyList<int>?> Parallel = new("--parallel")
    {
        Description =
            $"Numbers of answers that decode together, separated by commas (1,2,4,8): also measures what they reach, over one alone and over a prompt; at most {LanguageModel.MostSequences}",
        HelpName = "LIST",
        CustomParser = ParseParallel,
    };
    private static readonly Option<double?> PeerDecode = new("--peer-decode")
    {
        HelpName = "RATE",
        Description = "Tokens/s that another program decodes of the same model: shows what it comes to in GB/s",
    };
    private static readonly Option<string?> PeerModel =
        new("--peer-model") { HelpName = "FILE", Description = "The file that program reads, if it is another" };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON: tokens/s, seconds, megabytes (10^6 bytes)" };

    private static readonly AdapterArguments Adapters = new();

    public static Command Create()
    {
        var command = new Command("bench", "Measure speed and memory of a model on this machine.")
        {
            SharedOptions.Model, SharedOptions.Threads, SharedOptions.DecodeThreads, Tune, Prompt, Decode, Depth, Rounds,
            SharedOptions.Kernel, SharedOptions.Chunk, SharedOptions.CacheType, Profile, Parallel,
            PeerDecode, PeerModel, Json,
        };
        Adapters.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), cancellation));
        return command;
    }

    private static int Run(ParseResult result, CancellationToken cancellation)
    {
        BenchOptions usual = BenchOptions.Default;
        var options = new BenchOptions(
            result.GetValue(Prompt) ?? usual.Prompt, result.GetValue(Decode) ?? usual.Decode, result.GetValue(Depth) ?? usual.Depth,
            result.GetValue(Rounds) ?? usual.Rounds, result.GetValue(Profile))
        { Parallel = result.GetValue(Parallel) ?? [] };
        if ((long)options.Depth + Math.Max(options.Prompt, options.Decode) > ModelOptions.MaximumContextLength)
            throw new UsageException("--depth and --prompt or --decode together are more tokens than a context can have");
        if (options is { Parallel.Count: > 0, Decode: 0 })
            throw new UsageException("--parallel measures decoding: it takes a --decode that is not 0");
        string path = SharedOptions.ModelPathOf(result);
        Action<string> progress = StandardStreams.HasPersonOut() ? static text => Console.Error.Write($"\r\e[K{text}") : static _ => { };
        ModelOptions modelOptions = SharedOptions.ModelOptionsOf(result);
        bool isFirst = result.GetValue(SharedOptions.Threads) is null && options.IsUsual && ThreadChoice.Remembered is null;
        if (result.GetValue(Tune) || isFirst)
        {
            ThreadMeasurement found = ThreadTuning.Measure(path, modelOptions, progress, cancellation);
            modelOptions = modelOptions with { Threads = found.Choice.Prompt, DecodeThreads = found.Choice.Decode };
            if (StandardStreams.HasPersonOut()) Console.Error.Write("\r\e[K");
            Console.Error.WriteLine(
                $"edgellm: fastest with {Quantity.Of(found.Choice.Prompt, "thread")} for prompts and {found.Choice.Decode} to decode: {Remember(found, options)}");
        }
        using var benchmark = new Benchmark(path, modelOptions with { Name = ModelStore.NameOf(path) }, options, cancellation);
        if (Adapters.Any(result)) benchmark.Adapt(model => Adapters.Open(result, model).For(model));
        BenchResult measured = benchmark.Run(progress);
        if (StandardStreams.HasPersonOut()) Console.Error.Write("\r\e[K");

        if (result.GetValue(Json)) BenchReport.WriteJson(measured, options);
        else BenchReport.WriteText(measured, options, PeerOf(result, measured));
        return ExitCode.Success;
    }

    private static List<int>? ParseParallel(ArgumentResult result)
    {
        var numbers = new List<int>();
        string text = result.Tokens[0].Value;
        foreach (string part in text.Split(','))
        {
            if (int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                && number is >= 1 and <= LanguageModel.MostSequences)
                numbers.Add(number);
            else
                result.AddError(
                    $"--parallel takes whole numbers from 1 to {LanguageModel.MostSequences}, separated by commas, not '{text}'");
        }
        return numbers;
    }

    /// <summary>Keeps numbers of threads for later runs, where they are worth it; says what became of them.</summary>
    private static string Remember(ThreadMeasurement found, BenchOptions options)
    {
        if (!options.IsUsual) return "not remembered, as --prompt, --decode, --depth or --rounds is not the usual one";
        if (!found.IsSteady)
            return Quantity.Text(
                $"not remembered, as rounds differ by {100 * found.Spread:F0} % (this machine does other work): try again later with --tune");
        string file = Printable.Line(ThreadChoice.FilePath);
        return found.Choice.Remember() ? $"remembered for later runs in {file}" : $"not remembered, as {file} can't be written";
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
