using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Server;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>
/// Requests to the service, as bytes on a connection. An answer of 500, one that is no JSON where it says so, or none is wrong.
/// </summary>
internal static class HttpTarget
{
    private const int MostAnswer = 8 << 20;

    /// <summary>What the service waits for the rest of a request before the case says that there is none.</summary>
    private const int PatienceMilliseconds = 400, MostMilliseconds = 30_000;

    private static readonly string[] Methods =
        ["POST", "POST", "POST", "GET", "GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "FOO", ""];

    private static readonly (string Path, string Body)[] Requests =
    [
        ("/v1/chat/completions", """
            {"model":"tiny","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c","content":"4"},{"role":"user","content":[{"type":"text","text":"and?"}]}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":4,"temperature":0,"top_p":0.9,"top_k":4,"min_p":0.1,
            "stop":["x"],"seed":1,"presence_penalty":0.1,"frequency_penalty":0.1,"logit_bias":{"5":-1},"n":1,"response_format":{"type":"text"},"user":"u"}
            """),
        ("/v1/chat/completions",
            """{"model":"tiny","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":3,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"none"}"""),
        ("/v1/completions",
            """{"model":"tiny","prompt":"Once","max_tokens":4,"stream":false,"suffix":null,"echo":false,"logprobs":null}"""),
        ("/v1/embeddings", """{"model":"tiny","input":["a","b"],"encoding_format":"float","dimensions":8}"""),
        ("/v1/responses", """{"model":"tiny","input":"hi","max_output_tokens":4}"""),
        ("/api/chat",
            """{"model":"tiny","messages":[{"role":"user","content":"hi","images":[]},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":"4","tool_name":"f"}],"stream":true,"options":{"num_predict":4,"temperature":0,"top_k":5,"top_p":0.5,"min_p":0,"seed":1,"stop":["x"],"num_ctx":64,"repeat_penalty":1.1,"repeat_last_n":4},"keep_alive":"5m","format":"","think":false,"truncate":true}"""),
        ("/api/generate",
            """{"model":"tiny","prompt":"Once","system":"s","raw":false,"stream":false,"context":[1,2,3],"template":"","suffix":"","images":[],"options":{"num_predict":4},"keep_alive":0}"""),
        ("/api/embed", """{"model":"tiny","input":["a"],"truncate":true}"""),
        ("/api/show", """{"model":"tiny","verbose":true}"""),
        ("/api/tags", ""), ("/api/ps", ""), ("/api/version", ""), ("/v1/models", ""), ("/v1/models/tiny", ""), ("/health/ready", ""),
        ("/health/live", ""), ("/metrics", ""), ("/", ""), ("/page.js", ""), ("/props", ""), ("/tokenize", """{"content":"a"}"""),
    ];

    private static readonly string[] Names =
    [
        "model", "messages", "role", "content", "stream", "stream_options", "include_usage", "max_tokens", "max_completion_tokens",
        "temperature", "top_p", "top_k", "min_p", "typical_p", "stop", "seed",
        "presence_penalty", "frequency_penalty", "repeat_penalty", "repeat_last_n", "logit_bias", "n", "logprobs", "tools", "tool_choice",
        "tool_calls", "tool_call_id", "function", "name", "arguments", "response_format", "type",
        "options", "num_predict", "num_ctx", "keep_alive", "format", "think", "truncate", "images", "prompt", "system", "raw", "context",
        "template", "suffix", "input", "tool_name", "thinking", "parallel_tool_calls", "text",
    ];

    private static readonly string[] HeaderNames =
        ["Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Origin", "Authorization", "Accept", "Expect",
            "If-None-Match", "Accept-Encoding", "Content-Encoding", "Access-Control-Request-Method", "X-Forwarded-For",
            "Upgrade", "Cookie", "Referer"];

    private static readonly string[] HeaderValues =
        ["localhost", "LOCALHOST.", "evil.example", "[::1]", "127.0.0.1:1", "application/json", "text/plain; charset=utf-16", "0", "-1",
            "5", "99999999999", "0x10", "+5", "chunked", "gzip, chunked", "chunked, chunked", "close", "keep-alive", "upgrade", "null",
            "http://localhost", "Bearer x", "100-continue", "*/*", "text/html", "h2c", "\u00e9", "a,b,c"];

    private static readonly Lazy<(int Port, StringWriter Log)> Service = new(Start);

    public static string? Run(FuzzCase current)
    {
        (int port, StringWriter log) = Service.Value;
        byte[] request = MakeRequest(current.Dice, out bool isWhole);
        current.Begin(request.Length);
        byte[] answer = Send(port, request, isWhole);
        string errors = TakeErrors(log);
        if (errors.Length > 0) throw new WrongResultException($"the log says: {errors}\n{Show(request)}");
        if (answer.Length == 0) return "no answer"; // to what is not even HTTP, or was cut short
        int status = StatusOf(answer);
        if (status is < 200 or >= 500 and not (503 or 505))
            throw new WrongResultException($"status {status}: {Show(answer)}\n{Show(request)}");
        CheckBody(answer, request);
        return status >= 400 ? status.ToString(CultureInfo.InvariantCulture) : null;
    }

    private static byte[] MakeRequest(Dice dice, out bool isWhole)
    {
        (string path, string json) = dice.Of(Requests);
        byte[] body = json.Length == 0 ? dice.OneIn(4) ? dice.Bytes(dice.Below(40)) : []
            : JsonMutator.Mutate(dice, Encoding.UTF8.GetBytes(json), Names);
        if (dice.OneIn(12))
            path = dice.Pick(path + dice.Text(), path.ToUpperInvariant(), path + "/", "/" + path, path + "?a=%",
                path.Replace("/", "%2f", StringComparison.Ordinal), "*", "http://x/" + path, "/../" + path);
        string method = dice.OneIn(8) ? dice.Of(Methods) : json.Length > 0 ? "POST" : "GET";
        var head =
            new StringBuilder(
                $"{method} {string.Concat(path.Where(letter => letter > ' ' || dice.OneIn(8)))} HTTP/{(dice.OneIn(40) ? dice.Pick("1.0", "2.0", "9", "1.1 ") : "1.1")}\r\n");
        if (!dice.OneIn(40)) head.Append(dice.OneIn(20) ? $"Host: {dice.Of(HeaderValues)}\r\n" : "Host: localhost\r\n");
        bool isChunked = body.Length > 0 && dice.OneIn(8);
        if (isChunked) body = Chunked(dice, body);
        head.Append(isChunked ? "Transfer-Encoding: chunked\r\n" : body.Length > 0
            ? $"Content-Length: {(dice.OneIn(30) ? dice.Integer((ulong)body.Length) : (ulong)body.Length)}\r\n" : "");
        for (int count = dice.OneIn(3) ? dice.Mutations() : 0; count > 0; count--)
            head.Append(CultureInfo.InvariantCulture,
                $"{dice.Of(HeaderNames)}: {(dice.OneIn(4) ? dice.Text() : dice.Of(HeaderValues))}\r\n");
        if (dice.OneIn(100)) head.Append(CultureInfo.InvariantCulture, $"X-Long: {new string('x', 1 << (8 + dice.Below(10)))}\r\n");
        if (!dice.OneIn(10)) head.Append("Connection: close\r\n");
        byte[] request = [.. Encoding.UTF8.GetBytes(head.Append("\r\n").ToString()), .. body];
        isWhole = !dice.OneIn(16);
        return isWhole ? request : dice.Damage(request);
    }

    private static byte[] Chunked(Dice dice, byte[] body)
    {
        var bytes = new List<byte>();
        for (int at = 0; at < body.Length;)
        {
            int count = Math.Min(body.Length - at, 1 + dice.Below(200));
            string size = dice.OneIn(40)
                ? dice.Pick("ffffffffffffffff", "7fffffff", "80000000", "-1", "0", "g", "", " 5", "00000000000000000005")
                : count.ToString("x", CultureInfo.InvariantCulture);
            bytes.AddRange([.. Encoding.ASCII.GetBytes(size), (byte)'\r', (byte)'\n', .. body.AsSpan(at, count), (byte)'\r', (byte)'\n']);
            at += count;
        }
        return [.. bytes, .. "0\r\n\r\n"u8];
    }

    /// <summary>
    /// Sends, and reads until the service closes. Where no byte comes for a while, the other side learns that nothing follows.
    /// </summary>
    private static byte[] Send(int port, byte[] request, bool isWhole)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            LingerState = new LingerOption(true, 0),
        };
        socket.Connect(IPAddress.Loopback, port);
        var answer = new MemoryStream();
        byte[] buffer = new byte[1 << 15];
        try
        {
            socket.Send(request);
            bool isEnded = !isWhole && request.Length < 16;
            if (isEnded) socket.Shutdown(SocketShutdown.Send);
            while (answer.Length < MostAnswer)
            {
                if (!socket.Poll((isEnded ? MostMilliseconds : PatienceMilliseconds) * 1000, SelectMode.SelectRead))
                {
                    if (isEnded)
                        throw new WrongResultException(
                            $"no answer within {MostMilliseconds} ms, nor the connection's end: {Show(request)}");
                    isEnded = true;
                    socket.Shutdown(SocketShutdown.Send);
                    continue;
                }
                int count = socket.Receive(buffer);
                if (count == 0) break;
                answer.Write(buffer, 0, count);
                if (IsComplete(answer.GetBuffer().AsSpan(0, (int)answer.Length))) break; // the connection is kept alive
            }
        }
        catch (SocketException)
        {
            // Reset while it was still sending: the answer may be there.
        }
        return answer.ToArray();
    }

    private static bool IsComplete(ReadOnlySpan<byte> answer)
    {
        int end = answer.IndexOf("\r\n\r\n"u8);
        if (end < 0 || answer.StartsWith("HTTP/1.1 100"u8)) return false;
        string head = Encoding.Latin1.GetString(answer[..end]);
        if (head.Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase)) return answer.EndsWith("0\r\n\r\n"u8);
        return LengthOf(head) is { } length && answer.Length - end - 4 >= length;
    }

    private static long? LengthOf(string head)
    {
        int at = head.IndexOf("Content-Length: ", StringComparison.OrdinalIgnoreCase);
        return at < 0 ? null : long.Parse(head[(at + 16)..].Split('\r')[0], CultureInfo.InvariantCulture);
    }

    private static int StatusOf(ReadOnlySpan<byte> answer)
    {
        while (answer.StartsWith("HTTP/1.1 100"u8)) answer = answer[(answer.IndexOf("\r\n\r\n"u8) + 4)..];
        return answer.Length > 12 && int.TryParse(answer[9..12], CultureInfo.InvariantCulture, out int status) ? status : 0;
    }

    /// <summary>JSON is JSON, whole or line by line.</summary>
    private static void CheckBody(byte[] answer, byte[] request)
    {
        int end = answer.AsSpan().IndexOf("\r\n\r\n"u8) + 4;
        string head = Encoding.Latin1.GetString(answer.AsSpan(0, end));
        if (!head.Contains("application/json", StringComparison.Ordinal) || LengthOf(head) is not { } length || length == 0
            || answer.Length < end + length)
            return;
        try
        {
            using var document = JsonDocument.Parse(answer.AsMemory(end, (int)length));
            JsonElement error = document.RootElement.TryGetProperty("error", out JsonElement value) ? value : default;
            string? message = error.ValueKind == JsonValueKind.String ? error.GetString() : error.ValueKind == JsonValueKind.Object
                ? error.GetProperty("message").GetString() : null;
            if (message is not null && ChildLoop.ProblemOf(message) is { } problem)
                throw new WrongResultException($"the message {problem}: {message}\n{Show(request)}");
        }
        catch (JsonException)
        {
            throw new WrongResultException($"not JSON: {Show(answer)}\n{Show(request)}");
        }
    }

    private static string TakeErrors(StringWriter log)
    {
        string text = log.ToString();
        log.GetStringBuilder().Clear();
        string[] lines = [.. text.Split('\n').Where(line => line.Contains("error:", StringComparison.Ordinal))];
        return string.Join('\n', lines);
    }

    private static string Show(byte[] bytes) => Encoding.UTF8.GetString(bytes.AsSpan(0, Math.Min(bytes.Length, 2000)));

    private static (int, StringWriter) Start()
    {
        var log = new StringWriter();
        var options =
            new ServerOptions { Threads = 1, Listen = new ListenAddress(IPAddress.Loopback, 0), Context = 64, BodyLimit = 1 << 16 };
        var model = new ServedModel("tiny", Samples.ModelPath, "llama", 100_000, "F16", new FileInfo(Samples.ModelPath).Length,
            File.GetLastWriteTimeUtc(Samples.ModelPath));
        var server = new ModelServer(options, new ServedModels(model), new ServerLog(TextWriter.Synchronized(log), forJournal: false));
        server.StartAsync().GetAwaiter().GetResult();
        return (server.Address.Port, log);
    }
}
