using System.Text;

namespace EdgeLlm.Cli.Tests;

/// <summary>What a command line left behind.</summary>
internal sealed record CliResult(int ExitCode, byte[] OutputBytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(OutputBytes);
}
