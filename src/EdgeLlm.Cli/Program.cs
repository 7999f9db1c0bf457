using System.CommandLine;
using EdgeLlm.Cli;
using EdgeLlm.Cli.Commands;

var root = new RootCommand("EdgeLlm runs small language models on small devices, offline.")
{
    KernelsCommand.Create(),
};

return await CommandRunner.RunAsync(root, args).ConfigureAwait(false);
