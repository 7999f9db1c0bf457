using System.Globalization;
using System.Text;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

/// <summary>
/// The requests of ten applications (and Claude Code) as they come over the wire when one is connected and says its first words, written
/// down from their sources; only the model's name is ours, long prompts are shortened, and each connection is closed after its answer.
/// </summary>
public sealed class ApplicationTests
{
    private const string Tool = """
        {"type":"function","function":{"name":"HassTurnOn","description":"Turns on a device","parameters":{"type":"object","properties":{"name":{"type":"string"},"domain":{"type":"array","items":{"type":"string"}}},"required":[]}}}
        """;

    /// <summary>
    /// Name, then for each request: its head without Host and Content-Length, its body, a text that the answer has to have.
    /// </summary>
    private static readonly (string Name, (string Head, string Body, string Wanted)[] Requests)[] Applications =
    [
        ("Home Assistant",
        [
            ("GET /api/tags HTTP/1.1\nAccept: application/json\nAccept-Encoding: gzip, deflate\nContent-Type: "
                + "application/json\nUser-Agent: ollama-python/0.5.1 (aarch64 linux) Python/3.13.2",
                "", "\"name\":\"tiny:latest\""),
            ("POST /api/chat HTTP/1.1\nAccept: application/json\nAccept-Encoding: gzip, deflate\nContent-Type: "
                + "application/json\nUser-Agent: ollama-python/0.5.1 (aarch64 linux) Python/3.13.2",
                """{"model":"tiny","messages":[{"role":"system","content":"You are a voice assistant for Home Assistant.\nAnswer in plain text."},{"role":"user","content":"Turn on the lamp"}],"tools":[TOOL],"stream":true,"think":false,"options":{"num_ctx":8192,"num_predict":8},"keep_alive":-1}""",
                "\"done\":true"),
            ("POST /api/chat HTTP/1.1\nAccept: application/json\nContent-Type: application/json\nUser-Agent: ollama-python/0.5.1 "
                + "(aarch64 linux) Python/3.13.2",
                """{"model":"tiny","messages":[{"role":"user","content":"Make a name"}],"tools":null,"stream":true,"think":false,"format":{"type":"object","properties":{"name":{"type":"string","maxLength":9}},"required":["name"]},"options":{"num_ctx":8192,"num_predict":40},"keep_alive":"300s"}""",
                "\"done\":true"),
        ]),
        ("Open WebUI",
        [
            ("GET /api/version HTTP/1.1\nAccept: */*\nAccept-Encoding: gzip, deflate, br\nUser-Agent: Python/3.11 aiohttp/3.12.15", "",
                "\"version\":\"0."),
            ("GET /api/tags HTTP/1.1\nAccept: */*\nAccept-Encoding: gzip, deflate, br\nUser-Agent: Python/3.11 aiohttp/3.12.15", "",
                "\"model\":\"tiny:latest\""),
            ("GET /api/ps HTTP/1.1\nAccept: */*\nAccept-Encoding: gzip, deflate, br\nUser-Agent: Python/3.11 aiohttp/3.12.15", "",
                "\"models\":["),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: */*\nAccept-Encoding: gzip, deflate, br\nUser-Agent: "
                + "Python/3.11 aiohttp/3.12.15",
                """{"stream": true, "model": "tiny:latest", "messages": [{"role": "user", "content": "Gr\u00fc\u00df Gott"}], "options": {"num_predict": 8}, "tools": [TOOL], "keep_alive": "5m", "metadata": {"chat_id": "1"}}""",
                "\"done\":true"),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: */*\nUser-Agent: Python/3.11 aiohttp/3.12.15",
                """{"model": "tiny:latest", "messages": [{"role": "user", "content": "### Task:\nGenerate a concise, 3-5 word title with an emoji."}], "stream": false, "options": {"num_predict": 8}}""",
                "\"done\":true"),
        ]),
        ("VS Code Copilot",
        [
            ("GET /api/version HTTP/1.1\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\nuser-agent: node\naccept-encoding: "
                + "gzip, deflate",
                "", "\"version\":\"0."),
            ("GET /api/tags HTTP/1.1\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\nuser-agent: node\naccept-encoding: gzip, "
                + "deflate",
                "", "tiny:latest"),
            ("POST /api/show HTTP/1.1\nContent-Type: application/json\naccept: */*\nuser-agent: node", """{"model":"tiny:latest"}""",
                ".context_length\":4096"),
            ("POST /v1/chat/completions HTTP/1.1\nContent-Type: application/json\nAuthorization: Bearer \nX-Request-Id: 4d0f\naccept: "
                + "*/*\nuser-agent: GitHubCopilotChat/0.30",
                """{"messages":[{"role":"system","content":"You are an expert AI programming assistant."},{"role":"user","content":[{"type":"text","text":"Hi"}]}],"model":"tiny:latest","temperature":0.1,"top_p":1,"max_tokens":8,"n":1,"stream":true,"stream_options":{"include_usage":true},"tools":[TOOL],"tool_choice":"auto"}""",
                "data: [DONE]"),
        ]),
        ("Zed",
        [
            ("GET /api/tags HTTP/1.1\naccept: application/json\nuser-agent: Zed/0.200.0 (linux; aarch64)\naccept-encoding: gzip", "",
                "tiny:latest"),
            ("POST /api/show HTTP/1.1\ncontent-type: application/json\nuser-agent: Zed/0.200.0 (linux; aarch64)",
                """{"model":"tiny:latest"}""", "\"capabilities\":[\"completion\""),
            ("POST /api/chat HTTP/1.1\ncontent-type: application/json\nuser-agent: Zed/0.200.0 (linux; aarch64)",
                """{"model":"tiny:latest","messages":[{"role":"user","content":"Hi","images":null}],"stream":true,"keep_alive":-1,"options":{"num_ctx":16384,"num_predict":8,"stop":[],"temperature":1.0,"top_p":null},"tools":[TOOL],"think":null}""",
                "\"done\":true"),
        ]),
        ("Continue",
        [
            ("POST /api/show HTTP/1.1\nContent-Type: application/json\nAuthorization: Bearer undefined\nAccept: */*\nUser-Agent: "
                + "node-fetch",
                """{"name":"tiny"}""", "\"model_info\":{"),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: */*\nUser-Agent: node-fetch",
                """{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"options":{"num_predict":8,"num_ctx":4096,"stop":["<|im_end|>","<|im_start|>"]},"keep_alive":1800,"stream":true}""",
                "\"done\":true"),
            ("POST /api/generate HTTP/1.1\nContent-Type: application/json\nAccept: */*\nUser-Agent: node-fetch",
                """{"model":"tiny","prompt":"<fim_prefix>a = <fim_suffix>\n<fim_middle>","raw":true,"options":{"temperature":0.01,"num_predict":8,"num_ctx":4096,"stop":["<fim_prefix>","<fim_suffix>","<fim_middle>","<file_sep>","<|endoftext|>","</fim_middle>","</code>","/src/","#- coding: utf-8","```","\n\n","\r\n\r\n","t."]},"keep_alive":1800,"stream":true}""",
                "\"done\":true"),
            ("POST /api/embed HTTP/1.1\nContent-Type: application/json\nAccept: */*\nUser-Agent: node-fetch",
                """{"model":"tiny","input":["def f(): pass","x"]}""", "\"embeddings\":[["),
        ]),
        ("Cline",
        [
            ("GET /api/tags HTTP/1.1\nAccept: application/json, text/plain, */*\nUser-Agent: axios/1.8.2\nAccept-Encoding: gzip, "
                + "compress, deflate, br",
                "", "tiny:latest"),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: application/json\nUser-Agent: ollama-js/0.5.13 (x64 "
                + "linux Node.js/v20.18.0)",
                """{"model":"tiny:latest","messages":[{"role":"system","content":"You are Cline, a highly skilled software engineer."},{"role":"user","content":"<task>\nhi\n</task>"},{"role":"user","content":"<environment_details>\n</environment_details>"}],"stream":true,"options":{"num_ctx":32768,"num_predict":8},"tools":[TOOL]}""",
                "\"done\":true"),
        ]),
        ("AnythingLLM",
        [
            ("GET /api/tags HTTP/1.1\nAccept: */*\nUser-Agent: node", "", "tiny:latest"),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: application/json\nUser-Agent: ollama-js/0.5.10 (arm64 "
                + "linux Node.js/v18.20.8)",
                """{"model":"tiny:latest","stream":true,"messages":[{"role":"system","content":"Given the following conversation, answer."},{"role":"user","content":"Hi","images":[]}],"keep_alive":300,"options":{"temperature":0.7,"useMLock":true,"numCtx":4096,"num_predict":8}}""",
                "\"done\":true"),
        ]),
        ("n8n",
        [
            ("GET /api/tags HTTP/1.1\nAccept: application/json,text/html,application/xhtml+xml,application/xml,text/*;q=0.9, "
                + "image/*;q=0.8, */*;q=0.7\nuser-agent: n8n\nAccept-Encoding: gzip, compress, deflate, br",
                "", "tiny:latest"),
            ("POST /api/chat HTTP/1.1\nContent-Type: application/json\nAccept: application/json\nUser-Agent: ollama-js/0.6.2 (arm64 "
                + "linux Node.js/v22.21.1)",
                """{"model":"tiny:latest","options":{"num_predict":8,"temperature":0.7,"top_k":-1,"top_p":1,"repeat_penalty":1,"num_ctx":2048,"use_mmap":true,"use_mlock":false,"num_gpu":-1,"num_thread":0,"penalize_newline":true,"low_vram":false},"keep_alive":"5m","stream":true,"messages":[{"role":"user","content":"Hi"}],"tools":[TOOL]}""",
                "\"done\":true"),
        ]),
        ("LibreChat",
        [
            ("GET /api/tags HTTP/1.1\nAccept: application/json, text/plain, */*\nUser-Agent: axios/1.12.1\nAccept-Encoding: gzip, "
                + "compress, deflate, br",
                "", "tiny:latest"),
            ("GET /v1/models HTTP/1.1\nAccept: application/json, text/plain, */*\nAuthorization: Bearer ollama\nUser-Agent: axios/1.12.1",
                "", "\"context_length\":4096"),
            ("POST /v1/chat/completions HTTP/1.1\nAccept: application/json\nContent-Type: application/json\nAuthorization: Bearer "
                + "ollama\nUser-Agent: OpenAI/JS 5.20.0\nX-Stainless-Lang: js\nX-Stainless-Retry-Count: 0",
                """{"model":"tiny","temperature":1,"user":"68c0","stream":true,"stream_options":{"include_usage":true},"max_tokens":8,"messages":[{"role":"user","content":"Hi"}],"tools":[TOOL]}""",
                "data: [DONE]"),
        ]),
        ("Obsidian Copilot",
        [
            ("OPTIONS /api/chat HTTP/1.1\nAccept: */*\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: "
                + "content-type\nAccess-Control-Request-Private-Network: true\nOrigin: app://obsidian.md",
                "", "Access-Control-Allow-Origin: app://obsidian.md"),
            ("POST /api/chat HTTP/1.1\nAccept: application/json\nContent-Type: application/json\nOrigin: app://obsidian.md\nUser-Agent: "
                + "Mozilla/5.0 (X11; Linux x86_64) obsidian/1.9.12",
                """{"model":"tiny:latest","options":{"num_predict":8,"temperature":0.1,"num_ctx":8192},"stream":true,"messages":[{"role":"system","content":"You are Obsidian Copilot."},{"role":"user","content":"Hi"}]}""",
                "\"done\":true"),
        ]),
        ("Claude Code",
        [
            ("HEAD / HTTP/1.1\nUser-Agent: Bun/1.2", "", "200 OK"),
            ("POST /api/show HTTP/1.1\nContent-Type: application/json\nUser-Agent: ollama/0.15.2 (arm64 linux) Go/go1.24.1",
                """{"model":"tiny"}""", "\"model_info\":{"),
            ("POST /v1/messages?beta=true HTTP/1.1\naccept: application/json\nx-api-key: ollama\nanthropic-version: "
                + "2023-06-01\nanthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14\nanthropic-dangerous-direct-browser-access: true\ncontent-type: application/json\nuser-agent: claude-cli/2.0.14 (external, cli)",
                """{"model":"tiny","max_tokens":8,"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}],"system":[{"type":"text","text":"You are Claude Code.","cache_control":{"type":"ephemeral"}}],"tools":[{"name":"Read","description":"Reads a file","input_schema":{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"file_path":{"type":"string"}},"required":["file_path"],"additionalProperties":false}}],"metadata":{"user_id":"user_1"},"temperature":1,"stream":true}""",
                "event: message_stop"),
        ]),
    ];

    public static TheoryData<string> Names => [.. Applications.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_application_connects_and_is_answered(string name)
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { Context = 4096, Parallel = 1 });
        foreach ((string head, string body, string wanted) in Applications.Single(one => one.Name == name).Requests)
        {
            byte[] content = Encoding.UTF8.GetBytes(body.Replace("TOOL", Tool, StringComparison.Ordinal));
            string length = content.Length == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"Content-Length: {content.Length}\r\n");
            string request = head.Replace("\n", "\r\n", StringComparison.Ordinal)
                + $"\r\nHost: localhost:{server.Server.Address.Port}\r\nConnection: close\r\n{length}\r\n";
            string answer = await server.SendRawAsync([.. Encoding.UTF8.GetBytes(request), .. content]);
            Assert.Matches("^HTTP/1.1 20[04] ", answer);
            Assert.Contains(wanted, answer, StringComparison.Ordinal);
            Assert.DoesNotContain("\"error\"", answer, StringComparison.Ordinal);
        }
    }
}
