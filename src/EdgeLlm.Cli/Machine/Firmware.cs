using System.ComponentModel;
using System.Diagnostics;

namespace EdgeLlm.Cli.Machine;

/// <summary>A Raspberry Pi's firmware, through its `vcgencmd`.</summary>
internal static class Firmware
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Output of `vcgencmd ARGUMENT`, or null where there is no such program or it does not answer in time.</summary>
    public static string? Ask(string argument)
    {
        try
        {
            using Process? process =
                Process.Start(new ProcessStartInfo("vcgencmd", argument) { RedirectStandardOutput = true, RedirectStandardError = true });
            if (process is null) return null;
            if (!process.WaitForExit(Patience))
            {
                process.Kill();
                return null;
            }
            return process.ExitCode == 0 ? process.StandardOutput.ReadToEnd().Trim() : null;
        }
        catch (Exception exception) when (exception is Win32Exception or InvalidOperationException or IOException)
        {
            return null;
        }
    }
}
