using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Machine;

/// <summary>Name of the processor, and the instructions that the runtime finds.</summary>
internal static class Processor
{
    // "CPU part" of /proc/cpuinfo for implementer 0x41 (Arm), out of the cores' technical reference manuals (MIDR_EL1).
    private static readonly Dictionary<string, string> ArmParts = new()
    {
        ["0xd03"] = "Cortex-A53",
        ["0xd04"] = "Cortex-A35",
        ["0xd05"] = "Cortex-A55",
        ["0xd07"] = "Cortex-A57",
        ["0xd08"] = "Cortex-A72",
        ["0xd09"] = "Cortex-A73",
        ["0xd0a"] = "Cortex-A75",
        ["0xd0b"] = "Cortex-A76",
        ["0xd0c"] = "Neoverse-N1",
        ["0xd0d"] = "Cortex-A77",
        ["0xd40"] = "Neoverse-V1",
        ["0xd41"] = "Cortex-A78",
        ["0xd49"] = "Neoverse-N2",
        ["0xd4f"] = "Neoverse-V2",
    };

    /// <summary>Such as `AMD EPYC` or `Raspberry Pi 5 Model B Rev 1.0, Cortex-A76`; at least the architecture.</summary>
    public static string Name(SystemFiles files)
    {
        string? board = Board(files);
        string? model = files.Field("/proc/cpuinfo", "model name");
        string? core = files.Field("/proc/cpuinfo", "CPU part") is { } part ? ArmParts.GetValueOrDefault(part) : null;
        string[] known = [.. new[] { board, core ?? model }.OfType<string>()];
        if (known.Length > 0) return string.Join(", ", known);
        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") is { Length: > 0 } name ? name
            : RuntimeInformation.ProcessArchitecture.ToString();
    }

    /// <summary>The board's name in the device tree, such as `Raspberry Pi 5 Model B Rev 1.0`; null where there is none.</summary>
    public static string? Board(SystemFiles files) =>
        files.Read("/proc/device-tree/model") ?? files.Read("/sys/firmware/devicetree/base/model");

    /// <summary>The instruction sets that matter here.</summary>
    public static IReadOnlyList<string> Features()
    {
        (bool Has, string Name)[] all =
        [
            (Avx2.IsSupported, "AVX2"), (Fma.IsSupported, "FMA"), (AvxVnni.IsSupported, "AVX-VNNI"), (Avx512F.IsSupported, "AVX-512"),
            (AdvSimd.IsSupported, "NEON"), (Dp.IsSupported, "dot product"),
        ];
        return [.. all.Where(feature => feature.Has).Select(feature => feature.Name)];
    }
}
