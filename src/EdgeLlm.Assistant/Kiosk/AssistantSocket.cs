using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Assistant.Kiosk;

/// <summary>
/// The assistant's UNIX socket, at which the page's service, or any program of the same user, watches and talks to it. A client sends one
/// line of JSON:
/// <c>{"do":"events"}</c> is answered with a line for each event until the client goes; <c>{"do":"talk","text":"..."}</c>, or <c>"bytes":
/// N</c> and then N bytes of sound (16 kHz, mono, 16 bit, little-endian), with one line when the answer is whole; <c>{"do":"cancel"}</c>
/// with one line. `"source"` is `page` or `api` (the default), `"silent"` keeps the device from speaking. Lines are at most 16 kB, sound at
/// most a minute, clients at most 16.
/// </summary>
internal sealed class AssistantSocket : IAsyncDisposable
{
    /// <summary>Most bytes of a request's line, and of its sound.</summary>
    public const int MostLine = 16 << 10, MostSound = 60 * 32_000;

    private const int MostClients = 16, MostText = 2000, MostWaiting = 256;
    private static readonly TimeSpan ReadLimit = TimeSpan.FromSeconds(20);

    private readonly AssistantHost _host;
    private readonly string _path;
    private readonly Socket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _talk = new(1);
    private readonly Lock _turn = new();
    private readonly List<Channel<AssistantEvent>> _watchers = [];
    private readonly List<Task> _clients = [];
    private readonly Task _accepting;

    /// <summary>Listens at a path. A socket that nobody answers at is replaced.</summary>
    /// <exception cref="IOException">Another assistant answers there, or the path can't be used.</exception>
    public AssistantSocket(AssistantHost host, string path)
    {
        (_host, _path) = (host, Path.GetFullPath(path));
        _socket = Listen(_path);
        _accepting = AcceptAsync();
    }

    /// <summary>Tells the watchers what happens. It never waits: a watcher that does not read loses events.</summary>
    public void Tell(AssistantEvent happened)
    {
        lock (_turn)
        {
            foreach (Channel<AssistantEvent> watcher in _watchers) watcher.Writer.TryWrite(happened);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        _socket.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task[] clients;
        lock (_turn) clients = [.. _clients];
        await Task.WhenAll(clients).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        File.Delete(_path);
        _stop.Dispose();
        _talk.Dispose();
    }

    private static Socket Listen(string path)
    {
        var address = new UnixDomainSocketEndPoint(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (File.Exists(path))
            {
                using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    probe.Connect(address);
                }
                catch (SocketException)
                {
                    File.Delete(path); // of one that was killed
                }
                if (probe.Connected) throw new IOException($"another assistant listens at {path}: stop it, or name another \"socket\"");
            }
            socket.Bind(address);
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(MostClients);
            return socket;
        }
        catch (Exception exception) when (exception is SocketException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new IOException($"the socket {path} can't be made ({exception.Message}): its folder has to be there, and this user's",
                exception);
        }
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _socket.AcceptAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (SocketException) when (!_stop.IsCancellationRequested)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), _stop.Token).ConfigureAwait(false); // no descriptor is left
                continue;
            }
            lock (_turn)
            {
                _clients.RemoveAll(static one => one.IsCompleted);
                if (_clients.Count >= MostClients) client.Dispose();
                else _clients.Add(Task.Run(() => ServeAsync(client)));
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            limit.CancelAfter(ReadLimit);
            if (await ReadLineAsync(stream, limit.Token).ConfigureAwait(false) is not { } line) return;
            string answer;
            try
            {
                using JsonDocument request = JsonDocument.Parse(line);
                answer = await AnswerAsync(request.RootElement, stream, limit).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException)
            {
                answer = KioskJson.Error(exception is FormatException ? exception.Message
                    : "the request must be one line of JSON, such as {\"do\":\"talk\",\"text\":\"what time is it\"}");
            }
            await WriteAsync(stream, answer, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception exception)
            when (exception is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client is gone, or took too long.
        }
    }

    private async Task<string> AnswerAsync(JsonElement request, Stream stream, CancellationTokenSource limit)
    {
        switch (Text(request, "do"))
        {
            case "events":
                await WatchAsync(stream).ConfigureAwait(false);
                return "";
            case "cancel":
                _host.Loop.Signal(AssistantSignal.Cancelled);
                return KioskJson.Done;
            case "talk":
                Source source = Text(request, "source") switch
                {
                    "page" => Source.Page,
                    "api" or null => Source.Api,
                    _ => throw new FormatException("\"source\" must be \"page\" or \"api\"")
                };
                bool isSilent = request.TryGetProperty("silent", out JsonElement silent) && silent.ValueKind == JsonValueKind.True;
                string text = Text(request, "text")?.Trim() ?? await HearAsync(request, stream, limit).ConfigureAwait(false);
                if (text.Length is 0) return KioskJson.Unheard;
                if (text.Length > MostText) throw new FormatException($"\"text\" must have at most {MostText} characters");
                TimeSettings times =
                    _host.Settings.Times; // the states have their own limits; this one is for a turn that was cancelled before it began
                limit.CancelAfter(times.Think + times.Speak + times.Act * 8);
                return await TalkAsync(new TextRequest(text, source) { IsSilent = isSilent }, limit.Token).ConfigureAwait(false);
            default: throw new FormatException("\"do\" must be \"events\", \"talk\" or \"cancel\"");
        }
    }

    private async Task<string> HearAsync(JsonElement request, Stream stream, CancellationTokenSource limit)
    {
        if (!request.TryGetProperty("bytes", out JsonElement given) || !given.TryGetInt32(out int bytes)
            || bytes is <= 0 or > MostSound || bytes % 2 != 0)
            throw new FormatException(
                $"a \"talk\" needs \"text\", or \"bytes\", an even number of at most {MostSound}, and as many bytes of sound after the "
                    + "line");
        byte[] sound = new byte[bytes];
        await stream.ReadExactlyAsync(sound, limit.Token).ConfigureAwait(false);
        limit.CancelAfter(Timeout.InfiniteTimeSpan);
        if (_host.Recognize is not { } recognize)
            throw new FormatException("no model that hears is on this device: `edgellm assistant --check` says what gets one");
        float[] samples = new float[bytes / 2];
        SamplesOf16Bits.Read(sound, samples);
        string text = await recognize(samples, _host.Settings.Languages[0], limit.Token).ConfigureAwait(false);
        return text.Any(char.IsLetterOrDigit) ? text.Trim() : "";
    }

    /// <summary>Says something and waits for the answer. One at a time: the next one waits.</summary>
    private async Task<string> TalkAsync(TextRequest request, CancellationToken cancellation)
    {
        await _talk.WaitAsync(cancellation).ConfigureAwait(false);
        Channel<AssistantEvent> watcher = Watch();
        try
        {
            _host.Loop.Say(request);
            bool isOurs = false;
            string? answer = null;
            await foreach (AssistantEvent happened in watcher.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                if (happened.Kind == AssistantEventKind.Heard)
                {
                    if (isOurs)
                        return KioskJson.Turn(request.Text, answer, isCancelled: answer is null,
                            asks: false); // somebody else's turn has begun
                    isOurs = happened.Text == request.Text;
                }
                if (!isOurs) continue;
                if (happened.Kind == AssistantEventKind.Answered) answer = happened.Text;
                bool isEnd = answer is not null
                    || happened is { Kind: AssistantEventKind.State, Text: "idle" or "followup" or "listening" };
                if (isEnd) return KioskJson.Turn(request.Text, answer, isCancelled: answer is null, asks: _host.Gate.IsAsking);
            }
            throw new OperationCanceledException();
        }
        finally
        {
            Unwatch(watcher);
            _talk.Release();
        }
    }

    private async Task WatchAsync(Stream stream)
    {
        Channel<AssistantEvent> watcher = Watch();
        try
        {
            await WriteAsync(stream, KioskJson.Hello(_host), _stop.Token).ConfigureAwait(false);
            Task gone = GoneAsync(stream, watcher);
            await foreach (AssistantEvent happened in watcher.Reader.ReadAllAsync(_stop.Token).ConfigureAwait(false))
                await WriteAsync(stream, KioskJson.Of(happened), _stop.Token).ConfigureAwait(false);
            await gone.ConfigureAwait(false);
        }
        finally
        {
            Unwatch(watcher);
        }
    }

    /// <summary>Ends the events when the client closes its side.</summary>
    private async Task GoneAsync(Stream stream, Channel<AssistantEvent> watcher)
    {
        byte[] one = new byte[1];
        try
        {
            while (await stream.ReadAsync(one, _stop.Token).ConfigureAwait(false) > 0) { }
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Closed in another way.
        }
        watcher.Writer.TryComplete();
    }

    private Channel<AssistantEvent> Watch()
    {
        var watcher =
            Channel.CreateBounded<AssistantEvent>(new BoundedChannelOptions(MostWaiting) { FullMode = BoundedChannelFullMode.DropOldest });
        lock (_turn) _watchers.Add(watcher);
        return watcher;
    }

    private void Unwatch(Channel<AssistantEvent> watcher)
    {
        lock (_turn) _watchers.Remove(watcher);
    }

    private static string? Text(JsonElement request, string name) =>
        request.ValueKind != JsonValueKind.Object ? throw new FormatException("the request must be a JSON object")
        : request.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
        ? value.ValueKind == JsonValueKind.String ? value.GetString() : throw new FormatException($"\"{name}\" must be a text") : null;

    private static async Task WriteAsync(Stream stream, string line, CancellationToken cancellation)
    {
        if (line.Length > 0) await stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// A line, byte by byte, so that what follows it is left in the stream; null: the client closed, or the line is too long.
    /// </summary>
    private static async Task<byte[]?> ReadLineAsync(Stream stream, CancellationToken cancellation)
    {
        var line = new List<byte>();
        byte[] one = new byte[1];
        while (line.Count < MostLine && await stream.ReadAsync(one, cancellation).ConfigureAwait(false) > 0)
        {
            if (one[0] == '\n') return [.. line];
            line.Add(one[0]);
        }
        return null;
    }
}
