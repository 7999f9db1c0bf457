using System.Globalization;
using System.Text.Json;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>How well a model predicts a text.</summary>
/// <param name="Perplexity">exp of the mean of -log p over the predicted tokens.</param>
/// <param name="Windows">Windows that were scored.</param>
/// <param name="Tokens">Tokens that were predicted.</param>
/// <param name="Divergence">How it differs from the reference model; null where there is none.</param>
internal sealed record PerplexityReport(double Perplexity, int Windows, int Tokens, DivergenceReport? Divergence)
{
    public void WriteJson(Stream output)
    {
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            json.WriteNumber("perplexity", Perplexity);
            json.WriteNumber("windows", Windows);
            json.WriteNumber("tokens", Tokens);
            if (Divergence is not null)
            {
                json.WriteNumber("reference_perplexity", Divergence.ReferencePerplexity);
                json.WriteNumber("kl_mean", Divergence.Mean);
                json.WriteNumber("kl_median", Divergence.Median);
                json.WriteNumber("kl_99", Divergence.Percentile99);
                json.WriteNumber("same_top", Divergence.SameTop);
            }
            json.WriteEndObject();
        }
        output.Write("\n"u8);
    }

    public void WriteText(TextWriter output)
    {
        output.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"perplexity     {Perplexity:F4} ({Tokens} predictions in {Windows} windows)"));
        if (Divergence is null) return;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"reference's    {Divergence.ReferencePerplexity:F4}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"KL divergence  mean {Divergence.Mean:F5}, median {Divergence.Median:F5}, 99 % {Divergence.Percentile99:F5}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"same top token {Divergence.SameTop * 100:F2} %"));
    }
}
