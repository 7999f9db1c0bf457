using System.CommandLine;
using EdgeLlm.Fuzz;

// fuzz [--cases N] [--kind KIND] [--seed N] [--children N] [--minutes N]; fuzz child FOLDER is what it starts itself.
var cases = new Option<long>("--cases") { Description = "How many mutants", DefaultValueFactory = _ => 20_000 };
var kind = new Option<string?>("--kind") { Description = "Only of this kind (default: all)" };
kind.AcceptOnlyFromAmong([.. FuzzTarget.All.Select(target => target.Name)]);
var seed = new Option<long>("--seed")
{
    Description = "The first case's seed; the same seed is the same case everywhere",
    DefaultValueFactory = _ => 1,
};
var children = new Option<int>("--children")
{
    Description = "Processes at a time (default: one per core)",
    DefaultValueFactory = _ => Environment.ProcessorCount,
};
var minutes =
    new Option<double>("--minutes") { Description = "Begin no new cases after so many minutes", DefaultValueFactory = _ => 24 * 60 };
var folder = new Argument<string>("folder");

var child = new Command("child") { folder };
child.Hidden = true;
child.SetAction(result => ChildLoop.Run(result.GetValue(folder)!));
// fuzz constraints is what tools/test-constraints runs.
var schemas = new Option<int>("--schemas") { DefaultValueFactory = _ => 100 };
var samples = new Option<int>("--samples") { DefaultValueFactory = _ => 2 };
var model = new Option<string>("--model") { Required = true };
var byHand = new Option<string?>("--by-hand");
var output = new Option<string>("--output") { Required = true };
var withoutModel = new Option<bool>("--without-model");
var resumes = new Option<bool>("--resume");
var constraints = new Command("constraints", "Answers of a model within random schemas, for tools/test-constraints to check.") { schemas,
    samples, model, byHand, output, seed, withoutModel, resumes };
constraints.SetAction(result => ConstraintAnswers.Run(
    result.GetRequiredValue(model), result.GetValue(schemas), result.GetValue(samples), (ulong)result.GetValue(seed),
    result.GetValue(byHand), result.GetRequiredValue(output),
    computes: !result.GetValue(withoutModel), result.GetValue(resumes)));
// fuzz adapter is what tools/test-adapters and tools/adapter-cost make their adapters with.
var adapterOf = new Argument<string>("model");
var adapterTo = new Argument<string>("output");
var rank = new Option<int>("--rank") { DefaultValueFactory = _ => 16 };
var change = new Option<double>("--change") { DefaultValueFactory = _ => 0.05 };
var numbers = new Option<string>("--type") { DefaultValueFactory = _ => "F16" };
var adapter = new Command("adapter", "A GGUF adapter of random numbers on all projections of a model.") { adapterOf, adapterTo,
    rank, seed, change, numbers };
adapter.SetAction(result => RandomAdapter.Write(
    result.GetRequiredValue(adapterOf), result.GetRequiredValue(adapterTo), result.GetValue(rank), (int)result.GetValue(seed),
    result.GetValue(change), Enum.Parse<EdgeLlm.Kernels.Formats.ElementType>(result.GetValue(numbers)!)));
var hostile = new Command("hostile",
    "Compiles schemas, patterns and grammars that are made to cost as much as can be; prints processor time and bytes of each.");
hostile.SetAction(_ => HostileForms.Run());
var root = new RootCommand("Feeds damaged files, templates, requests and options to every parser of EdgeLlm, each in a child process.")
    { cases, kind, seed, children, minutes, child, constraints, adapter, hostile };
root.SetAction(result =>
{
    var settings = new FuzzSettings(result.GetValue(cases), result.GetValue(kind), result.GetValue(seed), result.GetValue(children),
        TimeSpan.FromMinutes(result.GetValue(minutes)));
    return new FuzzRun(settings, Console.Out).Run() == 0 ? 0 : 1;
});
return root.Parse(args).Invoke();
