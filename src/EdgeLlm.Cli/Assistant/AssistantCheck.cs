using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Assistant;

/// <summary>
/// `edgellm assistant --check`: what is missing on this machine, the line that fetches it, and what belongs into config.txt. Opens no
/// output.
/// </summary>
internal static class AssistantCheck
{
    /// <returns>0 where all is there, else 1.</returns>
    public static int Run(AssistantSettings settings, TextWriter output)
    {
        var problems = new List<string>();
        output.WriteLine($"{settings.File}: {settings.Devices.Count} devices, {string.Join(", ", settings.Languages)}");
        CheckSpeech(settings, problems);
        CheckPrograms(settings, problems);
        CheckModels(settings, output, problems);
        CheckBuses(settings, problems);
        foreach (string problem in problems) output.WriteLine($"missing: {Printable.Line(problem, 500)}");
        foreach (string line in ConfigLines(settings)) output.WriteLine(line);
        output.WriteLine(problems.Count == 0 ? "all there" : $"{problems.Count} missing");
        return problems.Count == 0 ? ExitCode.Success : ExitCode.Failure;
    }

    /// <summary>
    /// Lines for /boot/firmware/config.txt: outputs are in their safe states from the first moment on, before Linux and after a loss of
    /// power; buses are on.
    /// </summary>
    public static IReadOnlyList<string> ConfigLines(AssistantSettings settings)
    {
        var lines = new List<string>();
        foreach (AssistantDevice device in settings.Devices)
        {
            DeviceSettings where = device.Device;
            if (device.IsOutput && where is { Line: { } line, Chip: null })
                lines.Add(
                    $"gpio={line}=op,{(where.IsSafeOn != where.IsActiveLow ? "dh" : "dl")}   # {where.Name}: "
                        + $"{(where.IsSafeOn ? "on" : "off")}");
            if (where is { Kind: DeviceKind.Button, Line: { } button, Chip: null, HasResistor: false })
                lines.Add($"gpio={button}=ip,{(where.IsActiveLow ? "pu" : "pd")}   # {where.Name}");
        }
        if (settings.Devices.Any(static device => device.Device.I2c is not null)) lines.Add("dtparam=i2c_arm=on,i2c_arm_baudrate=400000");
        if (settings.Devices.Any(static device => device.Device.Spi is not null)) lines.Add("dtparam=spi=on");
        if (settings.Devices.Any(static device => device.Device.Pwm is not null)) lines.Add("dtoverlay=pwm-2chan");
        if (settings.Devices.Any(static device => device.Device.Model == "ds18b20")) lines.Add("dtoverlay=w1-gpio");
        return lines.Count == 0 ? [] : ["", "for /boot/firmware/config.txt:", .. lines, ""];
    }

    private static void CheckSpeech(AssistantSettings settings, List<string> problems)
    {
        if (settings.Audio.Input is not ["none"] || settings.Audio.Output is not ["none"])
        {
            using var speech = SpeechParts.Open(settings, 1, problems.Add);
        }
    }

    private static void CheckPrograms(AssistantSettings settings, List<string> problems)
    {
        List<string> programs = [];
        if (settings.Audio.Input is not ["none"]) programs.Add(ProgramSource.CommandOf(settings.Audio.Input)[0]);
        if (settings.Audio.Output is not ["none"]) programs.Add(ProgramSink.CommandOf(settings.Audio.Output)[0]);
        if (settings.Hearing.Command.Count > 0) programs.Add(settings.Hearing.Command[0]);
        if (settings.Voice.Command.Count > 0) programs.Add(settings.Voice.Command[0]);
        programs.AddRange(settings.Commands.Select(static command => command.Command[0]));
        programs.AddRange(settings.McpServers.Where(static server => server.Command.Count > 0).Select(static server => server.Command[0]));
        foreach (string program in programs.Distinct().Where(static program => !IsHere(program)))
        {
            string package =
                program switch { "arecord" or "aplay" => "alsa-utils", "pw-record" or "pw-play" => "pipewire-bin", _ => program };
            problems.Add($"the program {program}: sudo apt install {package}");
        }
    }

    private static void CheckModels(AssistantSettings settings, TextWriter output, List<string> problems)
    {
        if (settings.Model != "none") TryModel(settings.Model, "model");
        if (settings.EmbeddingModel is { } embedding) TryModel(embedding, "embeddingModel");
        else
            output.WriteLine(
                "near phrases and search_notes by meaning are off: \"embeddingModel\" names no model (edgellm list shows those on this "
                    + "machine)");
        if (settings.NotesFolder is { } notes && !Directory.Exists(notes))
            problems.Add($"the folder {notes} of notes: mkdir -p {ShellWord.Quote(notes)}");
        if (settings.WeatherFile is { } weather && !File.Exists(weather))
            problems.Add($"the weather file {weather}: something has to write it, such as a timer with curl");

        void TryModel(string? name, string what)
        {
            try
            {
                ModelStore.OfThisMachine().PathOf(name);
            }
            catch (IOException exception)
            {
                problems.Add($"{what}: {exception.Message}");
            }
        }
    }

    private static void CheckBuses(AssistantSettings settings, List<string> problems)
    {
        HashSet<string> paths = [];
        foreach (DeviceSettings device in settings.Devices.Select(static device => device.Device))
        {
            if (device.Line is not null && device.Chip is { } chip) paths.Add($"/dev/gpiochip{chip}");
            if (device.Line is not null && device.Chip is null && !Directory.EnumerateFiles("/dev", "gpiochip*").Any())
                paths.Add("/dev/gpiochip0");
            if (device.I2c is { } i2c) paths.Add($"/dev/i2c-{i2c.Bus}");
            if (device.Spi is { } spi) paths.Add($"/dev/spidev{spi.Bus}.{spi.ChipSelect}");
            if (device.Pwm is { } pwm) paths.Add($"/sys/class/pwm/pwmchip{pwm.Chip}");
        }
        foreach (string path in paths.Order(StringComparer.Ordinal).Where(static path => !File.Exists(path) && !Directory.Exists(path)))
            problems.Add($"{path}: the lines for config.txt below, then sudo reboot");
        foreach (AssistantDevice device in settings.Devices.Where(static device =>
            SensorCatalog.Find(device.Device.Model)?.Bus == SensorBus.OneWire))
        {
            if (!Directory.Exists("/sys/bus/w1/devices"))
                problems.Add($"the 1-Wire bus of {device.Device.Name}: the lines for config.txt below, then sudo reboot");
        }
    }

    private static bool IsHere(string program) => program.Contains('/') ? File.Exists(program) : SearchPath.Find(program) is not null;
}
