using System.CommandLine;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm inspect`: what is in a model's files and what it takes to run it.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string?> Model = new("model")
    {
        Description =
            "A GGUF file, a Hugging Face folder, or a model's name as `edgellm list` shows it (default: the model that comes with the "
                + "program)",
        Arity = ArgumentArity.ZeroOrOne,
        HelpName = "MODEL",
    };

    private static readonly Option<bool> Tensors = new("--tensors") { Description = "List the tensors: name, type, shape, bytes" };
    private static readonly Option<bool> Verify =
        new("--verify") { Description = "Read every weight, too, and say what is out of its bounds (exit code 1 if anything is)" };
    private static readonly Option<bool> Json =
        new("--json") { Description = "Print everything as JSON, long arrays and tensors included; sizes in bytes" };

    private static readonly Option<bool> Card = new("--card")
    {
        Description =
            "Only licence, commercial use, base models, training data, openness, adapters and checksums, as far as the files state them",
    };

    public static Command Create()
    {
        var command = new Command("inspect",
            "Show what a model is: size, licence and origin, memory plan, tensors, metadata. Takes any GGUF file, or a Hugging Face "
                + "folder.")
        {
            Model, SharedOptions.Context, SharedOptions.CacheType, Tensors, Verify, Card, Json,
        };
        command.Aliases.Add("show");
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        if (result.GetValue(Card))
        {
            string named = result.GetValue(Model) ?? "";
            InspectCard.Write(Directory.Exists(named) ? named : ModelStore.OfThisMachine().PathOf(result.GetValue(Model)));
            return ExitCode.Success;
        }
        if (DetectorText.PathOf(result.GetValue(Model)) is { } detector)
        {
            if (result.GetValue(Json)) throw new UsageException("--json is for GGUF files and folders");
            DetectorText.Write(detector);
            return ExitCode.Success;
        }
        using GgufFile file = ModelFile.Open(ModelStore.OfThisMachine().PathOf(result.GetValue(Model)));
        var plan = ModelPlan.Of(file, SharedOptions.ModelOptionsOf(result));
        if (result.GetValue(Verify))
        {
            // Other files than language models that run here may hold whatever they like.
            bool shouldRun = ModelLoader.Architectures.Contains(file.Metadata.GetString("general.architecture", null));
            string[] faults = [.. shouldRun && plan.Problem is { } problem ? [problem] : Array.Empty<string>(), .. WeightCheck.Run(file)];
            foreach (string fault in faults) Console.Error.WriteLine($"edgellm: {Printable.Line(file.Path, 200)}: {fault}");
            if (faults.Length > 0) return ExitCode.Failure;
        }
        if (result.GetValue(Json)) InspectJson.Write(file, plan);
        else InspectText.Write(file, plan, result.GetValue(Tensors));
        if (result.GetValue(Verify) && !result.GetValue(Json))
            Console.WriteLine(Quantity.Text($"all weights of {file.Tensors.Count} tensors are within their bounds"));
        return ExitCode.Success;
    }
}
