using System.Globalization;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace EdgeLlm.Server.Metrics;

/// <summary>
/// Sends the metrics to a collector by OTLP, as OpenTelemetry's usual variables of the environment say: OTEL_EXPORTER_OTLP_ENDPOINT (or
/// ..._METRICS_ENDPOINT) turns it on, ..._PROTOCOL (http/protobuf where it is not said, as the specification has it; grpc at its port,
/// 4317), ..._HEADERS, OTEL_METRIC_EXPORT_INTERVAL and the others are the library's; OTEL_SDK_DISABLED=true and OTEL_METRICS_EXPORTER=none
/// turn it off. No traces are sent.
/// </summary>
internal static class OtlpExport
{
    private const string Prefix = "OTEL_EXPORTER_OTLP_", Endpoint = Prefix + "ENDPOINT", MetricsEndpoint = Prefix + "METRICS_ENDPOINT";
    private const int GrpcPort = 4317;

    /// <summary>Begins to send, where the environment asks for it.</summary>
    /// <param name="environment">Gives the value of a variable, or null.</param>
    /// <returns>Ends the sending, after what is left has been sent; null: nothing is sent.</returns>
    public static IDisposable? Begin(Func<string, string?> environment, ServerLog log)
    {
        (string name, string? value) = environment(MetricsEndpoint) is { Length: > 0 } own ? (MetricsEndpoint, own)
            : (Endpoint, environment(Endpoint));
        if (string.IsNullOrEmpty(value) || "true".Equals(environment("OTEL_SDK_DISABLED"), StringComparison.OrdinalIgnoreCase)
            || environment("OTEL_METRICS_EXPORTER") == "none")
            return null;
        if (!Uri.TryCreate(value, UriKind.Absolute, out Uri? endpoint) || endpoint.Scheme is not ("http" or "https"))
        {
            log.Warning($"metrics are not sent: {name} takes an address such as http://collector:4318, not '{Printable.Line(value, 100)}'");
            return null;
        }
        log.Info(
            $"metrics are sent to {endpoint.Scheme}://{endpoint.Authority} (OTLP)"); // the authority has no password, which an address may
        try
        {
            return Sdk.CreateMeterProviderBuilder()
                .ConfigureResource(resource => resource.AddService("edgellm",
                    serviceVersion: typeof(OtlpExport).Assembly.GetName().Version?.ToString(3)).AddEnvironmentVariableDetector())
                .AddMeter(ServiceMetrics.Name)
                .AddOtlpExporter(Set)
                .Build();
        }
        catch (ArgumentException exception)
        {
            log.Warning($"metrics are not sent: a variable OTEL_EXPORTER_OTLP_... is wrong: {Printable.Line(exception.Message, 100)}");
            return null;
        }

        // The library reads the variables of all signals; those of metrics alone it leaves to its callers.
        void Set(OtlpExporterOptions options)
        {
            if (name == MetricsEndpoint) options.Endpoint = endpoint; // as it is: no path is added
            options.Protocol = (Own("PROTOCOL") ?? environment(Prefix + "PROTOCOL")) switch
            {
                "grpc" => OtlpExportProtocol.Grpc,
                "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
                _ => endpoint.Port == GrpcPort ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
            };
            if (Own("HEADERS") is { } headers) options.Headers = headers;
            if (int.TryParse(Own("TIMEOUT"), CultureInfo.InvariantCulture, out int timeout) && timeout > 0)
                options.TimeoutMilliseconds = timeout;
        }

        string? Own(string last) => environment(Prefix + "METRICS_" + last) is { Length: > 0 } set ? set : null;
    }
}
