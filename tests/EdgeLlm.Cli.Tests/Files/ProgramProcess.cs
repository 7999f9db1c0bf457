using System.Diagnostics;

namespace EdgeLlm.Cli.Tests.Files;

/// <summary>The built program under a shell, which closes or redirects what a test wants.</summary>
internal static class ProgramProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>What a shell script calls the program: `edgellm ARGUMENTS`, in the place of the shell where `exec` is before it.</summary>
    public static Process Start(string script, TemporaryFolder folder, params (string Name, string Value)[] environment)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "needs bash");
        // Without double mapping the runtime itself makes no file, which a limit would hit.
        var start = new ProcessStartInfo("/bin/bash",
            ["-c", script.Replace("edgellm ", "dotnet \"$0\" ", StringComparison.Ordinal),
                Path.Combine(AppContext.BaseDirectory, "EdgeLlm.Cli.dll")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder.Root,
        };
        start.Environment["XDG_DATA_HOME"] = start.Environment["XDG_STATE_HOME"] = start.Environment["HF_HOME"] = folder.Root;
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.Environment.Remove("JOURNAL_STREAM");
        foreach ((string name, string value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs a script to its end; one that hangs is ended and fails the test.</summary>
    /// <param name="input">Standard input; null: open, and nothing comes.</param>
    public static async Task<CliResult> RunAsync(string script, TemporaryFolder folder, string? input = "",
        params (string Name, string Value)[] environment)
    {
        using Process process = Start(script, folder, environment);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input);
                process.StandardInput.Close();
            }
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync().WaitAsync(Patience);
            return new CliResult(process.ExitCode, System.Text.Encoding.UTF8.GetBytes(await output), await error);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }
}
