using System.CommandLine;
using System.CommandLine.Help;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm`: the command that has all others.</summary>
internal static class EdgeLlmCommand
{
    // Not a RootCommand, whose name is the file's: of `dotnet run` and the portable package EdgeLlm.Cli.
    public static Command Create() => new("edgellm", "EdgeLlm runs small language models on small devices, offline.")
    {
        new HelpOption(),
        new VersionOption(),
        RunCommand.Create(),
        InspectCommand.Create(),
        BenchCommand.Create(),
        DoctorCommand.Create(),
        PullCommand.Create(),
        CreateCommand.Create(),
        QuantizeCommand.Create(),
        MergeCommand.Create(),
        ServeCommand.Create(),
        SnapshotCommand.Create(),
        CacheCommand.Create(),
        KeysCommand.Create(),
        TlsCommand.Create(),
        ListCommand.Create(),
        PsCommand.Create(),
        RemoveCommand.Create(),
        KernelsCommand.Create(),
        LogitsCommand.Create(),
        PerplexityCommand.Create(),
        ExplainCommand.Create(),
        ProbeCommand.Create(),
        SteerCommand.Create(),
        TemplateCommand.Create(),
        TokenizeCommand.Create(),
        PhonemesCommand.Create(),
        EmbedCommand.Create(),
        RerankCommand.Create(),
        SayCommand.Create(),
        VadCommand.Create(),
        WakeCommand.Create(),
        WyomingCommand.Create(),
        AssistantCommand.Create(),
        TranscribeCommand.Create(),
        ListenCommand.Create(),
    };
}
