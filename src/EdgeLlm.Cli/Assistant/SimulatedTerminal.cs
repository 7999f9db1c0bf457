using System.Globalization;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Tools;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Screens;

namespace EdgeLlm.Cli.Assistant;

/// <summary>`edgellm assistant --simulate`: lines that are typed are what a person says; what the devices would do is printed.</summary>
internal sealed class SimulatedTerminal(AssistantRun run, TextReader input, TextWriter output)
{
    private const string Help = """
        Type what you would say, such as: turn on the kitchen light
          /devices                         what there is, and its state
          /button                          press the button (a yes to a question)
          /set SENSOR QUANTITY VALUE       what a sensor measures: /set "living room" temperature 25
          /display                         what the display shows
          /quit                            the end (quit, exit and Ctrl-D, too)
        """;

    private readonly Lock _turn = new();
    private readonly SemaphoreSlim _quiet = new(0);
    private bool _isReading, _isPrompting; // waits for a line; and has nothing but the prompt on it
    private bool _isOwnTurn; // what happens is of the line that was typed, not of an announcement just before it

    /// <summary>Runs until the input ends.</summary>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        run.Happened = Show;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task running = run.RunAsync(stop.Token);
        Write(
            $"An assistant without devices ({(run.Host.Settings.File.Length > 0 ? run.Host.Settings.File : "a house of its own")}).\n{Help}");
        WriteDevices();
        try
        {
            while (await Task.Run(ReadLine, cancellation).WaitAsync(cancellation).ConfigureAwait(false) is { } line
                && line.Trim() is not ("/quit" or "/exit" or "/bye" or "quit" or "exit"))
            {
                if (line.Trim().Length > 0) await DoAsync(line.Trim(), cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return ExitCode.Success;
    }

    private async Task DoAsync(string line, CancellationToken cancellation)
    {
        string[] words = Words(line);
        switch (words[0])
        {
            case "/help" or "/?": Write(Help); return;
            case "/devices": WriteDevices(); return;
            case "/display": WriteDisplay(); return;
            case "/set" when words.Length == 4
                && double.TryParse(words[3], NumberStyles.Float, CultureInfo.InvariantCulture, out double value):
                SetSensor(words[1], words[2], value); return;
            case "/set": Write("/set SENSOR QUANTITY VALUE, such as: /set \"living room\" temperature 25"); return;
            case "/button" when run.Host.Loop.State == AssistantState.Confirming:
                BeginTurn(isOwn: true); // nothing else goes on while it asks
                run.Host.Loop.Signal(AssistantSignal.ButtonPressed);
                break;
            case "/button": Write("The button begins a spoken request: here, just type it. (After a question, it is a yes.)"); return;
            case ['/', ..]: Write($"There is no {Printable.Line(words[0], 40)}. /help shows what there is."); return;
            default:
                BeginTurn(isOwn: false); // until it is heard
                run.Host.Loop.Say(new TextRequest(line, Source.Voice));
                break;
        }
        await _quiet.WaitAsync(cancellation).ConfigureAwait(false); // the prompt comes after the answer
    }

    private void BeginTurn(bool isOwn)
    {
        lock (_turn)
        {
            while (_quiet.Wait(0)) { } // what it said on its own, such as that a timer is over
            _isOwnTurn = isOwn;
        }
    }

    private void SetSensor(string name, string quantity, double value)
    {
        AssistantDevice? sensor =
            SensorTool.SensorsOf(run.Host.Devices).FirstOrDefault(device => device.Names.Contains(name, StringComparer.OrdinalIgnoreCase));
        if (sensor is null)
        {
            Write(
                $"There is no sensor {Printable.Line(name, 60)}; there is "
                    + $"{string.Join(", ", SensorTool.SensorsOf(run.Host.Devices).Select(static device => device.Device.Name))}.");
            return;
        }
        SimulatedHouse.Set(sensor.Device.Name, quantity, value);
        Write(
            string.Join(", ", run.Host.Devices.Read(sensor.Device.Name).Select(static one =>
                string.Create(CultureInfo.InvariantCulture, $"{one.Quantity} {one.Value:0.##} {one.Unit}").TrimEnd())));
    }

    private void Show(AssistantEvent happened)
    {
        lock (_turn)
        {
            bool speaksUp = _isPrompting && happened.Kind is AssistantEventKind.Answer; // on its own: on a line of its own
            if (speaksUp) output.WriteLine();
            _isPrompting &= !speaksUp;
            if (happened.Kind is AssistantEventKind.Answer) output.Write(happened.Text);
            else if (happened.Kind is AssistantEventKind.Answered)
            {
                output.WriteLine();
                if (_isReading) Prompt();
            }
            else if (happened.Kind is AssistantEventKind.State) ShowState(happened.Text);
            else if (happened.Kind is AssistantEventKind.Heard) _isOwnTurn = true;
            else AssistantText.Write(happened, output);
            output.Flush();
        }
    }

    private void ShowState(string state)
    {
        if (_isOwnTurn && state is "idle" or "confirming") _quiet.Release();
        if (state == "confirming")
            output.WriteLine($"(waits {run.Host.Settings.Times.Confirm.TotalSeconds:0} s for a yes: type yes, or /button)");
    }

    private void WriteDevices()
    {
        lock (_turn)
        {
            foreach (AssistantDevice device in run.Host.Devices.All)
            {
                string state = device.IsOutput
                    ? run.Host.Devices.LevelOf(device.Device.Name) switch { 0 => "off", 100 => "on", var level => $"{level} %" }
                    : device.Device.Kind == DeviceKind.Sensor
                    ? string.Join(", ", run.Host.Devices.Read(device.Device.Name).Select(static one =>
                        string.Create(CultureInfo.InvariantCulture, $"{one.Quantity} {one.Value:0.##} {one.Unit}").TrimEnd()))
                    : device.Device.Kind == DeviceKind.Status ? $"{run.Host.Devices.Status?.Pattern}".ToLowerInvariant() : "";
                output.WriteLine(
                    $"  {Printable.Line(device.Device.Name),-20} {device.Device.Kind.ToString().ToLowerInvariant(),-8} {state}".TrimEnd());
            }
            output.Flush();
        }
    }

    private void WriteDisplay()
    {
        if (run.Host.Devices.Screen is not OledScreen screen)
        {
            Write(run.Host.Devices.Screen is null ? "There is no display." : "The display shows characters only.");
            return;
        }
        lock (_turn)
        {
            // Two rows of pixels in a line of half blocks.
            for (int y = 0; y < screen.Frame.Height; y += 2)
            {
                char[] line = new char[screen.Frame.Width];
                for (int x = 0; x < line.Length; x++)
                    line[x] = (screen.Frame[x, y], screen.Frame[x, y + 1]) switch
                    {
                        (true, true) => '█',
                        (true, false) => '▀',
                        (false, true) => '▄',
                        _ => ' '
                    };
                output.WriteLine(new string(line));
            }
            output.Flush();
        }
    }

    private string? ReadLine()
    {
        lock (_turn)
        {
            _isReading = true;
            Prompt();
        }
        string? line = input.ReadLine();
        lock (_turn) _isReading = _isPrompting = false;
        return line;
    }

    private void Prompt()
    {
        output.Write("you> ");
        output.Flush();
        _isPrompting = true;
    }

    private void Write(string text)
    {
        lock (_turn)
        {
            output.WriteLine(text);
            output.Flush();
        }
    }

    /// <summary>Words of a line; quotation marks keep spaces.</summary>
    private static string[] Words(string line)
    {
        string[] parts = line.Split('"');
        return [.. parts.SelectMany((part, i) => i % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
    }
}
