using System.Globalization;
using System.Net;
using System.Text;

namespace EdgeLlm.Quantization.Report;

/// <summary>The report for people: one page with its plots in it, which asks for nothing from anywhere.</summary>
internal static class ReportHtml
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c2128;--soft:#667085;--line:#d9dee6;--paper:#fff;--card:#f7f8fa;--mark:#c2410c}
        @media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#98a2b3;--line:#343b46;--paper:#14171c;--card:#1c2027;--mark:#fb923c}}
        body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
        h1{font-size:1.5rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2.5rem 0 .25rem}p{margin:.25rem 0 .75rem;color:var(--soft)}
        dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;margin:1.25rem 0}dl div{background:var(--card);border-radius:.5rem;padding:.6rem .8rem}
        dt{font-size:.8rem;color:var(--soft)}dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
        svg{display:block;width:100%;min-width:44rem;height:auto;font:11px system-ui,sans-serif;fill:var(--ink)}svg .axis{stroke:var(--line)}svg .soft{fill:var(--soft)}svg .mark{fill:var(--mark)}
        table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
        th{font-weight:600;font-size:.85rem}td.n,th.n{text-align:right}.answer{white-space:pre-wrap;overflow-wrap:anywhere;width:50%}code{font-size:.85em;white-space:nowrap}.scroll{overflow-x:auto}
        """;

    public static void Write(QuantizationReport report, TextWriter output)
    {
        output.WriteLine(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                + "content=\"width=device-width,initial-scale=1\">");
        output.WriteLine($"<title>{Escape(Path.GetFileName(report.Output))}: how it was made</title><style>{Style}</style></head><body>");
        output.WriteLine(
            $"<h1>{Escape(Path.GetFileName(report.Output))}</h1><p>{Escape(report.Model)}, made by edgellm quantize from {Escape(Path.GetFileName(Path.TrimEndingDirectorySeparator(report.Source)))}: {Escape(report.Method)}{(report.Calibration is null ? "" : $", calibrated with {Escape(report.Calibration)}")}.</p>");
        if (report.Lattices > 0)
            output.WriteLine(
                Text(
                    $"<p>{report.Lattices} matrices were trained for Q4_0: all their weights are on its lattice, and keep its codes.</p>"));
        WriteFigures(report, output);
        WriteErrors(report, output);
        WriteBits(report, output);
        WriteAlternatives(report, output);
        WriteAnswers(report, output);
        WriteTensors(report, output);
        output.WriteLine("</body></html>");
    }

    internal static string Escape(string text) => WebUtility.HtmlEncode(text);

    internal static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static void WriteFigures(QuantizationReport report, TextWriter output)
    {
        var figures = new List<(string Label, string Value)>
        {
            ("size", Text($"{report.OutputBytes / 1e6:F1} MB")), ("source", Text($"{report.SourceBytes / 1e6:F1} MB")),
            ("bits a weight", Text($"{report.BitsPerWeight:F2}")),
            ("error of the weights", Text($"{100 * Math.Sqrt(report.Error):F2} %")),
            ("time",
                report.Time.TotalSeconds < 100 ? Text($"{report.Time.TotalSeconds:F1} s") : Text($"{report.Time.TotalMinutes:F0} min")),
        };
        if (report.Measurement is { } measured)
        {
            figures.Add(("KL divergence, mean", Text($"{measured.MeanDivergence:F4}")));
            figures.Add(("median, 99 %", Text($"{measured.MedianDivergence:F4}, {measured.Divergence99:F3}")));
            figures.Add(("perplexity", Text($"{measured.Perplexity:F2}, source {measured.SourcePerplexity:F2}")));
            figures.Add(("same likeliest token", Text($"{100 * measured.SameTop:F1} %")));
        }
        output.WriteLine("<dl>"
            + string.Concat(figures.Select(figure => $"<div><dt>{Escape(figure.Label)}</dt><dd>{Escape(figure.Value)}</dd></div>"))
            + "</dl>");
        output.WriteLine(report.Measurement is { } text
            ? Text(
                $"<p>Divergence from the source's predictions and perplexity: {text.Predictions} predictions on {Escape(text.Text)}.</p>")
            : "<p>Predictions were not compared with the source's. <code>edgellm perplexity --against</code> does.</p>");
    }

    private static void WriteErrors(QuantizationReport report, TextWriter output)
    {
        output.WriteLine(
            "<h2>Error by layer and kind</h2><p>Root of the mean squared error of the weights, over that of the weights themselves, on "
                + "up to 32 rows of each matrix. "
                +
            "A calibrated file may have more of it and still predict better: it puts errors where they harm least.</p>");
        (string Kind, (double X, double Y)[] Points)[] series =
            [.. report.Tensors.Where(tensor => tensor is { Layer: not null, Error: not null }).GroupBy(tensor => tensor.Kind)
            .Select(group =>
                (group.Key, group.Select(tensor => ((double)tensor.Layer!.Value, 100 * Math.Sqrt(tensor.Error!.Value))).ToArray()))];
        output.WriteLine(series.Length == 0 ? "<p>Nothing was changed.</p>" : SvgPlots.Lines(series, "layer", "%"));
    }

    private static void WriteBits(QuantizationReport report, TextWriter output)
    {
        output.WriteLine("<h2>Bits by tensor</h2><p>Bits a weight, scales included; the darker, the more.</p>");
        output.WriteLine(SvgPlots.Grid([.. report.Matrices]));
    }

    private static void WriteAlternatives(QuantizationReport report, TextWriter output)
    {
        bool estimated = report.Measurement is not null && report.Alternatives.All(alternative => alternative.Divergence is not null);
        output.WriteLine(
            "<h2>Size against quality</h2><p>Other forms of this model with their weights rounded to the nearest, scales searched: size "
                + "of the file, and "
            + (estimated
                ? "KL divergence from the source as it may be expected, half the Fisher information of the source's predictions (two "
                    + "windows of the same text) times the squared errors of some rows of each matrix. "
                    + "It is too low: the rounding of activations is not in it, some thousandths, and of large errors it is the first "
                    + "term of a series "
                    + "(SmolLM2-135M as Q4_0: 0.23 instead of 0.34; as E4 g32: 0.18 instead of 0.20). The filled mark is this file, as "
                    + "measured."
                : "error of the weights on some rows of each matrix. The filled mark is this file.")
            + "</p>");
        output.WriteLine(estimated
            ? SvgPlots.Scatter([.. report.Alternatives.Where(alternative => alternative.Divergence > 0)
                .Select(alternative => (alternative.Name, alternative.Bytes, alternative.Divergence!.Value))],
                (report.OutputBytes, report.Measurement!.MeanDivergence), "")
            : SvgPlots.Scatter([.. report.Alternatives.Where(alternative => alternative.Error > 0)
                .Select(alternative => (alternative.Name, alternative.Bytes, 100 * Math.Sqrt(alternative.Error)))],
                (report.OutputBytes, 100 * Math.Sqrt(report.Error)), "%"));
        output.WriteLine(
            $"<div class=\"scroll\"><table><tr><th>form</th><th>options</th><th class=\"n\">MB</th><th class=\"n\">error, %</th>{(estimated ? "<th class=\"n\">KL, about</th>" : "")}</tr>");
        foreach (Alternative alternative in report.Alternatives)
        {
            string divergence = estimated ? Text($"<td class=\"n\">{alternative.Divergence:0.0000}</td>") : "";
            output.WriteLine(
                Text(
                    $"<tr><td>{Escape(alternative.Name)}</td><td><code>{Escape(alternative.Command)}</code></td><td class=\"n\">{alternative.Bytes / 1e6:F1}</td><td class=\"n\">{100 * Math.Sqrt(alternative.Error):F2}</td>{divergence}</tr>"));
        }
        output.WriteLine("</table></div>");
    }

    private static void WriteAnswers(QuantizationReport report, TextWriter output)
    {
        if (report.Answers.Count == 0) return;
        output.WriteLine(
            "<h2>Answers side by side</h2><p>The likeliest token each time, cut off after some "
                + "words.</p><table><tr><th>source</th><th>this file</th></tr>");
        foreach (AnswerPair pair in report.Answers)
            output.WriteLine(
                $"<tr><th colspan=\"2\">{Escape(pair.Question)}</th></tr><tr><td class=\"answer\">{Escape(pair.Source)}</td><td class=\"answer\">{Escape(pair.Answer)}</td></tr>");
        output.WriteLine("</table>");
    }

    private static void WriteTensors(QuantizationReport report, TextWriter output)
    {
        var rows = new StringBuilder();
        foreach (TensorReport tensor in report.Tensors)
        {
            string error = tensor.Error is { } value ? Text($"{100 * Math.Sqrt(value):F2}") : "";
            rows.Append(
                Text(
                    $"<tr><td>{Escape(tensor.Name)}</td><td>{tensor.Rows} x {tensor.Columns}</td><td>{tensor.From}</td><td>{tensor.To}</td><td class=\"n\">{tensor.Bytes}</td><td class=\"n\">{tensor.BitsPerWeight:F2}</td><td class=\"n\">{error}</td></tr>\n"));
        }
        output.WriteLine(
            $"<h2>All tensors</h2><details><summary>{report.Tensors.Count} tensors</summary><div class=\"scroll\"><table><tr><th>name</th><th>shape</th><th>from</th><th>to</th><th class=\"n\">bytes</th><th class=\"n\">bits</th><th class=\"n\">error, %</th></tr>\n{rows}</table></div></details>");
    }
}
