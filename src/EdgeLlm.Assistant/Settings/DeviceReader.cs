using System.Globalization;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Settings;

/// <summary>Reads the devices of assistant.json, and refuses two on one line.</summary>
internal static class DeviceReader
{
    private static readonly Dictionary<string, DeviceKind> Kinds =
        Enum.GetValues<DeviceKind>().ToDictionary(static kind => kind.ToString().ToLowerInvariant());
    private static readonly Dictionary<string, string> Displays =
        new() { ["ssd1306"] = "ssd1306", ["ssd1315"] = "ssd1306", ["lcd1602"] = "lcd1602", ["lcd2004"] = "lcd2004" };
    private static readonly Dictionary<string, bool> SafeStates = new() { ["off"] = false, ["on"] = true };

    public static IReadOnlyList<AssistantDevice> Read(ConfigNode? node)
    {
        if (node is null) return [];
        var devices = new List<AssistantDevice>();
        var lines = new Dictionary<(int Chip, int Line), string>();
        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach ((string name, ConfigNode value) in node.Members)
        {
            AssistantDevice device = DeviceOf(name, value);
            foreach (string other in device.Names)
            {
                if (!names.TryAdd(other, name) && names[other] != name)
                    throw value.Wrong($"has the name \"{other}\", which \"{names[other]}\" has, too");
            }
            foreach (int line in new[] { device.Device.Line, device.Device.SecondLine }.OfType<int>())
            {
                if (!lines.TryAdd((device.Device.Chip ?? -1, line), name))
                    throw value.Wrong($"is on line {line}, where \"{lines[(device.Device.Chip ?? -1, line)]}\" is, too");
            }
            devices.Add(device);
        }
        RequireOnlyOne(DeviceKind.Status);
        RequireOnlyOne(DeviceKind.Display);
        RequireOnlyOne(DeviceKind.Buzzer);
        return devices;

        void RequireOnlyOne(DeviceKind kind)
        {
            if (devices.Where(device => device.Device.Kind == kind).Skip(1).FirstOrDefault() is { } second)
                throw node.Require(second.Device.Name).Wrong($"is a second {kind.ToString().ToLowerInvariant()}; the assistant uses one");
        }
    }

    private static AssistantDevice DeviceOf(string name, ConfigNode node)
    {
        if (string.IsNullOrWhiteSpace(name) || name.Length > 60) throw node.Wrong("must have a name of 1 to 60 characters");
        DeviceKind kind = node.Require("kind").Choice(Kinds);
        bool isOutput = kind is DeviceKind.Light or DeviceKind.Relay or DeviceKind.Strip;
        AllowKeys(node, kind, isOutput);
        var settings = new DeviceSettings
        {
            Name = name,
            Kind = kind,
            Model = ModelOf(node, kind),
            Chip = node.Get("chip")?.Whole(0, 63),
            Line = node.Get("line")?.Whole(0, 1023),
            SecondLine = node.Get("echoLine")?.Whole(0, 1023),
            IsActiveLow = node.Get("activeLow")?.Flag() ?? kind == DeviceKind.Button,
            HasResistor = node.Get("resistor")?.Flag() ?? false,
            Pwm = Pair(node.Get("pwm"), "chip", "channel"),
            Spi = Pair(node.Get("spi"), "bus", "chipSelect"),
            I2c = I2cOf(node, kind),
            Pixels = node.Get("pixels")?.Whole(1, 1000) ?? 8,
            Width = 128,
            Height = node.Get("height")?.Whole(32, 64) ?? 64,
            IsSafeOn = node.Get("safe")?.Choice(SafeStates) ?? false,
            DeviceId = node.Get("id")?.Name() ?? "",
        };
        if (settings.Height is not (32 or 64)) throw node.Get("height")!.Wrong("must be 32 or 64");
        RequireConnection(node, settings);
        return new AssistantDevice(settings, node.Get("names")?.Texts() ?? [], LimitsOf(node));
    }

    private static void AllowKeys(ConfigNode node, DeviceKind kind, bool isOutput)
    {
        List<string> keys = ["kind", "names"];
        keys.AddRange(kind switch
        {
            DeviceKind.Light or DeviceKind.Relay => ["chip", "line", "activeLow", "pwm"],
            DeviceKind.Status => ["chip", "line", "activeLow", "pwm"],
            DeviceKind.Strip => ["spi", "pixels"],
            DeviceKind.Button => ["chip", "line", "activeLow", "resistor"],
            DeviceKind.Buzzer => ["pwm"],
            DeviceKind.Display => ["model", "i2c", "height"],
            _ => ["model", "i2c", "chip", "line", "echoLine", "activeLow", "resistor", "id"],
        });
        if (isOutput) keys.AddRange(["safe", "min", "max", "changesPerMinute", "hours", "confirm"]);
        node.AllowOnly([.. keys]);
    }

    private static string ModelOf(ConfigNode node, DeviceKind kind)
    {
        if (kind == DeviceKind.Display) return node.Get("model")?.Choice(Displays) ?? "ssd1306";
        if (kind != DeviceKind.Sensor) return "";
        ConfigNode model = node.Require("model");
        return SensorCatalog.Find(model.Name())?.Name
            ?? throw model.Wrong(
                $"is not a sensor that is known; there is {string.Join(", ", SensorCatalog.Models.Select(static one => one.Name))}");
    }

    private static (int, int)? Pair(ConfigNode? node, string first, string second)
    {
        if (node is null) return null;
        node.AllowOnly(first, second);
        return (node.Get(first)?.Whole(0, 63) ?? 0, node.Get(second)?.Whole(0, 63) ?? 0);
    }

    private static (int, int)? I2cOf(ConfigNode node, DeviceKind kind)
    {
        int usual = kind == DeviceKind.Display ? node.Get("model")?.Name() is "lcd1602" or "lcd2004" ? 0x27 : 0x3C
            : kind == DeviceKind.Sensor
                && SensorCatalog.Find(node.Require("model").Name()) is { Bus: SensorBus.I2c } model ? model.Address : 0;
        if (usual == 0) return node.Get("i2c") is { } extra ? throw extra.Wrong("is not how this device is connected") : null;
        if (node.Get("i2c") is not { } given) return (1, usual);
        given.AllowOnly("bus", "address");
        return (given.Get("bus")?.Whole(0, 63) ?? 1, given.Get("address")?.Whole(3, 0x77) ?? usual);
    }

    private static void RequireConnection(ConfigNode node, DeviceSettings settings)
    {
        SensorBus? bus = settings.Kind == DeviceKind.Sensor ? SensorCatalog.Find(settings.Model)!.Bus : null;
        if (settings.Kind is DeviceKind.Light or DeviceKind.Relay or DeviceKind.Status)
        {
            if (settings.Line is null == settings.Pwm is null) throw node.Wrong("needs \"line\" or \"pwm\", and not both");
            if (settings.Kind == DeviceKind.Relay && settings.Pwm is not null)
                throw node.Get("pwm")!.Wrong("is not for a relay, which is on or off");
        }
        if ((settings.Kind == DeviceKind.Button || bus is SensorBus.Line or SensorBus.TwoLines) && settings.Line is null)
            throw node.Wrong("needs \"line\"");
        if (bus == SensorBus.TwoLines && settings.SecondLine is null) throw node.Wrong("needs \"echoLine\", the line of its echo");
        if (settings.Kind == DeviceKind.Strip && settings.Spi is null) throw node.Wrong("needs \"spi\"");
        if (settings.Kind == DeviceKind.Buzzer && settings.Pwm is null) throw node.Wrong("needs \"pwm\"");
    }

    private static DeviceLimits LimitsOf(ConfigNode node)
    {
        var limits = new DeviceLimits
        {
            LeastLevel = node.Get("min")?.Whole(0, 100) ?? 0,
            MostLevel = node.Get("max")?.Whole(1, 100) ?? 100,
            MostChangesPerMinute = node.Get("changesPerMinute")?.Whole(1, 600) ?? new DeviceLimits().MostChangesPerMinute,
            Hours = node.Get("hours") is { } hours ? HoursOf(hours) : null,
            NeedsConfirmation = node.Get("confirm")?.Flag() ?? false,
        };
        return limits.LeastLevel <= limits.MostLevel ? limits : throw node.Get("min")!.Wrong("must not be above \"max\"");
    }

    private static (TimeOnly, TimeOnly) HoursOf(ConfigNode node)
    {
        string[] ends = node.Name().Split('-', StringSplitOptions.TrimEntries);
        bool isRight = ends.Length
            == 2 & TimeOnly.TryParseExact(ends[0], "H:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly from)
            & TimeOnly.TryParseExact(ends[^1], "H:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly to);
        return isRight ? (from, to) : throw node.Wrong("must be two times of day, such as \"07:00-22:30\"");
    }
}
