using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Outputs;
using EdgeLlm.Devices.Screens;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tools;

/// <summary>
/// The devices of an assistant, open. Outputs are opened first, each in its safe state, and are back in it after <see cref="Dispose"/>.
/// What can't be opened is told and left out: an assistant whose display came loose can still switch the light.
/// </summary>
internal sealed class AssistantDevices : IDisposable
{
    private readonly Hardware _hardware;
    private readonly TimeProvider _time;
    private readonly Func<DeviceSettings, Sensor>? _simulate;
    private readonly Dictionary<string, (AssistantDevice Device, Output Output)> _outputs = [];
    private readonly Dictionary<string, Sensor> _sensors = [];
    private readonly Dictionary<string, Queue<long>> _changes = [];
    private readonly List<PushButton> _buttons = [];
    private readonly Lock _turn = new();

    /// <summary>Opens what config names.</summary>
    /// <param name="simulate">Makes sensors that nothing is connected to; null: they are real.</param>
    /// <param name="pressed">Is told what a button does.</param>
    /// <param name="problem">Is told what can't be opened.</param>
    public AssistantDevices(IReadOnlyList<AssistantDevice> devices, Hardware hardware, TimeProvider time,
        Func<DeviceSettings, Sensor>? simulate, Action<ButtonEvent> pressed, Action<string> problem)
    {
        (All, _hardware, _time, _simulate) = (devices, hardware, time, simulate);
        foreach (AssistantDevice device in devices.Where(static device => device.IsOutput))
            Try(() => _outputs[device.Device.Name] = (device, Output.Open(hardware, device.Device)));
        foreach (AssistantDevice device in devices)
        {
            switch (device.Device.Kind)
            {
                case DeviceKind.Status: Try(() => Status = new StatusLight(Output.Open(hardware, device.Device), time)); break;
                case DeviceKind.Display: Try(() => Screen = TextScreen.Open(hardware, device.Device)); break;
                case DeviceKind.Button: Try(() => _buttons.Add(new PushButton(hardware, device.Device, time, pressed))); break;
                case DeviceKind.Buzzer:
                    Try(() => Tones = new ToneMaker(hardware.Pwm(device.Device.Pwm!.Value.Chip, device.Device.Pwm.Value.Channel, 440)));
                    break;
                default: break;
            }
        }

        void Try(Action open)
        {
            try
            {
                open();
            }
            catch (DeviceException exception)
            {
                problem(exception.Message);
            }
        }
    }

    /// <summary>All of config.</summary>
    public IReadOnlyList<AssistantDevice> All { get; }

    /// <summary>The light of the state; null: none.</summary>
    public StatusLight? Status { get; private set; }

    /// <summary>The display; null: none.</summary>
    public TextScreen? Screen { get; private set; }

    /// <summary>The buzzer; null: none.</summary>
    public ToneMaker? Tones { get; private set; }

    /// <summary>Is told of each change of an output: name and level.</summary>
    public Action<string, int>? Changed { get; set; }

    /// <summary>Outputs that are open, with their levels.</summary>
    public IReadOnlyList<(AssistantDevice Device, int Level)> Levels =>
        [.. _outputs.Values.Select(static one => (one.Device, one.Output.Level))];

    /// <summary>The level of an output.</summary>
    /// <exception cref="DeviceException">It could not be opened.</exception>
    public int LevelOf(string name) => OutputOf(name).Level;

    /// <summary>Why a change is not allowed now, in the gate's words; null: it is.</summary>
    public (string Name, object[] Values)? Forbids(string name, int level)
    {
        AssistantDevice device = All.First(one => one.Device.Name == name);
        DeviceLimits limits = device.Limits;
        if (level > 0 && (level < limits.LeastLevel || level > limits.MostLevel))
            return ("range", [name, limits.LeastLevel, limits.MostLevel]);
        if (level > 0 && limits.Hours is { } hours && !IsWithin(hours, TimeOnly.FromDateTime(_time.GetLocalNow().DateTime)))
            return ("hours", [name, $"{hours.From:HH:mm}", $"{hours.To:HH:mm}"]);
        lock (_turn)
        {
            if (!_changes.TryGetValue(name, out Queue<long>? changes)) return null;
            while (changes.Count > 0 && _time.GetElapsedTime(changes.Peek()) >= TimeSpan.FromMinutes(1)) changes.Dequeue();
            return changes.Count >= limits.MostChangesPerMinute ? ("rate", [name]) : null;
        }
    }

    /// <summary>Sets an output.</summary>
    /// <exception cref="DeviceException">It does not answer, or limits forbid it.</exception>
    public void Set(string name, int level)
    {
        if (Forbids(name, level) is not null) throw new DeviceException($"{name}: limits forbid {level} %");
        Output output = OutputOf(name);
        lock (_turn)
        {
            if (!_changes.TryGetValue(name, out Queue<long>? changes)) _changes[name] = changes = new Queue<long>();
            changes.Enqueue(_time.GetTimestamp());
        }
        output.Set(level);
        Changed?.Invoke(name, output.Level);
    }

    /// <summary>Reads a sensor, which is opened for that where it is not yet.</summary>
    /// <exception cref="DeviceException">It does not answer.</exception>
    public IReadOnlyList<Measurement> Read(string name)
    {
        Sensor? sensor;
        lock (_turn)
        {
            if (!_sensors.TryGetValue(name, out sensor))
            {
                DeviceSettings settings = All.First(device => device.Device.Name == name).Device;
                _sensors[name] = sensor = _simulate?.Invoke(settings) ?? SensorCatalog.Open(_hardware, settings);
            }
        }
        return sensor.Read();
    }

    /// <summary>All outputs into their safe states.</summary>
    public void MakeSafe()
    {
        foreach ((AssistantDevice device, Output output) in _outputs.Values)
        {
            output.MakeSafe();
            Changed?.Invoke(device.Device.Name, output.Level);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, Output output) in _outputs.Values) output.Dispose();
        foreach (PushButton button in _buttons) button.Dispose();
        foreach (Sensor sensor in _sensors.Values) sensor.Dispose();
        Status?.Dispose();
        Tones?.Dispose();
        Screen?.Dispose();
    }

    private Output OutputOf(string name) =>
        _outputs.TryGetValue(name, out (AssistantDevice Device, Output Output) one) ? one.Output
            : throw new DeviceException($"{name} could not be opened");

    private static bool IsWithin((TimeOnly From, TimeOnly To) hours, TimeOnly now) => now.IsBetween(hours.From, hours.To);
}
