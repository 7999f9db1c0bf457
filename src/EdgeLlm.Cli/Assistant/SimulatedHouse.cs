using System.Collections.Concurrent;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Cli.Assistant;

/// <summary>
/// Devices for trying an assistant without any: a config for `--simulate` without a file, and sensors whose values can be set.
/// </summary>
internal static class SimulatedHouse
{
    private const string Config = """
        {
          "languages": ["en", "de", "fr", "es"],
          "devices": {
            "kitchen light": { "kind": "light", "line": 17, "names": ["Küchenlicht", "lumière de la cuisine", "luz de la cocina"] },
            "desk lamp": { "kind": "light", "pwm": { "chip": 0, "channel": 0 }, "names": ["Schreibtischlampe", "lampe de bureau", "lámpara del escritorio"] },
            "fan": { "kind": "relay", "line": 27, "names": ["Ventilator", "ventilateur", "ventilador"] },
            "heater": { "kind": "relay", "line": 22, "confirm": true, "hours": "06:00-22:00", "names": ["Heizung", "chauffage", "calefacción"] },
            "living room": { "kind": "sensor", "model": "bme280", "names": ["Wohnzimmer", "salon", "salón"] },
            "processor": { "kind": "sensor", "model": "cpu", "names": ["Prozessor", "processeur", "procesador"] },
            "button": { "kind": "button", "line": 23 },
            "status": { "kind": "status", "line": 24 },
            "display": { "kind": "display" }
          }
        }
        """;

    private static readonly ConcurrentDictionary<(string Sensor, string Quantity), double> Values = new();

    /// <summary>A house with two lights, a fan, a heater, sensors, a button and a display.</summary>
    public static AssistantSettings Settings => AssistantSettingsReader.Parse(Config, "the simulated house");

    /// <summary>Sets what a sensor measures.</summary>
    public static void Set(string sensor, string quantity, double value) => Values[(sensor, quantity)] = value;

    /// <summary>A sensor that measures what was set, else something likely.</summary>
    public static Sensor Sensor(DeviceSettings settings) => new(settings, () =>
        [.. SensorCatalog.Find(settings.Model)!.Quantities.Select(quantity =>
            new Measurement(quantity, Values.GetValueOrDefault((settings.Name, quantity), Likely(quantity)), UnitOf(quantity)))]);

    private static double Likely(string quantity) =>
        quantity switch
        {
            "temperature" => 21.5,
            "humidity" => 45,
            "pressure" => 1013,
            "light" => 300,
            "co2" => 600,
            "distance" => 80,
            _ => 0
        };

    private static string UnitOf(string quantity) =>
        quantity switch
        {
            "temperature" => "°C",
            "humidity" => "%",
            "pressure" => "hPa",
            "light" => "lx",
            "co2" => "ppm",
            "distance" => "cm",
            _ => ""
        };
}
