using System.Globalization;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Metrics;

/// <summary>
/// The machine's temperature, clock and whether its firmware slows it down, out of the files in which Linux tells (sysfs(5)).
/// </summary>
/// <param name="root">The folder that passes for `/`.</param>
internal sealed class MachineState(string root = "/")
{
    private readonly SystemFiles _files = new(root);

    // Bits of the firmware's get_throttled: documentation of vcgencmd.
    private static readonly (string Reason, int Bit)[] Reasons =
        [("under_voltage", 0), ("frequency_capped", 1), ("throttled", 2), ("soft_temperature_limit", 3)];

    /// <summary>Degrees Celsius of the processor; null where the machine doesn't tell.</summary>
    public double? Temperature
    {
        get
        {
            for (int zone = 0; zone < 16 && _files.Read($"/sys/class/thermal/thermal_zone{zone}/type") is { } type; zone++)
            {
                if (type.Contains("cpu", StringComparison.OrdinalIgnoreCase) || type is "x86_pkg_temp")
                    return Number($"/sys/class/thermal/thermal_zone{zone}/temp") / 1000.0;
            }
            return null;
        }
    }

    /// <summary>Hertz of the first core; null where the machine doesn't tell.</summary>
    public long? Frequency => Number("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq") * 1000;

    /// <summary>Bytes of this process that no file backs.</summary>
    public long? AnonymousBytes => _files.Kilobytes("/proc/self/status", "RssAnon");

    /// <summary>
    /// Each reason for which a Raspberry Pi's firmware slows the processor down, whether it does now, and whether it did since the start;
    /// none elsewhere.
    /// </summary>
    public IReadOnlyList<(string Reason, bool Now, bool Before)> Throttled
    {
        get
        {
            string? text = _files.Read("/sys/devices/platform/soc/soc:firmware/get_throttled")
                ?? _files.Read("/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled");
            if (text is null
                || !int.TryParse(text.Replace("0x", "", StringComparison.Ordinal), NumberStyles.HexNumber,
                    CultureInfo.InvariantCulture, out int bits))
                return [];
            return [.. Reasons.Select(one => (one.Reason, (bits >> one.Bit & 1) != 0, (bits >> (one.Bit + 16) & 1) != 0))];
        }
    }

    private long? Number(string path) =>
        long.TryParse(_files.Read(path), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) ? value : null;
}
