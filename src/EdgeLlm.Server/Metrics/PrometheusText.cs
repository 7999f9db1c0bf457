using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace EdgeLlm.Server.Metrics;

/// <summary>
/// A meter's instruments in Prometheus' text format 0.0.4, with names as OpenTelemetry maps them (gen_ai.server.request.duration in s
/// becomes gen_ai_server_request_duration_seconds). Its own writer, since OpenTelemetry's exporter for it is served as a beta only. Calls
/// may come from any thread.
/// </summary>
internal sealed class PrometheusText : IDisposable
{
    /// <summary>Most sets of attributes of an instrument: a client can't fill the memory with names.</summary>
    private const int MostSeries = 200;

    private readonly Lock _gate = new();
    private readonly MeterListener _listener = new();
    private readonly Dictionary<Instrument, SortedDictionary<string, Series>> _instruments = [];

    public PrometheusText(Meter meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter == meter) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    /// <summary>The type of the text.</summary>
    public static string ContentType => "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>All of them now.</summary>
    public string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        lock (_gate)
        {
            foreach ((Instrument instrument,
                SortedDictionary<string, Series> all) in _instruments.OrderBy(one => one.Key.Name, StringComparer.Ordinal))
                Write(text, instrument, all);
        }
        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    private static void Write(StringBuilder text, Instrument instrument, SortedDictionary<string, Series> all)
    {
        bool isCounter = instrument is Counter<long>, isHistogram = Buckets(instrument).Length > 0;
        string name = NameOf(instrument) + (isCounter ? "_total" : "");
        text.Append(CultureInfo.InvariantCulture,
            $"# HELP {name} {instrument.Description}\n# TYPE {name} {(isHistogram ? "histogram" : isCounter ? "counter" : "gauge")}\n");
        foreach ((string labels, Series series) in all)
        {
            if (!isHistogram)
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}{(labels.Length > 0 ? $"{{{labels}}}" : "")} {series.Sum}\n");
                continue;
            }
            string before = labels.Length > 0 ? labels + "," : "", around = labels.Length > 0 ? $"{{{labels}}}" : "";
            double[] buckets = Buckets(instrument);
            long below = 0;
            for (int i = 0; i < buckets.Length; i++)
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{before}le=\"{buckets[i]}\"}} {below += series.Counts![i]}\n");
            text.Append(CultureInfo.InvariantCulture,
                $"{name}_bucket{{{before}le=\"+Inf\"}} {series.Count}\n{name}_sum{around} {series.Sum}\n{name}_count{around} {series.Count}\n");
        }
    }

    private static string NameOf(Instrument instrument)
    {
        string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", "Cel" => "_celsius", "Hz" => "_hertz", _ => "" };
        return instrument.Name.Replace('.', '_') + unit;
    }

    private static double[] Buckets(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        _ => [],
    };

    private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new StringBuilder();
        foreach ((string name, object? value) in tags)
        {
            if (labels.Length > 0) labels.Append(',');
            labels.Append(name.Replace('.', '_')).Append("=\"");
            labels.Append(value?.ToString()?.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
                .Replace("\n", "\\n", StringComparison.Ordinal)).Append('"');
        }
        return labels.ToString();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string labels = LabelsOf(tags);
        lock (_gate)
        {
            if (!_instruments.TryGetValue(instrument, out SortedDictionary<string, Series>? all))
                _instruments.Add(instrument, all = new SortedDictionary<string, Series>(StringComparer.Ordinal));
            if (!all.TryGetValue(labels, out Series? series))
            {
                if (all.Count >= MostSeries) return;
                all.Add(labels, series = new Series());
            }
            if (instrument.IsObservable)
            {
                series.Sum = value;
                return;
            }
            series.Sum += value;
            series.Count++;
            double[] buckets = Buckets(instrument);
            if (buckets.Length == 0) return;
            series.Counts ??= new long[buckets.Length + 1];
            int at = Array.FindIndex(buckets, bound => value <= bound);
            series.Counts[at < 0 ? buckets.Length : at]++;
        }
    }

    private sealed class Series
    {
        public double Sum { get; set; }

        public long Count { get; set; }

        /// <summary>[bucket + 1] values in each, the last one above all bounds.</summary>
        public long[]? Counts { get; set; }
    }
}
