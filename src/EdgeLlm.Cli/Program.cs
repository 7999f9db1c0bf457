using EdgeLlm.Cli;
using EdgeLlm.Cli.Commands;

return await CommandRunner.RunAsync(EdgeLlmCommand.Create(), args).ConfigureAwait(false);
