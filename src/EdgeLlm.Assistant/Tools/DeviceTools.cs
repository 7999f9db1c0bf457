using System.Globalization;
using System.Text.Json;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tools;

/// <summary>Sets a light, or, as `set_relay`, a relay.</summary>
internal sealed class SetOutputTool(AssistantDevices devices, bool isRelay) : Tool(
    isRelay ? "set_relay" : "set_light",
    isRelay ? "Switches a device on or off." : "Sets the brightness of a light: 0 is off, 100 is fully on.",
    $$$"""{"type":"object","properties":{"device":{"enum":{{{Json(NamesOf(devices, isRelay))}}}},{{{(isRelay ? "\"on\":{\"type\":\"boolean\"}" : "\"level\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":100}")}}}},"required":["device","{{{(isRelay ? "on" : "level")}}}"],"additionalProperties":false}""",
    ToolEffect.Moves)
{
    /// <summary>Names of lights or relays.</summary>
    public static IEnumerable<string> NamesOf(AssistantDevices devices, bool isRelay) =>
        devices.All.Where(device => device.IsOutput && device.Device.Kind == DeviceKind.Relay == isRelay)
            .Select(static device => device.Device.Name);

    public override string? OutputOf(JsonElement arguments) => arguments.GetProperty("device").GetString();

    public override bool NeedsConfirmation(JsonElement arguments) =>
        devices.All.First(device => device.Device.Name == OutputOf(arguments)).Limits.NeedsConfirmation;

    public override string Question(JsonElement arguments, Vocabulary words)
    {
        int level = LevelOf(arguments);
        return words.Say("confirm", OutputOf(arguments)!,
            level == 0 ? words.Say("word.off") : level == 100 ? words.Say("word.on") : words.Say("word.to", level));
    }

    public override string? Refusal(JsonElement arguments, Vocabulary words) =>
        devices.Forbids(OutputOf(arguments)!, LevelOf(arguments)) is { } reason ? words.Say(reason.Name, reason.Values) : null;

    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        string name = OutputOf(arguments)!;
        try
        {
            devices.Set(name, LevelOf(arguments));
            return Task.FromResult(ToolResult.Done(StateTool.Describe(name, devices.LevelOf(name), turn.Language)));
        }
        catch (DeviceException exception)
        {
            return Task.FromResult(ToolResult.Failed(exception.Message, turn.Language.Say("broken", name)));
        }
    }

    private static int LevelOf(JsonElement arguments) =>
        arguments.TryGetProperty("on", out JsonElement on) ? on.GetBoolean() ? 100 : 0 : (int)arguments.GetProperty("level").GetDouble();
}

/// <summary>Tells the state of an output.</summary>
internal sealed class StateTool(AssistantDevices devices) : Tool(
    "get_state", "Tells whether a light or device is on.",
    $$$"""{"type":"object","properties":{"device":{"enum":{{{Json(devices.All.Where(static device => device.IsOutput).Select(static device => device.Device.Name))}}}}},"required":["device"],"additionalProperties":false}""",
    ToolEffect.Senses)
{
    /// <summary>A level in words.</summary>
    public static string Describe(string name, int level, Vocabulary words) => level switch
    {
        0 => words.Say("off", name),
        100 => words.Say("on", name),
        _ => words.Say("level", name, level),
    };

    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        string name = arguments.GetProperty("device").GetString()!;
        try
        {
            return Task.FromResult(ToolResult.Done(Describe(name, devices.LevelOf(name), turn.Language)));
        }
        catch (DeviceException exception)
        {
            return Task.FromResult(ToolResult.Failed(exception.Message, turn.Language.Say("broken", name)));
        }
    }
}

/// <summary>Reads a sensor.</summary>
internal sealed class SensorTool(AssistantDevices devices) : Tool(
    "read_sensor", "Measures something, such as a temperature.",
    $$$"""{"type":"object","properties":{"sensor":{"enum":{{{Json(SensorsOf(devices).Select(static device => device.Device.Name))}}}},"quantity":{"enum":{{{Json(SensorsOf(devices).SelectMany(static device => SensorCatalog.Find(device.Device.Model)!.Quantities).Distinct())}}}}},"required":["sensor"],"additionalProperties":false}""",
    ToolEffect.Senses)
{
    public override async Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        string name = arguments.GetProperty("sensor").GetString()!;
        string? quantity = arguments.TryGetProperty("quantity", out JsonElement given) ? given.GetString() : null;
        try
        {
            // some take seconds
            IReadOnlyList<Measurement> all = await Task.Run(() => devices.Read(name), cancellation).ConfigureAwait(false);
            Measurement found = quantity is null ? all[0] : all.FirstOrDefault(one => one.Quantity == quantity);
            if (found.Quantity is null) return ToolResult.Failed($"{name} does not measure {quantity}", turn.Language.Say("nosensor"));
            string value = Format(found, turn.Language);
            return ToolResult.Done($"{found.Quantity} of {name}: {value}",
                turn.Language.Say("reading", turn.Language.Say(found.Quantity), name, value));
        }
        catch (DeviceException exception)
        {
            return ToolResult.Failed(exception.Message, turn.Language.Say("broken", name));
        }
    }

    /// <summary>Sensors of config.</summary>
    public static IEnumerable<AssistantDevice> SensorsOf(AssistantDevices devices) =>
        devices.All.Where(static device => device.Device.Kind == DeviceKind.Sensor);

    /// <summary>A value as it is said, its unit as a word: one digit after the point below 100, none above.</summary>
    public static string Format(Measurement measurement, Vocabulary words)
    {
        string number = measurement.Value.ToString(Math.Abs(measurement.Value) < 100 ? "0.#" : "0", CultureInfo.InvariantCulture);
        if (words.Language != "en") number = number.Replace('.', ',');
        return measurement.Unit switch
        {
            "" => words.Say(measurement.Value != 0 ? "yes" : "no"),
            "°C" => words.Say("degrees", number),
            "%" => words.Say("percent", number),
            "hPa" or "lx" or "ppm" or "cm" => words.Say("unit." + measurement.Unit, number),
            _ => words.Say("unit", number, measurement.Unit),
        };
    }
}

/// <summary>Lists what there is.</summary>
internal sealed class ListTool(AssistantDevices devices)
    : Tool("list_devices", "Lists the devices and sensors that there are.", NoArguments, ToolEffect.Senses)
{
    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        List<string> outputs = [.. devices.All.Where(static device => device.IsOutput).Select(static device => device.Device.Name)],
            sensors = [.. SensorTool.SensorsOf(devices).Select(static device => device.Device.Name)];
        return Task.FromResult(ToolResult.Done(turn.Language.Say("devices", turn.Language.List(outputs), turn.Language.List(sensors))));
    }
}
