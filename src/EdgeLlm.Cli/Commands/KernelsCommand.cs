using System.CommandLine;
using EdgeLlm.Kernels;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm kernels`: the kernels that this machine can run.</summary>
internal static class KernelsCommand
{
    public static Command Create()
    {
        var command = new Command("kernels", "List the kernels that this processor can run, best first.");
        command.SetAction(_ =>
        {
            foreach (Kernel kernel in Kernel.Available) Console.WriteLine(kernel.Name);
        });
        return command;
    }
}
