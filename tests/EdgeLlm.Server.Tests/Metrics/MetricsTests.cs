using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using EdgeLlm.Server.Metrics;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Metrics;

public sealed class MetricsTests : IDisposable
{
    private const string Ask =
        """{"model":"tiny","prompt":"Once upon a time","raw":true,"stream":false,"options":{"num_predict":5,"temperature":0}}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm").FullName;

    [Fact]
    public async Task Metrics_count_what_was_asked_and_answered_by_OpenTelemetrys_names()
    {
        await using TestServer server = await TestServer.StartAsync();
        var answer = await server.AskAsync("/api/generate", Ask);
        string text = await WaitForAsync(server, "edgellm_requests_total");
        const string Model =
            """gen_ai_operation_name="text_completion",gen_ai_provider_name="edgellm",gen_ai_request_model="stories260K.f32",gen_ai_response_model="stories260K.f32""";
        Assert.Equal(1, Value(text, $"gen_ai_server_request_duration_seconds_count{{{Model}\"}}"));
        Assert.Equal(1, Value(text, $"gen_ai_server_time_to_first_token_seconds_count{{{Model}\"}}"));
        Assert.Equal(1, Value(text, $"gen_ai_server_time_per_output_token_seconds_bucket{{{Model}\",le=\"+Inf\"}}"));
        Assert.Equal(5, Value(text, $"gen_ai_client_token_usage_sum{{{Model}\",gen_ai_token_type=\"output\"}}"));
        Assert.Equal(answer.GetProperty("prompt_eval_count").GetInt32(), Value(text, "edgellm_prompt_tokens_total"));
        Assert.Equal(0, Value(text, "edgellm_requests_running"));
        Assert.Equal(1, Value(text, "edgellm_models_open"));
        Assert.DoesNotContain("Once upon", text, StringComparison.Ordinal);
        await server.AskAsync("/api/generate", Ask);
        text = await WaitForAsync(server, "edgellm_generated_tokens_total 10");
        Assert.True(Value(text, "edgellm_prompt_tokens_cached_total") > 0);
        foreach (string line in text.TrimEnd('\n').Split('\n'))
            Assert.Matches("^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\\{([a-z_]+=\"[^\"]*\",?)+\\})? [-0-9.E+]+)$", line);
    }

    [Fact]
    public async Task They_are_open_to_this_machine_and_at_their_own_address_which_has_nothing_else()
    {
        await using TestServer server =
            await TestServer.StartAsync(
                new ServerOptions { ApiKey = "0123456789", MetricsListen = new ListenAddress(IPAddress.Loopback, 0) });
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/metrics")).StatusCode);
        using var forwarded = new HttpRequestMessage(HttpMethod.Get, "/metrics");
        forwarded.Headers.Add("X-Forwarded-For", "10.0.0.7");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.Client.SendAsync(forwarded)).StatusCode);
        using var own = new HttpClient { BaseAddress = server.Server.Addresses.Last() };
        using var strange = new HttpRequestMessage(HttpMethod.Get, "/metrics") { Headers = { Host = "prometheus.example.org" } };
        Assert.Equal(HttpStatusCode.OK, (await own.SendAsync(strange)).StatusCode);
        foreach (string path in new[] { "/api/tags", "/", "/health/live", "/v1/models" })
            Assert.Equal(HttpStatusCode.NotFound, (await own.GetAsync(path)).StatusCode);
    }

    [Fact]
    public void A_set_of_attributes_without_end_does_not_fill_the_memory_and_texts_are_quoted()
    {
        using var meter = new Meter("test");
        Counter<long> counter = meter.CreateCounter<long>("some.counter", null, "Help.");
        using var text = new PrometheusText(meter);
        counter.Add(1, new KeyValuePair<string, object?>("model", "a\"b\\c\nd"));
        for (int i = 0; i < 10_000; i++) counter.Add(1, new KeyValuePair<string, object?>("model", i));
        string written = text.Write();
        Assert.Contains("""some_counter_total{model="a\"b\\c\nd"} 1""", written, StringComparison.Ordinal);
        Assert.InRange(written.Split('\n').Length, 100, 210);
    }

    [Fact]
    public void The_machine_tells_its_temperature_its_clock_and_why_it_is_slowed_down()
    {
        Write("sys/class/thermal/thermal_zone0/type", "gpu-thermal");
        Write("sys/class/thermal/thermal_zone0/temp", "30000");
        Write("sys/class/thermal/thermal_zone1/type", "cpu-thermal");
        Write("sys/class/thermal/thermal_zone1/temp", "61234");
        Write("sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1500000");
        Write("sys/devices/platform/soc/soc:firmware/get_throttled", "50005");
        var machine = new MachineState(_folder);
        Assert.Equal((61.234, 1_500_000_000L), (machine.Temperature!.Value, machine.Frequency!.Value));
        Assert.Equal([("under_voltage", true, true), ("frequency_capped", false, false), ("throttled", true, true),
            ("soft_temperature_limit", false, false)], machine.Throttled);
        var nothing = new MachineState(Path.Combine(_folder, "none"));
        Assert.Null(nothing.Temperature);
        Assert.Empty(nothing.Throttled);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>What an answer took is counted after its last byte.</summary>
    private static async Task<string> WaitForAsync(TestServer server, string part)
    {
        string text = "";
        for (int i = 0; i < 6000; i++)
        {
            text = await server.Client.GetStringAsync("/metrics");
            if (text.Contains(part, StringComparison.Ordinal)) return text;
            await Task.Delay(10);
        }
        Assert.Contains(part, text, StringComparison.Ordinal);
        return text;
    }

    private static double Value(string text, string series)
    {
        string line = Assert.Single(text.Split('\n'), line => line.StartsWith(series + " ", StringComparison.Ordinal));
        return double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture);
    }

    private void Write(string path, string text)
    {
        path = Path.Combine(_folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
