using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Cli.Transcription;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm wyoming`: speech for Home Assistant.</summary>
internal static class WyomingCommand
{
    private const string DefaultAddress = "127.0.0.1:10300";

    public static Command Create()
    {
        var wake = new Option<string[]>("--wake") { Description = "A wake word of microWakeWord: its JSON file, or the name of one on this machine; may be there several times", HelpName = "MODEL" };
        var listen = new Option<string?>("--listen") { Description = $"Address and port (default: {DefaultAddress}); other machines reach another address than this one's own, with --allow", HelpName = "ADDRESS:PORT" };
        var allow = new Option<string[]>("--allow") { Description = "An address or network that may connect, such as 192.168.1.0/24; may be there several times", HelpName = "NETWORK" };
        var command = new Command("wyoming", "Serve speech to Home Assistant, over its Wyoming protocol: recognition by the --model that hears, and wake words.")
        {
            SpeechModels.Model, wake, listen, allow, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            using SpeechRecognizer? recognizer = result.GetValue(SpeechModels.Model) is null ? null : SpeechRecognizer.Load(SpeechModels.PathOf(result), SpeechModels.OptionsOf(result));
            await RunAsync(recognizer, result.GetValue(wake) ?? [], result.GetValue(listen) ?? DefaultAddress, result.GetValue(allow) ?? [], cancellation).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task RunAsync(SpeechRecognizer? recognizer, string[] wake, string listen, string[] allow, CancellationToken cancellation)
    {
        IPEndPoint address = AddressOf(listen);
        IPNetwork[] allowed = [.. allow.Select(NetworkOf)];
        if (!IPAddress.IsLoopback(address.Address) && allowed.Length == 0)
            throw new UsageException($"--listen {listen} is open to other machines: name those that may connect with --allow, such as --allow 192.168.1.0/24");
        WyomingWakeWord[] words = [.. (wake.Length > 0 ? wake.Select(DetectorStore.PathOf) : WakeWordsHere()).Select(WakeWord)];
        if (words.Length == 0 && recognizer is null) throw new UsageException("there is nothing to serve: name a model that hears with --model, or a wake word with --wake");
        var services = new WyomingServices(typeof(WyomingCommand).Assembly.GetName().Version?.ToString(3) ?? "", recognizer is null ? null : Recognizer(recognizer), words);
        using var server = new WyomingServer(address, allowed, services, new WyomingLimits(), line => Console.Error.WriteLine($"edgellm: {Printable.Line(line, 300)}"));
        try
        {
            server.Start();
        }
        catch (SocketException exception)
        {
            throw new IOException($"{listen}: can't be listened on ({exception.SocketErrorCode}): is another program there? --listen takes another port", exception);
        }
        await Console.Error.WriteLineAsync($"edgellm: {string.Join(", ", [.. recognizer is null ? [] : (string[])[recognizer.Name], .. words.Select(word => word.Settings.Word)])} for Home Assistant on {server.Address}").ConfigureAwait(false);
        await server.RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>A language that the model does not know (Home Assistant sends its own, such as en-GB) is left to the model.</summary>
    internal static WyomingRecognizer Recognizer(SpeechRecognizer recognizer) => new(recognizer.Name, recognizer.Languages, (samples, language, cancellation) => Task.Run(() =>
    {
        string? code = language?.Split('-', '_')[0].ToLowerInvariant();
        var options = new TranscriptionOptions { Language = recognizer.Languages.Contains(code) ? code : null };
        return recognizer.Transcribe(samples, options, cancellation).Text;
    }, cancellation));

    private static IEnumerable<string> WakeWordsHere() => DetectorStore.Models().Select(model => model.Path).Where(path => path.EndsWith(".json", StringComparison.Ordinal));

    private static WyomingWakeWord WakeWord(string path)
    {
        WakeWordModel model = DetectorStore.OpenWakeWord(path); // what is wrong with it is said now
        return new WyomingWakeWord(Path.GetFileNameWithoutExtension(path), model.Settings, () => DetectorStore.OpenWakeWord(path));
    }

    private static IPEndPoint AddressOf(string text) =>
        text.Contains(':') && IPEndPoint.TryParse(text, out IPEndPoint? address) ? address : throw new UsageException($"--listen takes an address and a port, such as {DefaultAddress}, not '{Printable.Line(text, 100)}'");

    private static IPNetwork NetworkOf(string text) =>
        IPNetwork.TryParse(text, out IPNetwork network) ? network
        : IPAddress.TryParse(text, out IPAddress? address) ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)
        : throw new UsageException($"--allow takes an address or a network, such as 192.168.1.0/24, not '{Printable.Line(text, 100)}'");
}
