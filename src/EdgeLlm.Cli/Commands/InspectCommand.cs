using System.CommandLine;
using EdgeLlm.Cli.Inspect;
using EdgeLlm.Gguf;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm inspect`: what is in a GGUF file and what it takes to run it.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string?> Model = new("model")
    {
        Description = "A GGUF file, or a model's name as `edgellm list` shows it (default: the model that comes with the program)",
        Arity = ArgumentArity.ZeroOrOne,
        HelpName = "MODEL",
    };

    private static readonly Option<bool> Tensors = new("--tensors") { Description = "List the tensors: name, type, shape, bytes" };
    private static readonly Option<bool> Json = new("--json") { Description = "Print everything as JSON, long arrays and tensors included; sizes in bytes" };

    public static Command Create()
    {
        var command = new Command("inspect", "Show what a model is: size, licence and origin, memory plan, tensors, metadata. Takes any GGUF file.")
        {
            Model, SharedOptions.Context, SharedOptions.CacheType, Tensors, Json,
        };
        command.SetAction(Run);
        return command;
    }

    private static void Run(ParseResult result)
    {
        using GgufFile file = GgufFile.Open(ModelStore.OfThisMachine().PathOf(result.GetValue(Model)));
        var plan = ModelPlan.Of(file, SharedOptions.ModelOptionsOf(result));
        if (result.GetValue(Json)) InspectJson.Write(file, plan);
        else InspectText.Write(file, plan, result.GetValue(Tensors));
    }
}
