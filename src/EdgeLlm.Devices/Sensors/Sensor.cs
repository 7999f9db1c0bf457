namespace EdgeLlm.Devices.Sensors;

/// <summary>Something measured.</summary>
/// <param name="Quantity">Such as `temperature`.</param>
/// <param name="Value">In <paramref name="Unit"/>.</param>
/// <param name="Unit">Such as `°C`; empty where there is none.</param>
public readonly record struct Measurement(string Quantity, double Value, string Unit);

/// <summary>A sensor. Reads take turns; a failed one says what to look at.</summary>
public sealed class Sensor : IDisposable
{
    private readonly Lock _turn = new();
    private readonly Func<IReadOnlyList<Measurement>> _read;
    private readonly IDisposable? _device;

    /// <summary>A sensor that is read by a function.</summary>
    /// <param name="device">What is disposed of with it; null: nothing.</param>
    public Sensor(DeviceSettings settings, Func<IReadOnlyList<Measurement>> read, IDisposable? device = null) =>
        (Settings, _read, _device) = (settings, read, device);

    /// <summary>Name, model and connection.</summary>
    public DeviceSettings Settings { get; }

    /// <summary>Measures now.</summary>
    /// <exception cref="DeviceException">It does not answer, or its answer makes no sense.</exception>
    public IReadOnlyList<Measurement> Read()
    {
        lock (_turn)
        {
            try
            {
                IReadOnlyList<Measurement> values = _read();
                if (values.Count == 0 || values.Any(static value => !double.IsFinite(value.Value)))
                    throw new DeviceException($"{Settings.Name} gives no reading: is it connected?");
                return values;
            }
            // bindings throw any kind, System.Exception itself among them
            catch (Exception exception) when (exception is not (OutOfMemoryException or DeviceException))
            {
                throw new DeviceException(
                    $"{Settings.Name} does not answer ({exception.Message.TrimEnd('.')}): is it connected?", exception);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _device?.Dispose();
}
