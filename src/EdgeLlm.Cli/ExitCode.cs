namespace EdgeLlm.Cli;

/// <summary>Exit codes of the program; the README lists them.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>Something that the command needs is wrong: a file, a model, a template, the network, memory.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl-C.</summary>
    public const int Interrupted = 130;
}
