using System.Net;
using System.Net.Sockets;
using System.Text;
using EdgeLlm.Assistant.Wyoming;

namespace EdgeLlm.Assistant.Tests.Wyoming;

/// <summary>
/// Services of others that hear and speak, as test doubles from the protocol's facts: they answer in any pieces, too much, wrongly, or not
/// at all.
/// </summary>
public sealed class WyomingPeerTests
{
    private const string Format = """{"rate": 22050, "width": 2, "channels": 1, "timestamp": null}""";

    private static readonly WyomingLimits Limits = new() { Silence = TimeSpan.FromMinutes(2), BlockBytes = 1 << 17 };

    public static TheoryData<int> Pieces => [int.MaxValue, 1000, 3, 1];

    [Theory]
    [MemberData(nameof(Pieces))]
    public async Task A_recognizers_transcript_is_the_text_in_whatever_pieces_it_comes(int piece)
    {
        byte[] answer = [.. TestPeer.Event("transcript-start", "{}"), .. TestPeer.Event("transcript-chunk", """{"text": "turn"}"""),
            .. TestPeer.Event("transcript", """{"text": " turn on the light ", "language": null}""")];
        using var service = new Double(answer, piece);
        Assert.Equal("turn on the light", await service.Peer.RecognizeAsync(new float[5000], "en", TestContext.Current.CancellationToken));
        string asked = await service.Asked;
        Assert.StartsWith("""{"type":"transcribe","version":"1.9.0","data_length":17}""" + "\n"
            + """{"language":"en"}{"type":"audio-start",""", asked, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"audio-stop\"", asked, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Pieces))]
    public async Task A_voices_sound_is_brought_to_one_rate_in_whatever_pieces_it_comes(int piece)
    {
        byte[] answer = [.. TestPeer.Event("audio-start", Format), .. TestPeer.Event("audio-chunk", Format, new byte[2205]),
            .. TestPeer.Event("audio-chunk", Format, new byte[2205]), .. TestPeer.Event("audio-stop", """{"timestamp": null}""")];
        using var service = new Double(answer, piece);
        int samples = 0, sentences = 0;
        await foreach (ReadOnlyMemory<float> sound in service.Peer.SpeakAsync(Text("Hello ", "there. How", " are you?"),
            TestContext.Current.CancellationToken))
            (samples, sentences) = (samples + sound.Length, sentences + 1);
        Assert.Equal((2, 4800), (sentences, samples));
        Assert.Contains("{\"text\":\"Hello there.\"}", await service.Asked, StringComparison.Ordinal);
    }

    public static TheoryData<string, byte[], string> Faults => new()
    {
        { "an error", TestPeer.Event("error", """{"text": "no such model", "code": "x"}"""), "says: no such model" },
        { "nothing", [], "closed the connection" },
        { "half an event", "{\"type\": \"transc"u8.ToArray(), "closed the connection" },
        { "half a payload", TestPeer.Event("audio-chunk", Format, new byte[100])[..^50], "closed the connection" },
        { "not JSON", "hello\n"u8.ToArray(), "must be JSON" },
        { "an endless header", Encoding.UTF8.GetBytes(new string('x', 100_000)), "a header has more than" },
        { "a large payload", Encoding.UTF8.GetBytes("{\"type\": \"audio-chunk\", \"payload_length\": 4294967297}\n"),
            "at most 131072 bytes" },
        { "a format that is none", TestPeer.Event("audio-chunk", """{"rate": 0, "width": 2, "channels": 1}""", new byte[2]), "the sound" },
        { "a width that is none", TestPeer.Event("audio-chunk", """{"rate": 16000, "width": 9, "channels": 1}""", new byte[2]), "'width'" },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_service_that_breaks_the_protocol_ends_the_sentence_with_a_reason(string what, byte[] answer, string reason)
    {
        using var service = new Double(answer, 7);
        IOException fault = await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            await foreach (ReadOnlyMemory<float> _ in service.Peer.SpeakAsync(Text("Hello."), TestContext.Current.CancellationToken)) { }
        });
        Assert.True(fault.Message.StartsWith("Wyoming service 127.0.0.1:", StringComparison.Ordinal)
            && fault.Message.Contains(reason, StringComparison.Ordinal), $"{what}: {fault.Message}");
    }

    [Fact]
    public async Task A_service_that_says_nothing_or_half_of_it_is_not_waited_for_without_end()
    {
        foreach (byte[] answer in (byte[][])[[], "{\"type\": \"transcript\""u8.ToArray(), TestPeer.Event("transcript-start", "{}")])
        {
            using var service = new Double(answer, int.MaxValue, closes: false, Limits with { Silence = TimeSpan.FromSeconds(.5) });
            IOException fault = await Assert.ThrowsAnyAsync<IOException>(() =>
                service.Peer.RecognizeAsync(new float[100], null, TestContext.Current.CancellationToken));
            Assert.Contains("nothing came for", fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_service_that_is_not_there_is_told_with_its_address()
    {
        int port;
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        IOException fault = await Assert.ThrowsAnyAsync<IOException>(() =>
            new WyomingPeer($"127.0.0.1:{port}", Limits).RecognizeAsync(new float[100], null, TestContext.Current.CancellationToken));
        Assert.Equal($"Wyoming service 127.0.0.1:{port}: can't be reached: ConnectionRefused", fault.Message);
    }

    [Fact]
    public async Task Sound_without_end_is_cut_off()
    {
        byte[] chunk = TestPeer.Event("audio-chunk", """{"rate": 8000, "width": 1, "channels": 1}""", new byte[100_000]);
        using var service = new Double([.. Enumerable.Repeat(chunk, 8).SelectMany(static one => one)], int.MaxValue);
        IOException fault = await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            await foreach (ReadOnlyMemory<float> _ in service.Peer.SpeakAsync(Text("Hello."), TestContext.Current.CancellationToken)) { }
        });
        Assert.Contains("more than 60 s of sound", fault.Message, StringComparison.Ordinal);
    }

    private static async IAsyncEnumerable<string> Text(params string[] pieces)
    {
        foreach (string piece in pieces)
        {
            await Task.Yield();
            yield return piece;
        }
    }

    /// <summary>A service that reads until the request's last event and then writes what it was told, on every connection.</summary>
    private sealed class Double : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly TaskCompletionSource<string> _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _stop = new();

        public Double(byte[] answer, int piece, bool closes = true, WyomingLimits? limits = null)
        {
            _listener.Start();
            Peer = new WyomingPeer($"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}", limits ?? Limits);
            _ = ServeAsync(answer, piece, closes);
        }

        public WyomingPeer Peer { get; }

        /// <summary>The first request's bytes as text.</summary>
        public Task<string> Asked => _asked.Task;

        public void Dispose()
        {
            _stop.Cancel();
            _listener.Dispose();
        }

        private async Task ServeAsync(byte[] answer, int piece, bool closes)
        {
            try
            {
                while (true)
                {
                    using TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                    NetworkStream stream = client.GetStream();
                    client.NoDelay = true;
                    var asked = new StringBuilder();
                    byte[] some = new byte[1 << 16];
                    while (!asked.ToString().Contains("audio-stop", StringComparison.Ordinal)
                        && !asked.ToString().Contains("{\"text\":", StringComparison.Ordinal))
                    {
                        int got = await stream.ReadAsync(some, _stop.Token);
                        if (got == 0) break;
                        asked.Append(Encoding.Latin1.GetString(some, 0, got));
                    }
                    _asked.TrySetResult(asked.ToString());
                    foreach (byte[] part in answer.Chunk(Math.Min(piece, Math.Max(1, answer.Length))))
                        await stream.WriteAsync(part, _stop.Token);
                    if (!closes) await Task.Delay(Timeout.Infinite, _stop.Token);
                    client.Client.Shutdown(SocketShutdown.Send);
                    while (await stream.ReadAsync(some,
                        _stop.Token) > 0) { } // closed with unread bytes it would be reset, and the answer lost
                }
            }
            catch (Exception exception)
                when (exception is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
            {
                // The end, or a client that has enough.
                if (exception is IOException) _ = ServeAsync(answer, piece, closes);
            }
        }
    }
}
