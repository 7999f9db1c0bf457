using EdgeLlm.Cli;
using EdgeLlm.Cli.Commands;

LastHandler.Install();
StandardStreams.Guard();
return await CommandRunner.RunAsync(EdgeLlmCommand.Create(), args).ConfigureAwait(false);
