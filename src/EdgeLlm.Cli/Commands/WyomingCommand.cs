using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using EdgeLlm.Assistant.Wyoming;
using EdgeLlm.Cli.Speak;
using EdgeLlm.Cli.Transcription;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech.Detection;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm wyoming`: speech for Home Assistant.</summary>
internal static class WyomingCommand
{
    private const string DefaultAddress = "127.0.0.1:10300";

    public static Command Create()
    {
        var wake = new Option<string[]>("--wake")
        {
            Description = "A wake word of microWakeWord: its JSON file, or the name of one on this machine; may be there several times "
                + "(default: all on this machine)",
            HelpName = "MODEL",
        };
        var voice = new Option<string[]>("--voice")
        {
            Description =
                "A voice: a packed file, a folder, a name, or command:NAME; may be there several times (default: all on this machine)",
            HelpName = "VOICE",
        };
        var listen = new Option<string?>("--listen")
        {
            Description =
                $"Address and port (default: {DefaultAddress}); other machines reach another address than this one's own, with --allow",
            HelpName = "ADDRESS:PORT",
        };
        var allow = new Option<string[]>("--allow")
        {
            Description =
                "An address or network that may connect, such as 192.168.1.0/24; may be there several times (default: the setting "
                    + "wyomingAllow)",
            HelpName = "NETWORK",
        };
        var stream = new Option<bool>("--stream") { Description = "Hear while people speak, and send words as soon as they are sure" };
        var command = new Command("wyoming",
            "Serve speech to Home Assistant, over its Wyoming protocol: recognition by the --model that hears, wake words, and voices.")
        {
            SpeechModels.Model, wake, voice, listen, allow, stream, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            ServerOptions settings = ServiceSettings.Read("wyomingAllow", "voiceCommands");
            IPEndPoint address = AddressOf(result.GetValue(listen) ?? DefaultAddress);
            IReadOnlyList<IPNetwork> allowed = result.GetValue(allow) is { Length: > 0 } given
                ? [.. given.Select(NetworkOf)] : settings.WyomingAllow;
            if (!IPAddress.IsLoopback(address.Address) && allowed.Count == 0)
                throw new UsageException(
                    $"--listen {address} is open to other machines: name those that may connect with --allow, such as --allow "
                        + "192.168.1.0/24, or in the setting wyomingAllow");
            using SpeechRecognizer? recognizer = SpeechModels.PathOrNull(result) is { } path
                ? SpeechRecognizer.Load(path, SpeechModels.OptionsOf(result)) : null;
            using var voices = new WyomingVoices(result.GetValue(voice) ?? [], settings.VoiceCommands);
            string[] wakeWords = result.GetValue(wake) ?? [];
            WyomingWakeWord[] words =
                [.. (wakeWords.Length > 0 ? wakeWords.Select(DetectorStore.PathOf) : DetectorStore.WakeWords()).Select(WakeWord)];
            WyomingRecognizer? hearing = recognizer is null ? null : Recognizer(recognizer);
            if (hearing is not null && result.GetValue(stream)) hearing = hearing with { Stream = Stream(recognizer!) };
            var services =
                new WyomingServices(typeof(WyomingCommand).Assembly.GetName().Version?.ToString(3) ?? "", hearing, words, voices.All);
            await RunAsync(services, address, allowed, cancellation).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task RunAsync(WyomingServices services, IPEndPoint address, IReadOnlyList<IPNetwork> allowed,
        CancellationToken cancellation)
    {
        string[] names = [.. services.Recognizer is null ? [] : (string[])[services.Recognizer.Name],
            .. services.WakeWords.Select(word => word.Settings.Word), .. services.Voices.Select(voice => voice.Name)];
        if (names.Length == 0)
            throw new UsageException(
                "there is nothing to serve on this machine: `edgellm pull` gets models that hear, wake and speak; --model, --wake and "
                    + "--voice name others");
        using var server = new WyomingServer(address, allowed, services, new WyomingLimits(),
            line => Console.Error.WriteLine($"edgellm: {Printable.Line(line, 300)}"));
        try
        {
            server.Start();
        }
        catch (SocketException exception)
        {
            throw new IOException(
                $"{address}: can't be listened on ({exception.SocketErrorCode}): is another program there? --listen takes another port",
                exception);
        }
        await Console.Error.WriteLineAsync(
            $"edgellm: {string.Join(", ", names.Select(static name => Printable.Line(name, 60)))} for Home Assistant on {server.Address}")
            .ConfigureAwait(false);
        await server.RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>A language that the model does not know (Home Assistant sends its own, such as en-GB) is left to the model.</summary>
    internal static WyomingRecognizer Recognizer(SpeechRecognizer recognizer) =>
        new(recognizer.Name, recognizer.Languages, (samples, language, cancellation) =>
        Task.Run(() => recognizer.Transcribe(samples, OptionsFor(recognizer, language), cancellation).Text, cancellation));

    /// <summary>Hears while sound comes; passes that the machine has no time for are left out.</summary>
    internal static RecognizeStream Stream(SpeechRecognizer recognizer) => async (sound, language, agreed, cancellation) =>
    {
        SpeechStream stream = recognizer.StartStream(OptionsFor(recognizer, language), isLive: true);
        var samples = new List<float>();
        while (await sound.WaitToReadAsync(cancellation).ConfigureAwait(false))
        {
            samples.Clear();
            while (sound.TryRead(out float[]? piece)) samples.AddRange(piece);
            string before = stream.Agreed;
            stream.Add(CollectionsMarshal.AsSpan(samples), null, cancellation);
            if (stream.Agreed.Length > before.Length) await agreed(stream.Agreed[before.Length..]).ConfigureAwait(false);
        }
        return stream.Finish(cancellation);
    };

    private static TranscriptionOptions OptionsFor(SpeechRecognizer recognizer, string? language)
    {
        string? code = language?.Split('-', '_')[0].ToLowerInvariant();
        return new TranscriptionOptions { Language = recognizer.Languages.Contains(code) ? code : null };
    }

    private static WyomingWakeWord WakeWord(string path)
    {
        WakeWordModel model = DetectorStore.OpenWakeWord(path); // what is wrong with it is said now
        return new WyomingWakeWord(Path.GetFileNameWithoutExtension(path), model.Settings, () => DetectorStore.OpenWakeWord(path));
    }

    private static IPEndPoint AddressOf(string text) =>
        text.Contains(':') && IPEndPoint.TryParse(text, out IPEndPoint? address) ? address
            : throw new UsageException(
                $"--listen takes an address and a port, such as {DefaultAddress}, not '{Printable.Line(text, 100)}'");

    private static IPNetwork NetworkOf(string text)
    {
        try
        {
            return Setting.NetworkOf(text);
        }
        catch (FormatException exception)
        {
            throw new UsageException($"--allow takes {exception.Message}, not '{Printable.Line(text, 100)}'");
        }
    }
}
