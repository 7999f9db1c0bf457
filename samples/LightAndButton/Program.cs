// A button that switches a light, on the pins of a Raspberry Pi.   dotnet run --project samples/LightAndButton -c Release [-- --simulate]
// An LED with its resistor on GPIO 17, a button from GPIO 27 to ground. --simulate presses a button that is not there, so that it runs on
// any machine.
using EdgeLlm.Devices;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Devices.Outputs;

bool isSimulated = args.Contains("--simulate");
using Hardware hardware = isSimulated ? new FakeHardware() : new Hardware();
try
{
    using Output light = Output.Open(hardware, new DeviceSettings { Name = "light", Kind = DeviceKind.Light, Line = 17 });
    var settings = new DeviceSettings { Name = "button", Kind = DeviceKind.Button, Line = 27, IsActiveLow = true };
    using var button = new PushButton(hardware, settings, TimeProvider.System, pressed =>
    {
        if (pressed != ButtonEvent.Pressed) return;
        light.Set(light.Level > 0 ? 0 : 100);
        Console.WriteLine(light.Level > 0 ? "on" : "off");
    });
    if (hardware is FakeHardware fake)
    {
        foreach (bool isHigh in new[] { true, false, true, false, true })
        {
            fake.Lines().Drive(27, isHigh);
            await Task.Delay(100);
        }
    }
    else
    {
        Console.WriteLine("Enter ends it.");
        Console.ReadLine();
    }
    return 0; // the light is off again: every output returns to its safe state
}
catch (DeviceException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}
