using System.Diagnostics;
using System.Diagnostics.Metrics;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;

namespace EdgeLlm.Server.Metrics;

/// <summary>
/// Metrics of the service, as instruments of OpenTelemetry: its names for generative AI (gen_ai.*, semantic conventions "gen-ai-metrics")
/// with their units, buckets and attributes, and edgellm.* for what those have no name for. They hold numbers only, no text of anybody.
/// </summary>
internal sealed class ServiceMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string Name = "EdgeLlm";

    private static readonly double[] Durations = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    private static readonly double[] FirstTokens =
        [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 120];
    private static readonly double[] NextTokens = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
    private static readonly long[] Counts = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144];

    private readonly Histogram<long> _tokens;
    private readonly Histogram<double> _duration, _firstToken, _nextTokens, _wait;
    private readonly Counter<long> _prompt, _cached, _generated, _drafted, _accepted, _requests;

    public ServiceMetrics(InferenceEngine engine, MachineState machine)
    {
        Machine = machine;
        Meter = new Meter(Name, typeof(ServiceMetrics).Assembly.GetName().Version?.ToString(3));
        _tokens = Meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Tokens of prompts (input) and answers (output).",
            advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = Counts });
        _duration = Seconds("gen_ai.server.request.duration", "From a request's arrival to its last token.", Durations);
        _firstToken = Seconds("gen_ai.server.time_to_first_token",
            "From a request's arrival, its waiting included, to its first token.", FirstTokens);
        _nextTokens = Seconds("gen_ai.server.time_per_output_token", "Time per token of an answer after the first one.", NextTokens);
        _wait = Seconds("edgellm.queue.wait", "Time that a request waited for its turn.", FirstTokens);
        _requests = Meter.CreateCounter<long>("edgellm.requests", "{request}", "Requests that were answered, by how they ended.");
        _prompt = Meter.CreateCounter<long>("edgellm.prompt.tokens", "{token}", "Tokens of prompts.");
        _cached = Meter.CreateCounter<long>("edgellm.prompt.tokens.cached", "{token}",
            "Tokens of prompts that were computed before and not again.");
        _generated = Meter.CreateCounter<long>("edgellm.generated.tokens", "{token}", "Tokens of answers.");
        _drafted = Meter.CreateCounter<long>("edgellm.drafted.tokens", "{token}",
            "Tokens that were guessed and computed with the one that was due.");
        _accepted = Meter.CreateCounter<long>("edgellm.accepted.tokens", "{token}", "Guessed tokens that were right.");
        Meter.CreateObservableGauge("edgellm.requests.running", () => engine.Running, "{request}", "Answers that are being computed.");
        Meter.CreateObservableGauge("edgellm.requests.waiting", () => engine.Waiting, "{request}", "Requests that wait for their turn.");
        Meter.CreateObservableGauge("edgellm.models.open", () => engine.Open.Count, "{model}", "Models that are loaded.");
        Meter.CreateObservableGauge("edgellm.cache.memory", () => engine.CacheBytes, "By", "Memory of prompts' beginnings that are kept.");
        Meter.CreateObservableGauge("edgellm.memory.available", () => MachineMemory.Available, "By", "Memory that the machine has left.");
        Meter.CreateObservableGauge("edgellm.memory.anonymous", () => Of(machine.AnonymousBytes), "By",
            "Memory of this process that no file backs.");
        Meter.CreateObservableGauge("edgellm.temperature", () => Of(machine.Temperature), "Cel", "Temperature of the processor.");
        Meter.CreateObservableGauge("edgellm.frequency", () => Of(machine.Frequency), "Hz", "Clock of the first processor core.");
        Meter.CreateObservableGauge("edgellm.throttled",
            () => machine.Throttled.Select(
                one => new Measurement<int>(one.Now ? 1 : 0, new KeyValuePair<string, object?>("reason", one.Reason))), null,
                "Whether a Raspberry Pi's firmware slows the processor down now, by reason.");
    }

    /// <summary>All instruments.</summary>
    public Meter Meter { get; }

    /// <summary>The machine that it runs on.</summary>
    public MachineState Machine { get; }

    /// <summary>Sums since the start, for the admin view.</summary>
    public ServiceTotals Totals { get; } = new();

    /// <summary>Counts a request that has ended.</summary>
    public void Add(WatchedAnswer watched)
    {
        GenerationStatistics took = watched.Answer!.Statistics;
        bool failed = took.FinishReason == FinishReason.None;
        string model = watched.Answer.Model.Name;
        double seconds = Stopwatch.GetElapsedTime(watched.Began).TotalSeconds;
        Totals.Add(took, failed);
        TagList tags = new() { { "gen_ai.operation.name", watched.Operation }, { "gen_ai.provider.name", "edgellm" },
            { "gen_ai.request.model", model }, { "gen_ai.response.model", model } };
        TagList ended = tags;
        if (failed) ended.Add("error.type", took.PromptTokens > 0 ? "unfinished" : "not_begun");
        _requests.Add(1, new TagList { { "model", model }, { "end", failed ? "unfinished" : took.FinishReason.ToString() } });
        _duration.Record(seconds, ended);
        if (took.PromptTokens == 0) return; // it never began
        _wait.Record(watched.Answer.Waited.TotalSeconds, tags);
        _prompt.Add(took.PromptTokens);
        _cached.Add(took.CachedTokens);
        _generated.Add(took.GeneratedTokens);
        _drafted.Add(took.DraftedTokens);
        _accepted.Add(took.AcceptedTokens);
        Usage("input", took.PromptTokens);
        Usage("output", took.GeneratedTokens);
        if (took.GeneratedTokens > 0) _firstToken.Record((watched.Answer.Waited + took.TimeToFirstToken).TotalSeconds, tags);
        if (took.GeneratedTokens > 1) _nextTokens.Record(took.DecodeTime.TotalSeconds / (took.GeneratedTokens - 1), tags);

        void Usage(string type, int tokens)
        {
            TagList typed = tags;
            typed.Add("gen_ai.token.type", type);
            _tokens.Record(tokens, typed);
        }
    }

    public void Dispose() => Meter.Dispose();

    private Histogram<double> Seconds(string name, string description, double[] buckets) =>
        Meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = buckets });

    private static IEnumerable<Measurement<T>> Of<T>(T? value) where T : struct => value is { } there ? [new Measurement<T>(there)] : [];
}

/// <summary>Totals of the service since its start. Calls may come from any thread.</summary>
internal sealed class ServiceTotals
{
    private readonly Lock _gate = new();
    private Sums _sums;

    public Sums Now
    {
        get
        {
            lock (_gate) return _sums;
        }
    }

    public void Add(GenerationStatistics took, bool failed)
    {
        lock (_gate)
        {
            _sums = new Sums(
                _sums.Answered + (failed ? 0 : 1), _sums.Failed + (failed ? 1 : 0), _sums.PromptTokens + took.PromptTokens,
                _sums.CachedTokens + took.CachedTokens,
                _sums.GeneratedTokens + took.GeneratedTokens, _sums.PromptSeconds + took.TimeToFirstToken.TotalSeconds,
                _sums.DecodeSeconds + took.DecodeTime.TotalSeconds);
        }
    }

    /// <param name="PromptSeconds">Time to the first tokens, without waiting.</param>
    /// <param name="DecodeSeconds">Time from the first tokens to the last; of answers at once, of each.</param>
    public readonly record struct Sums(long Answered, long Failed, long PromptTokens, long CachedTokens, long GeneratedTokens,
        double PromptSeconds, double DecodeSeconds);
}
