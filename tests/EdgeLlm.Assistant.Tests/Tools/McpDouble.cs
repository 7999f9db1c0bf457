using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EdgeLlm.Assistant.Tests.Tools;

/// <summary>An MCP server over HTTP in this process, with tools and results of the test's choice.</summary>
internal sealed class McpDouble : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly JsonArray _tools;
    private readonly Func<string, string> _result;

    /// <param name="tools">JSON list of tools.</param>
    /// <param name="result">Text of a call's result, by the tool's name.</param>
    public McpDouble(string tools, Func<string, string> result)
    {
        (_tools, _result) = (JsonNode.Parse(tools)!.AsArray(), result);
        for (int port = 20610 + Environment.ProcessId % 40; ; port++)
        {
            try
            {
                _listener.Prefixes.Clear();
                _listener.Prefixes.Add($"http://127.0.0.1:{port}/");
                _listener.Start();
                Url = $"http://127.0.0.1:{port}/mcp";
                break;
            }
            catch (HttpListenerException) when (port < 20699)
            {
                // Somebody else's port.
            }
        }
        _ = ServeAsync();
    }

    public string Url { get; } = "";

    /// <summary>Tools that were called.</summary>
    public List<string> Called { get; } = [];

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        try
        {
            while (true) _ = AnswerAsync(await _listener.GetContextAsync());
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or InvalidOperationException)
        {
            // Closed.
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        using var reader = new StreamReader(context.Request.InputStream);
        string body = await reader.ReadToEndAsync();
        using HttpListenerResponse response = context.Response;
        response.KeepAlive = false; // the listener sometimes closes one that a client has just begun to use again
        if (context.Request.HttpMethod != "POST")
        {
            response.StatusCode = 405;
            return;
        }
        JsonNode request = JsonNode.Parse(body)!;
        if (request["id"] is null)
        {
            response.StatusCode = 202;
            return;
        }
        var answer = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = request["id"]!.DeepClone() };
        switch (request["method"]!.GetValue<string>())
        {
            case "initialize":
                answer["result"] = new JsonObject
                {
                    ["protocolVersion"] = "2025-06-18",
                    ["capabilities"] = new JsonObject { ["tools"] = new JsonObject() },
                    ["serverInfo"] = new JsonObject { ["name"] = "double", ["version"] = "1" },
                };
                break;
            case "tools/list": answer["result"] = new JsonObject { ["tools"] = _tools.DeepClone() }; break;
            case "tools/call":
                string name = request["params"]!["name"]!.GetValue<string>();
                lock (Called) Called.Add(name);
                answer["result"] =
                    new JsonObject { ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = _result(name) }) };
                break;
            default: answer["error"] = new JsonObject { ["code"] = -32601, ["message"] = "Method not found" }; break;
        }
        byte[] bytes = Encoding.UTF8.GetBytes(answer.ToJsonString(new JsonSerializerOptions()));
        response.ContentType = "application/json";
        response.ContentLength64 = bytes.Length;
        try
        {
            await response.OutputStream.WriteAsync(bytes);
        }
        catch (HttpListenerException)
        {
            // The client is gone.
        }
    }
}
