using System.Globalization;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Doctor;

/// <summary>
/// Checks for a Raspberry Pi alone. Sources: raspberrypi/documentation (vcgencmd get_throttled), rpi-eeprom's release notes.
/// </summary>
/// <param name="firmware">Answers `vcgencmd ARGUMENT`, null where there is no such program.</param>
internal sealed class RaspberryPiChecks(SystemFiles files, Func<string, string?> firmware)
{
    public IEnumerable<Check> All()
    {
        if (Processor.Board(files) is not { } board || !board.StartsWith("Raspberry Pi", StringComparison.Ordinal)) yield break;
        if (firmware("get_throttled") is { } answer && Throttling(answer) is { } throttling) yield return throttling;
        bool interleaves = board.StartsWith("Raspberry Pi 5", StringComparison.Ordinal)
            || board.StartsWith("Raspberry Pi 500", StringComparison.Ordinal)
            || board.StartsWith("Raspberry Pi 4", StringComparison.Ordinal)
            || board.StartsWith("Raspberry Pi Compute Module 5", StringComparison.Ordinal)
            || board.StartsWith("Raspberry Pi Compute Module 4", StringComparison.Ordinal);
        if (interleaves) yield return Interleaving();
    }

    /// <summary>`throttled=0x50005`: bits 0 to 3 are now, 16 to 19 since the start.</summary>
    public static Check? Throttling(string answer)
    {
        int x = answer.IndexOf("0x", StringComparison.Ordinal);
        if (x < 0 || !uint.TryParse(answer.AsSpan(x + 2).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out uint bits))
            return null;
        const string name = "throttling";
        const string power = "The power supply or its cable is too weak: take one that is made for this board",
            heat = "The processor is too hot: give it a heat sink or a fan";
        string value = $"0x{bits:x}";
        if ((bits & 0x1) != 0) return Check.Problem(name, $"under-voltage now ({value})", power);
        if ((bits & 0xE) != 0) return Check.Problem(name, $"slowed down now ({value})", heat);
        if ((bits & 0x1_0000) != 0) return Check.Note(name, $"under-voltage since the start ({value})", power);
        if ((bits & 0xE_0000) != 0) return Check.Note(name, $"slowed down since the start ({value})", heat);
        return Check.Ok(name, "none since the start");
    }

    private Check Interleaving() =>
        files.Read("/proc/cmdline")?.Contains("numa=fake", StringComparison.Ordinal) == true
            ? Check.Ok("memory banks", "interleaved (numa=fake)")
            : Check.Note("memory banks", "not interleaved",
                "A bootloader since December 2024 reads memory faster: sudo rpi-eeprom-update -a, then restart");
}
