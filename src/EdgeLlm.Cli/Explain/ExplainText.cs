using System.Globalization;
using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Cli.Explain;

/// <summary>Output of `explain` on a terminal: a line a token.</summary>
internal static class ExplainText
{
    private const int Shown = 4, Width = 16;

    public static void Write(IReadOnlyList<ExplainedModel> models, TextWriter output)
    {
        foreach (ExplainedModel model in models)
        {
            if (models.Count > 1) output.WriteLine(Printable.Line(model.Name));
            output.WriteLine($"{"token",-Width}  probability   rank  what was expected");
            foreach (ExplainedToken token in model.Explanation.Tokens)
            {
                string expected = string.Join(", ",
                    token.Candidates.Take(Shown)
                        .Select(candidate => string.Create(CultureInfo.InvariantCulture,
                            $"{Text(model, candidate.Id)} {100 * candidate.Probability:F0} %")));
                output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{Text(model, token.Id),-Width}  {(token.Probability is { } p ? $"{100 * p:F2} %" : ""),11}  {token.Rank,5}  "
                        + $"{expected}")
                    .TrimEnd());
            }
            WriteLens(model, output);
        }
    }

    private static void WriteLens(ExplainedModel model, TextWriter output)
    {
        Explanation explanation = model.Explanation;
        if (explanation.Layers.Count == 0) return;
        ExplainedToken last = explanation.Tokens[^1];
        output.WriteLine("what would come after the last token, if the model ended after a layer:");
        for (int i = 0; i < explanation.Layers.Count; i++)
        {
            string lens = string.Join(", ",
                last.Layers[i].Lens.Take(Shown)
                    .Select(candidate =>
                        string.Create(CultureInfo.InvariantCulture, $"{Text(model, candidate.Id)} {100 * candidate.Probability:F0} %")));
            output.WriteLine($"{explanation.Layers[i],5}  {lens}");
        }
    }

    private static string Text(ExplainedModel model, int id) => $"'{Printable.Line(model.TextOf(id), Width - 2)}'";
}
