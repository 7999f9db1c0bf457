using System.CommandLine;
using EdgeLlm.Cli.Explain;
using EdgeLlm.Cli.Run;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm probe`: which of two texts a model finds likelier, pair by pair.</summary>
internal static class ProbeCommand
{
    private static readonly Argument<string> File = new("file")
    {
        Description =
            "A JSON object a line: \"good\" and \"bad\" are the two texts; \"prompt\", if it is there, comes before both and is not "
                + "scored; \"category\" groups pairs",
        HelpName = "FILE.jsonl",
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Print every pair and the sums as JSON" };

    public static Command Create()
    {
        var adapters = new AdapterArguments();
        var command = new Command("probe",
            "Score minimal pairs: by how much a model finds one text likelier than another, with and without an adapter.")
        {
            File, SharedOptions.Model, Json, SharedOptions.Context, SharedOptions.Threads, SharedOptions.Kernel, SharedOptions.CacheType,
        };
        adapters.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() =>
        {
            using LanguageModel model = SharedOptions.LoadModel(result);
            AdapterChoice choice = adapters.Open(result, model);
            IReadOnlyList<ProbePair> pairs = ProbePair.ReadFile(result.GetValue(File)!);
            var plain = new ProbeRun(model, null);
            ProbeRun? changed = adapters.Any(result) ? new ProbeRun(model, choice.For(model)) : null;
            ProbeResult[] results =
                [.. pairs.Select(pair => new ProbeResult(pair, plain.Score(pair, cancellation), changed?.Score(pair, cancellation)))];
            if (result.GetValue(Json)) ProbeReport.WriteJson(results);
            else ProbeReport.WriteText(results, Console.Out);
            return ExitCode.Success;
        }, cancellation));
        return command;
    }
}
