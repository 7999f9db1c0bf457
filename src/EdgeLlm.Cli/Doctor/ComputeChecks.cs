using EdgeLlm.Cli.Machine;
using EdgeLlm.Files;
using EdgeLlm.Kernels;

namespace EdgeLlm.Cli.Doctor;

/// <summary>The processor, and how this program uses it.</summary>
internal sealed class ComputeChecks(SystemFiles files)
{
    public IEnumerable<Check> All()
    {
        yield return Check.Ok("processor", Processor.Name(files));
        IReadOnlyList<string> features = Processor.Features();
        yield return Check.Ok("instructions", features.Count > 0 ? string.Join(", ", features) : "none that this program has a use for");
        yield return Kernels();
        yield return Threads();
        if (OperatingSystem.IsLinux())
        {
            if (Governor() is { } governor) yield return governor;
            if (Temperature() is { } temperature) yield return temperature;
        }
    }

    private static Check Kernels()
    {
        const string name = "kernel";
        try
        {
            string available = string.Join(", ", Kernel.Available.Select(kernel => kernel.Name)), chosen = Kernel.Best.Name;
            if (Kernel.Available.Count == 1)
                return Check.Problem(name, chosen,
                    "This processor has none of the instructions that make it fast (AVX2, or NEON of 64-bit Arm), or the program was "
                        + "not built for them");
            string value = $"{chosen} (of {available})";
            return chosen == Kernel.Available[0].Name ? Check.Ok(name, value)
                : Check.Note(name, value, "EDGELLM_KERNEL asks for this one; without it the first would be taken");
        }
        catch (ArgumentException wrong)
        {
            return Check.Problem(name, wrong.Message, "Unset EDGELLM_KERNEL or set it to one of these");
        }
    }

    private Check Threads()
    {
        int threads = Environment.ProcessorCount;
        int? present = files.Read("/sys/devices/system/cpu/present") is { } range
            && int.TryParse(range[(range.LastIndexOf('-') + 1)..], out int last) ? last + 1 : null;
        return present > threads
            ? Check.Note("threads", $"{threads} of {present} cores",
                "This process may use only some of the cores (affinity, a control group or DOTNET_PROCESSOR_COUNT)")
            : Check.Ok("threads", $"{threads}, one per core");
    }

    private Check? Governor()
    {
        const string folder = "/sys/devices/system/cpu/cpu0/cpufreq/";
        if (files.Read(folder + "scaling_governor") is not { } governor) return null;
        string value = governor
            + (long.TryParse(files.Read(folder + "scaling_max_freq"), out long kilohertz) ? $", up to {kilohertz / 1000} MHz" : "");
        return governor is "performance" or "schedutil"
            ? Check.Ok("governor", value)
            : Check.Note("governor", value,
                "For a steadier speed: echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
    }

    private Check? Temperature()
    {
        if (!long.TryParse(files.Read("/sys/class/thermal/thermal_zone0/temp"), out long thousandths)) return null;
        // A Raspberry Pi throttles softly from 80 degrees on and hard at 85 (raspberrypi/documentation, frequency management).
        string value = $"{thousandths / 1000} degrees";
        return thousandths >= 80_000
            ? Check.Problem("temperature", value, "The processor throttles itself at this temperature: give it a heat sink or a fan")
            : Check.Ok("temperature", value);
    }
}
