using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using DeviceOutput = EdgeLlm.Devices.Outputs.Output;

namespace EdgeLlm.Cli.Assistant;

/// <summary>Outputs in their safe states, each by itself, so that one that fails does not keep another from being safe.</summary>
internal static class SafeOutputs
{
    /// <summary>Puts all outputs of config into their safe states, and says so.</summary>
    public static int Run(AssistantSettings settings, Hardware hardware, Action<string> tell)
    {
        bool isSafe = true;
        foreach (AssistantDevice device in settings.Devices.Where(static device => device.IsOutput))
        {
            if (MakeSafe(hardware, device.Device, tell))
                Console.WriteLine($"{Printable.Line(device.Device.Name)}: {(device.Device.IsSafeOn ? "on" : "off")}");
            else isSafe = false;
        }
        return isSafe ? ExitCode.Success : ExitCode.Failure;
    }

    /// <summary>Opens an output, which puts it into its safe state, and lets go of it.</summary>
    /// <returns>Whether that was possible; else the reason is told.</returns>
    public static bool MakeSafe(Hardware hardware, DeviceSettings device, Action<string> tell)
    {
        try
        {
            using DeviceOutput output = DeviceOutput.Open(hardware, device);
            return true;
        }
        catch (DeviceException exception)
        {
            tell(exception.Message);
            return false;
        }
    }
}
