using System.CommandLine;
using EdgeLlm.Cli.Bench;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm bench`: speed and memory, with the names that llamacpp-bench gives its figures.</summary>
internal static class BenchCommand
{
    private static readonly Option<int?> Prompt = SharedOptions.AtLeast(0, "--prompt", "TOKENS", "Tokens of the prompt test; 0 leaves it out (default: 256)");
    private static readonly Option<int?> Decode = SharedOptions.AtLeast(0, "--decode", "TOKENS", "Tokens of the decode test; 0 leaves it out (default: 64)");
    private static readonly Option<int?> Depth = SharedOptions.AtLeast(0, "--depth", "TOKENS", "Tokens in the context before each measurement, not timed (default: 0)");
    private static readonly Option<int?> Rounds = SharedOptions.AtLeastOne("--rounds", "N", "Rounds to take the median of, after one that does not count (default: 5)");
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON: tokens/s, seconds, megabytes (10^6 bytes)" };

    public static Command Create()
    {
        var command = new Command("bench", "Measure speed and memory of a model on this machine.")
        {
            SharedOptions.Model, SharedOptions.Threads, Prompt, Decode, Depth, Rounds, SharedOptions.Kernel, SharedOptions.Chunk, SharedOptions.CacheType, Json,
        };
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), cancellation));
        return command;
    }

    private static int Run(ParseResult result, CancellationToken cancellation)
    {
        var options = new BenchOptions(result.GetValue(Prompt) ?? 256, result.GetValue(Decode) ?? 64, result.GetValue(Depth) ?? 0, result.GetValue(Rounds) ?? 5);
        if ((long)options.Depth + Math.Max(options.Prompt, options.Decode) > int.MaxValue) throw new ArgumentException("--depth and --prompt or --decode together are more tokens than a context can have");
        ModelOptions modelOptions = SharedOptions.ModelOptionsOf(result);
        using var benchmark = new Benchmark(SharedOptions.ModelPathOf(result), modelOptions, options, cancellation);
        BenchResult measured = benchmark.Run(Terminal.HasPersonOut() ? static text => Console.Error.Write($"\r\e[K{text}") : static _ => { });
        if (Terminal.HasPersonOut()) Console.Error.Write("\r\e[K");

        if (result.GetValue(Json)) WriteJson(measured, options);
        else WriteText(measured, options);
        return ExitCode.Success;
    }

    private static void WriteText(BenchResult measured, BenchOptions options)
    {
        var report = new Report();
        report.Heading(Printable.Line(measured.Model, 100));
        report.Fields(
        [
            ("processor", $"{Processor.Name(SystemFiles.OfThisMachine)}, {measured.Threads} threads, kernel {measured.Kernel}"),
            ("prompt", measured.PromptRate is { } prompt ? Quantity.Text($"{prompt:F1} tokens/s ({options.Prompt} tokens{After(options)})") : "not measured"),
            ("decode", measured.DecodeRate is { } decode ? Quantity.Text($"{decode:F1} tokens/s ({options.Decode} tokens{After(options)})") : "not measured"),
            ("first token", Quantity.Text($"{measured.FirstToken:F3} s (in this process, from before opening the model to the first token after 13 words)")),
            ("memory", measured.PeakResident is { } resident && measured.PeakAnonymous is { } anonymous
                ? Quantity.Text($"{resident / 1e6:F0} MB at most, {anonymous / 1e6:F0} MB of it its own (the rest is the mapped file)")
                : "not measured on this system"),
        ]);
    }

    private static string After(BenchOptions options) => options.Depth > 0 ? Quantity.Text($" after {options.Depth}") : "";

    private static void WriteJson(BenchResult measured, BenchOptions options) => JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("model", measured.Model);
        json.WriteString("path", measured.Path);
        json.WriteString("cpu", Processor.Name(SystemFiles.OfThisMachine));
        json.WriteString("kernel", measured.Kernel);
        json.WriteNumber("threads", measured.Threads);
        json.WriteNumber("prompt", options.Prompt);
        json.WriteNumber("decode", options.Decode);
        json.WriteNumber("depth", options.Depth);
        json.WriteNumber("rounds", options.Rounds);
        json.WriteNumber("context", measured.ContextLength);
        json.WriteNumber("prompt_tps", measured.PromptRate);
        json.WriteNumber("decode_tps", measured.DecodeRate);
        json.WriteNumber("first_token_s", measured.FirstToken);
        json.WriteNumber("peak_rss_mb", measured.PeakResident / 1e6);
        json.WriteNumber("peak_anonymous_mb", measured.PeakAnonymous / 1e6);
        json.WriteEndObject();
    });
}
