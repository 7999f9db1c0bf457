using System.Text.Json;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Bench;

/// <summary>
/// Output of `edgellm bench`. The roofline: bytes that decoding reads over memory's bandwidth, multiply-adds of a prompt over the kernel's
/// peak.
/// </summary>
internal static class BenchReport
{
    /// <param name="peer">Bytes a second of another program's decoding, or null.</param>
    public static void WriteText(BenchResult measured, BenchOptions options, double? peer)
    {
        var report = new Report();
        report.Heading(Printable.Line(measured.Model, 100));
        var fields = new List<(string, string)>
        {
            ("processor",
                $"{Processor.Name(SystemFiles.OfThisMachine)}, {Quantity.Of(measured.Threads, "thread")} ({measured.DecodeThreads} to decode), kernel {measured.Kernel}"),
            ("prompt", measured.PromptRate is { } prompt
                ? Quantity.Text(
                    $"{prompt:F1} tokens/s ({options.Prompt} tokens{After(options)}): {prompt * measured.MultiplyAddsPerToken / 1e9:F1} of {measured.PeakMultiplyAdds / 1e9:F1} billion multiply-adds/s that the kernel makes in the cache, {Percent(prompt * measured.MultiplyAddsPerToken, measured.PeakMultiplyAdds)}")
                : "not measured"),
            ("decode", measured.DecodeRate is { } decode
                ? Quantity.Text(
                    $"{decode:F1} tokens/s ({options.Decode} tokens{After(options)}): {Bandwidth(decode * measured.BytesPerToken, measured)}")
                : "not measured"),
        };
        if (peer is { } bytes) fields.Add(("the other program", $"decodes at {Bandwidth(bytes, measured)}"));
        foreach (ParallelRate rate in measured.Parallel)
        {
            string share = rate.ShareOfPrompt is { } of ? Quantity.Text($", {100 * of:F0} % of the prompt's") : "";
            fields.Add(
                ($"{rate.Answers} together",
                    Quantity.Text(
                        $"{rate.Rate:F1} tokens/s, {rate.Gain:F2}x one alone: {rate.MultiplyAdds / 1e9:F1} billion multiply-adds/s{share}")));
        }
        fields.Add(
            ("first token",
                Quantity.Text(
                    $"{measured.FirstToken:F3} s (in this process, from before opening the model to the first token after 13 words)")));
        fields.Add(("memory", measured.PeakResident is { } resident && measured.PeakAnonymous is { } anonymous
            ? Quantity.Text($"{resident / 1e6:F0} MB at most, {anonymous / 1e6:F0} MB of it its own (the rest is the mapped file)")
            : "not measured on this system"));
        report.Fields(fields);
        if (measured.Profile.Count > 0) WriteProfile(report, measured);
    }

    public static void WriteJson(BenchResult measured, BenchOptions options) => JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("model", measured.Model);
        json.WriteString("path", measured.Path);
        json.WriteString("cpu", Processor.Name(SystemFiles.OfThisMachine));
        json.WriteString("kernel", measured.Kernel);
        json.WriteNumber("threads", measured.Threads);
        json.WriteNumber("decode_threads", measured.DecodeThreads);
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
        json.WriteNumber("read_gbs", measured.ReadBandwidth / 1e9);
        json.WriteNumber("decode_gbs", measured.DecodeRate * measured.BytesPerToken / 1e9);
        json.WriteNumber("peak_gmacs", measured.PeakMultiplyAdds / 1e9);
        json.WriteNumber("prompt_gmacs", measured.PromptRate * measured.MultiplyAddsPerToken / 1e9);
        if (measured.Parallel.Count > 0) WriteParallel(json, measured);
        if (measured.Profile.Count > 0) WriteProfile(json, measured);
        json.WriteEndObject();
    });

    private static void WriteProfile(Report report, BenchResult measured)
    {
        double prompt = measured.Profile.Sum(time => time.Prompt), decode = measured.Profile.Sum(time => time.Decode);
        report.Line();
        report.Table(
            ["operation", "prompt, us a token", "share", "of the peak", "decode, us a token", "share", "of the bandwidth"],
            measured.Profile.Select(time => new[]
            {
                time.Operation.ToString(),
                Microseconds(time.Prompt),
                Percent(time.Prompt, prompt),
                time.MultiplyAdds > 0 && time.Prompt > 1e-6 ? Percent(time.MultiplyAdds / time.Prompt, measured.PeakMultiplyAdds) : "",
                Microseconds(time.Decode),
                Percent(time.Decode, decode),
                time.Bytes > 0 && time.Decode > 0 ? Percent(time.Bytes / time.Decode, measured.ReadBandwidth) : "",
            }), 1, 2, 3, 4, 5, 6);
    }

    private static void WriteParallel(Utf8JsonWriter json, BenchResult measured)
    {
        json.WriteObjects("parallel", measured.Parallel, rate =>
        {
            json.WriteNumber("answers", rate.Answers);
            json.WriteNumber("tps", rate.Rate);
            json.WriteNumber("gain", rate.Gain);
            json.WriteNumber("gmacs", rate.MultiplyAdds / 1e9);
            json.WriteNumber("share_of_prompt", rate.ShareOfPrompt);
        });
    }

    private static void WriteProfile(Utf8JsonWriter json, BenchResult measured)
    {
        json.WriteObjects("profile", measured.Profile, time =>
        {
            json.WriteString("operation", time.Operation.ToString());
            json.WriteNumber("prompt_us", time.Prompt * 1e6);
            json.WriteNumber("decode_us", time.Decode * 1e6);
            json.WriteNumber("bytes", time.Bytes);
            json.WriteNumber("multiply_adds", time.MultiplyAdds);
        });
    }

    private static string Bandwidth(double bytesPerSecond, BenchResult measured) => measured.ReadBandwidth > 0
        ? Quantity.Text(
            $"{bytesPerSecond / 1e9:F1} of {measured.ReadBandwidth / 1e9:F1} GB/s that memory gives, {Percent(bytesPerSecond, measured.ReadBandwidth)}")
        : Quantity.Text($"{bytesPerSecond / 1e9:F1} GB/s");

    private static string Microseconds(double seconds) => Quantity.Text($"{seconds * 1e6:F1}");

    private static string Percent(double part, double whole) => whole > 0 ? Quantity.Text($"{100 * part / whole:F0} %") : "";

    private static string After(BenchOptions options) => options.Depth > 0 ? Quantity.Text($" after {options.Depth}") : "";
}
