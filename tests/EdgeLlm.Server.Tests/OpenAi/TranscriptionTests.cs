using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.OpenAi;

/// <summary>OpenAI's API of speech to text.</summary>
public sealed class TranscriptionTests
{
    private const string Text = "It was the season of light, it was the season of darkness.";

    [Fact]
    public async Task A_recording_comes_back_in_every_format()
    {
        await using TestServer server = await StartAsync();
        JsonElement json = JsonDocument.Parse(await SendAsync(server, [("include[]", "logprobs")])).RootElement;
        Assert.Equal(Text, json.GetProperty("text").GetString());
        Assert.Equal(" It", json.GetProperty("logprobs")[0].GetProperty("token").GetString());
        Assert.Equal(5, json.GetProperty("usage").GetProperty("seconds").GetDouble());
        Assert.Equal(Text + "\n", await SendAsync(server, [("response_format", "text")]));
        Assert.StartsWith("WEBVTT\n\n00:00:00.000 --> ", await SendAsync(server, [("response_format", "vtt")]));
        Assert.Contains("00:00:00,000 --> ", await SendAsync(server, [("response_format", "srt")]));
        JsonElement verbose =
            JsonDocument.Parse(
                await SendAsync(server, [("response_format", "verbose_json"), ("timestamp_granularities[]", "word"), ("language", "en"),
                    ("temperature", "0")])).RootElement;
        Assert.Equal(("transcribe", "english", 4.8),
            (verbose.GetProperty("task").GetString(), verbose.GetProperty("language").GetString(),
                verbose.GetProperty("duration").GetDouble()));
        Assert.Equal(12, verbose.GetProperty("words").GetArrayLength());
        Assert.Equal(Text, verbose.GetProperty("segments")[0].GetProperty("text").GetString()!.Trim());
    }

    [Fact]
    public async Task A_stream_has_deltas_and_the_whole_text_at_the_end()
    {
        await using TestServer server = await StartAsync();
        string body = await SendAsync(server, [("stream", "true")]);
        JsonElement[] events = [.. body.TrimEnd().Split("\n\n").Select(line => JsonDocument.Parse(line["data: ".Length..]).RootElement)];
        Assert.Equal(["transcript.text.delta", "transcript.text.done"], events.Select(item => item.GetProperty("type").GetString()));
        Assert.Equal(Text, events[0].GetProperty("delta").GetString());
        Assert.Equal(Text, events[1].GetProperty("text").GetString());
    }

    [Fact]
    public async Task What_is_wrong_is_said_with_a_status()
    {
        await using TestServer server = await StartAsync(new ServerOptions { BodyLimitAudio = 200_000, AudioSeconds = 6 });
        Assert.Contains("MP3", await SendAsync(server, [], "ID3\u0003 and so on"u8.ToArray(), status: HttpStatusCode.BadRequest));
        Assert.Contains("does not translate",
            await SendAsync(server, [], path: "/v1/audio/translations", status: HttpStatusCode.BadRequest));
        Assert.Contains("model_not_found", await SendAsync(server, [], model: "whisper-9", status: HttpStatusCode.NotFound));
        Assert.Contains("response_format", await SendAsync(server, [("response_format", "xml")], status: HttpStatusCode.BadRequest));
        Assert.Contains("timestamp_granularities",
            await SendAsync(server, [("timestamp_granularities[]", "word")], status: HttpStatusCode.BadRequest));
        Assert.Contains("temperature", await SendAsync(server, [("temperature", "7")], status: HttpStatusCode.BadRequest));
        Assert.Contains("language", await SendAsync(server, [("language", "klingon")], status: HttpStatusCode.BadRequest));
        Assert.Contains("bodyLimitAudio", await SendAsync(server, [], new byte[300_000], status: HttpStatusCode.RequestEntityTooLarge));
        byte[] long_ = new byte[44 + 2 * 48_000];
        File.ReadAllBytes(Recording).AsSpan(0, 44).CopyTo(long_);
        BitConverter.TryWriteBytes(long_.AsSpan(24), 4000); // samples a second: 12 s
        BitConverter.TryWriteBytes(long_.AsSpan(28), 8000);
        BitConverter.TryWriteBytes(long_.AsSpan(40), long_.Length - 44);
        Assert.Contains("audioSeconds", await SendAsync(server, [], long_, status: HttpStatusCode.BadRequest));
        using HttpResponseMessage noForm = await server.PostAsync("/v1/audio/transcriptions", "{}");
        Assert.Equal(HttpStatusCode.BadRequest, noForm.StatusCode);
        using var cut = new StringContent("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF");
        cut.Headers.ContentType = new("multipart/form-data") { Parameters = { new("boundary", "x") } };
        using HttpResponseMessage malformed = await server.Client.PostAsync("/v1/audio/transcriptions", cut);
        Assert.Equal(HttpStatusCode.BadRequest, malformed.StatusCode);
        Assert.Contains("season of light", await SendAsync(server, []));
    }

    [Fact]
    public async Task Without_a_model_that_hears_the_setting_is_named()
    {
        await using TestServer server = await TestServer.StartAsync();
        Assert.Contains("speechModel", await SendAsync(server, [], status: HttpStatusCode.NotFound));
    }

    private static string Recording => SharedFolder.Require("golden", "whisper", "two_cities_5s.wav");

    private static Task<TestServer> StartAsync(ServerOptions? options = null) =>
        TestServer.StartAsync((options ?? new ServerOptions()) with { SpeechModel = SharedFolder.Require("models", "whisper-tiny.en") });

    private static async Task<string> SendAsync(
        TestServer server, (string Name, string Value)[] fields, byte[]? audio = null, string path = "/v1/audio/transcriptions",
        string model = "whisper-1", HttpStatusCode status = HttpStatusCode.OK)
    {
        using var form = new MultipartFormDataContent();
        // before the fields, as some clients have it
        form.Add(new ByteArrayContent(audio ?? File.ReadAllBytes(Recording)), "file", "recording.wav");
        form.Add(new StringContent(model), "model");
        foreach ((string name, string value) in fields) form.Add(new StringContent(value), name);
        using HttpResponseMessage response = await server.Client.PostAsync(path, form);
        string body = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == status, $"{(int)response.StatusCode}: {body}");
        return body;
    }
}
