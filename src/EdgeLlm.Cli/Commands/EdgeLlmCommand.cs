using System.CommandLine;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm`: the command that has all others.</summary>
internal static class EdgeLlmCommand
{
    public static RootCommand Create() => new("EdgeLlm runs small language models on small devices, offline.")
    {
        RunCommand.Create(),
        InspectCommand.Create(),
        BenchCommand.Create(),
        DoctorCommand.Create(),
        PullCommand.Create(),
        QuantizeCommand.Create(),
        ServeCommand.Create(),
        ListCommand.Create(),
        PsCommand.Create(),
        RemoveCommand.Create(),
        KernelsCommand.Create(),
        LogitsCommand.Create(),
        PerplexityCommand.Create(),
        TemplateCommand.Create(),
        TokenizeCommand.Create(),
    };
}
