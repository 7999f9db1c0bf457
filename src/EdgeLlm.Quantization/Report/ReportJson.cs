using System.Text.Encodings.Web;
using System.Text.Json;
using EdgeLlm.Files;

namespace EdgeLlm.Quantization.Report;

/// <summary>
/// The report for programs: one JSON object, names in snake_case, sizes in bytes, divergences in nats, shares from 0 to 1.
/// </summary>
internal static class ReportJson
{
    public static void Write(QuantizationReport report, Stream output)
    {
        using var json =
            new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("model", report.Model);
        json.WriteString("source", report.Source);
        json.WriteNumber("source_bytes", report.SourceBytes);
        json.WriteString("output", report.Output);
        json.WriteNumber("output_bytes", report.OutputBytes);
        json.WriteString("method", report.Method);
        json.WriteString("calibration", report.Calibration);
        json.WriteNumber("lattices", report.Lattices);
        json.WriteNumber("seconds", Math.Round(report.Time.TotalSeconds, 1));
        json.WriteNumber("bits_per_weight", report.BitsPerWeight);
        json.WriteNumber("relative_squared_error", report.Error);
        WriteMeasurement(report.Measurement, json);
        json.WriteObjects("tensors", report.Tensors, tensor =>
        {
            json.WriteString("name", tensor.Name);
            json.WriteNumber("rows", tensor.Rows);
            json.WriteNumber("columns", tensor.Columns);
            json.WriteString("from", tensor.From);
            json.WriteString("to", tensor.To);
            json.WriteNumber("bytes", tensor.Bytes);
            json.WriteNumber("bits_per_weight", tensor.BitsPerWeight);
            if (tensor.Error is { } error) json.WriteNumber("relative_squared_error", error);
        });
        json.WriteObjects("alternatives", report.Alternatives, alternative =>
        {
            json.WriteString("name", alternative.Name);
            json.WriteString("options", alternative.Command);
            json.WriteNumber("bytes", alternative.Bytes);
            json.WriteNumber("relative_squared_error", alternative.Error);
            if (alternative.Divergence is { } divergence) json.WriteNumber("kl_estimate", divergence);
        });
        json.WriteObjects("answers", report.Answers, pair =>
        {
            json.WriteString("question", pair.Question);
            json.WriteString("source", pair.Source);
            json.WriteString("output", pair.Answer);
        });
        json.WriteEndObject();
    }

    private static void WriteMeasurement(Measurement? measurement, Utf8JsonWriter json)
    {
        if (measurement is null)
        {
            json.WriteNull("measurement");
            return;
        }
        json.WriteStartObject("measurement");
        json.WriteString("text", measurement.Text);
        json.WriteNumber("predictions", measurement.Predictions);
        json.WriteNumber("source_perplexity", measurement.SourcePerplexity);
        json.WriteNumber("perplexity", measurement.Perplexity);
        json.WriteNumber("kl_mean", measurement.MeanDivergence);
        json.WriteNumber("kl_median", measurement.MedianDivergence);
        json.WriteNumber("kl_99", measurement.Divergence99);
        json.WriteNumber("same_top", measurement.SameTop);
        json.WriteEndObject();
    }
}
