using System.Globalization;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>
/// A service of somebody else's that hears or speaks for the assistant, such as wyoming-faster-whisper and wyoming-piper. One connection an
/// utterance, as these close it after each. All that it sends is checked against the limits.
/// </summary>
internal sealed class WyomingPeer
{
    /// <summary>Samples a second of what it speaks, whatever its own are.</summary>
    public const int VoiceRate = 24_000;

    private const int ChunkSamples = 1024, MostSentenceSeconds = 60;

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);

    private readonly string _host;
    private readonly int _port;
    private readonly WyomingLimits _limits;

    /// <param name="address">HOST:PORT.</param>
    public WyomingPeer(string address, WyomingLimits limits)
    {
        int colon = address.LastIndexOf(':');
        (_host, _port, _limits) =
            (address[..colon].Trim('[', ']'), int.Parse(address.AsSpan(colon + 1), CultureInfo.InvariantCulture), limits);
    }

    private string Name => $"Wyoming service {_host}:{_port}";

    /// <inheritdoc cref="Wyoming.Recognize"/>
    /// <exception cref="FileException">It can't be reached, does not answer, or breaks the protocol.</exception>
    public Task<string> RecognizeAsync(float[] samples, string? language, CancellationToken cancellation) => GuardAsync(async connection =>
    {
        byte[] bytes = new byte[2 * samples.Length];
        SamplesOf16Bits.Write(samples, bytes);
        await connection.WriteAsync("transcribe", json =>
        {
            if (language is not null) json.WriteString("language", language);
        }, cancellation).ConfigureAwait(false);
        await connection.WriteAsync("audio-start", WriteFormat, cancellation).ConfigureAwait(false);
        for (int at = 0; at < bytes.Length; at += 2 * ChunkSamples)
            await connection.WriteAsync("audio-chunk", WriteFormat, cancellation,
                bytes.AsMemory(at, Math.Min(2 * ChunkSamples, bytes.Length - at))).ConfigureAwait(false);
        await connection.WriteAsync("audio-stop", null, cancellation).ConfigureAwait(false);
        while (await NextAsync(connection, cancellation).ConfigureAwait(false) is { } next)
        {
            if (next.Type == "transcript") return next.Text("text")?.Trim() ?? "";
        }
        throw new EndOfStreamException();
    }, cancellation);

    /// <inheritdoc cref="SpeakText"/>
    /// <exception cref="FileException">It can't be reached, does not answer, or breaks the protocol.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<float>> SpeakAsync(IAsyncEnumerable<string> text,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var splitter = new SentenceSplitter(markdown: true);
        await foreach (string piece in text.WithCancellation(cancellation).ConfigureAwait(false))
        {
            foreach (TextSentence sentence in splitter.Add(piece))
                yield return await SayAsync(sentence.Text, cancellation).ConfigureAwait(false);
        }
        foreach (TextSentence sentence in splitter.End()) yield return await SayAsync(sentence.Text, cancellation).ConfigureAwait(false);
    }

    /// <summary>Sound of a sentence.</summary>
    private Task<ReadOnlyMemory<float>> SayAsync(string sentence, CancellationToken cancellation) =>
        GuardAsync<ReadOnlyMemory<float>>(async connection =>
    {
        await connection.WriteAsync("synthesize", json => json.WriteString("text", sentence), cancellation).ConfigureAwait(false);
        var sound = new List<float>();
        float[] some = new float[4096];
        PcmConverter? converter = null;
        while (await NextAsync(connection, cancellation).ConfigureAwait(false) is { } next)
        {
            if (next.Type is "audio-start" or "audio-chunk") converter ??= ConverterOf(next);
            if (next.Type == "audio-chunk") converter!.Write(next.Payload.Span);
            if (next.Type == "audio-stop") converter?.End();
            for (int count; converter is not null && (count = converter.Read(some)) > 0;) sound.AddRange(some.AsSpan(0, count));
            if (sound.Count > MostSentenceSeconds * VoiceRate)
                throw new WyomingException($"a sentence has more than {MostSentenceSeconds} s of sound");
            if (next.Type == "audio-stop") return sound.ToArray();
        }
        throw new EndOfStreamException();
    }, cancellation);

    private static PcmConverter ConverterOf(WyomingEvent next)
    {
        try
        {
            return new PcmConverter(WyomingSession.FormatOf(next), VoiceRate);
        }
        catch (ArgumentException exception)
        {
            throw new WyomingException(exception.Message);
        }
    }

    private static async Task<WyomingEvent?> NextAsync(WyomingConnection connection, CancellationToken cancellation)
    {
        WyomingEvent? next = await connection.ReadAsync(static () => false, cancellation).ConfigureAwait(false);
        return next is { Type: "error" }
            ? throw new WyomingException($"says: {Printable.Line(next.Text("text") ?? "an error", 200)}") : next;
    }

    /// <summary>Does something on a connection of its own. Whatever goes wrong is told in one way.</summary>
    private async Task<T> GuardAsync<T>(Func<WyomingConnection, Task<T>> work, CancellationToken cancellation)
    {
        try
        {
            using var socket = new TcpClient { NoDelay = true };
            using (var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
            {
                limit.CancelAfter(ConnectLimit);
                await socket.ConnectAsync(_host, _port, limit.Token).ConfigureAwait(false);
            }
            return await work(new WyomingConnection(socket.GetStream(), _limits)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new FileException(Name, $"can't be reached within {ConnectLimit.TotalSeconds:0} s");
        }
        catch (SocketException exception)
        {
            throw new FileException(Name, $"can't be reached: {exception.SocketErrorCode}");
        }
        catch (EndOfStreamException)
        {
            throw new FileException(Name, "closed the connection before it had answered");
        }
        catch (Exception exception) when (exception is WyomingException or TimeoutException or IOException and not FileException)
        {
            throw new FileException(Name, exception.Message);
        }
    }

    private static void WriteFormat(Utf8JsonWriter json)
    {
        json.WriteNumber("rate", AudioReader.SpeechRate);
        json.WriteNumber("width", 2);
        json.WriteNumber("channels", 1);
        json.WriteNull("timestamp");
    }
}
