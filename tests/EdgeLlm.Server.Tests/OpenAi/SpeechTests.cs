using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Text.Json;
using EdgeLlm.Server.Settings;
using EdgeLlm.Tests;

namespace EdgeLlm.Server.Tests.OpenAi;

/// <summary>`/v1/audio/speech` with the voice of `../shared`.</summary>
public sealed class SpeechTests
{
    private const string Path = "/v1/audio/speech";

    [Fact]
    public async Task Wav_pcm_and_flac_have_the_same_samples()
    {
        await using TestServer server = await StartAsync();
        byte[] wav = await SpeakAsync(server, """{"model":"tts-1","voice":"alloy","input":"Hello there."}""", "audio/wav");
        byte[] pcm = await SpeakAsync(server,
            """{"model":"tts-1","voice":"voice-heart","input":"Hello there.","response_format":"pcm"}""", "audio/pcm");
        byte[] flac = await SpeakAsync(server,
            """{"model":"gpt-4o-mini-tts","voice":{"id":"nova"},"input":"Hello there.","response_format":"flac"}""", "audio/flac");
        Assert.Equal(uint.MaxValue, BinaryPrimitives.ReadUInt32LittleEndian(wav.AsSpan(40)));
        Assert.Equal(wav[44..], pcm);
        Assert.InRange(flac.Length, 1000, wav.Length * 7 / 10);
        if (File.Exists("/usr/bin/flac")) Assert.Equal(pcm, Decode(flac));
        await server.AssertLogsAsync("12 characters spoken");
    }

    [Fact]
    public async Task Events_carry_the_file_in_parts_and_end_with_done()
    {
        await using TestServer server = await StartAsync();
        byte[] whole = await SpeakAsync(server,
            """{"model":"tts-1","voice":"alloy","input":"Hello there. And again.","response_format":"pcm"}""", "audio/pcm");
        using HttpResponseMessage response = await server.PostAsync(Path,
            """{"model":"tts-1","voice":"alloy","input":"Hello there. And again.","response_format":"pcm","stream_format":"sse"}""");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        List<JsonElement> events = [.. (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line["data: ".Length..]).RootElement)];
        Assert.InRange(events.Count, 3, 100);
        Assert.All(events[..^1], item => Assert.Equal("speech.audio.delta", item.GetProperty("type").GetString()));
        Assert.Equal(whole, events[..^1].SelectMany(item => item.GetProperty("audio").GetBytesFromBase64()));
        Assert.Equal("speech.audio.done", events[^1].GetProperty("type").GetString());
        Assert.Equal(23, events[^1].GetProperty("usage").GetProperty("input_tokens").GetInt32());
    }

    [Theory]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":""}""", "input")]
    [InlineData("""{"model":"tts-1","voice":"alloy"}""", "input")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"🙂"}""", "input")]
    [InlineData("""{"model":"tts-1","voice":"bob","input":"Hello"}""", "voice")]
    [InlineData("""{"model":"tts-1","voice":3,"input":"Hello"}""", "voice")]
    [InlineData("""{"model":"whisper-1","voice":"alloy","input":"Hello"}""", "model")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","response_format":"mp3"}""", "response_format")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","response_format":"midi"}""", "response_format")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","speed":5}""", "speed")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","speed":0.1}""", "speed")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","instructions":"Whisper."}""", "instructions")]
    [InlineData("""{"model":"tts-1","voice":"alloy","input":"Hello","stream_format":"x"}""", "stream_format")]
    public async Task A_wrong_field_is_refused_by_name(string json, string field)
    {
        await using TestServer server = await StartAsync();
        JsonElement error = (await server.AskAsync(Path, json, HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Equal(field, error.GetProperty("param").GetString());
    }

    [Fact]
    public async Task An_input_of_more_than_4096_characters_is_refused_and_the_lists_say_what_is_there()
    {
        await using TestServer server = await StartAsync();
        JsonElement error =
            (await server.AskAsync(Path, $$"""{"model":"tts-1","voice":"alloy","input":"{{new string('a', 4097)}}"}""",
                HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Contains("4097", error.GetProperty("message").GetString()!, StringComparison.Ordinal);
        error =
            (await server.AskAsync(Path, """{"model":"tts-1","voice":"bob","input":"a"}""", HttpStatusCode.BadRequest)).GetProperty(
                "error");
        Assert.Contains("voice-heart", error.GetProperty("message").GetString()!, StringComparison.Ordinal);
        error =
            (await server.AskAsync(Path, """{"model":"tts-1","input":"a","response_format":"aac"}""",
                HttpStatusCode.BadRequest)).GetProperty("error");
        Assert.Contains("flac, wav, pcm", error.GetProperty("message").GetString()!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_speed_that_no_voice_has_is_cut_and_said()
    {
        await using TestServer server = await StartAsync();
        using HttpResponseMessage fast =
            await server.PostAsync(Path, """{"model":"tts-1","input":"Hello there.","speed":4,"response_format":"pcm"}""");
        using HttpResponseMessage usual =
            await server.PostAsync(Path, """{"model":"tts-1","input":"Hello there.","response_format":"pcm"}""");
        Assert.Equal("2", Assert.Single(fast.Headers.GetValues("X-EdgeLlm-Speed")));
        Assert.False(usual.Headers.Contains("X-EdgeLlm-Speed"));
        Assert.InRange((await fast.Content.ReadAsByteArrayAsync()).Length, 1, (await usual.Content.ReadAsByteArrayAsync()).Length * 3 / 4);
    }

    [Fact]
    public async Task A_configured_ffmpeg_makes_the_other_formats()
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs a shell");
        string folder = Directory.CreateTempSubdirectory("edgellm-ffmpeg").FullName, program = System.IO.Path.Combine(folder, "ffmpeg");
        File.WriteAllText(program,
            "#!/bin/sh\nfor a; do [ \"$a\" = pipe:1 ] && echo \"made of $before\"; before=$a; done\nexec /bin/cat\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        await using TestServer server = await StartAsync(new ServerOptions { Ffmpeg = program });
        byte[] pcm = await SpeakAsync(server, """{"model":"tts-1","input":"Hello there.","response_format":"pcm"}""", "audio/pcm");
        byte[] mp3 = await SpeakAsync(server, """{"model":"tts-1","input":"Hello there."}""", "audio/mpeg");
        Assert.Equal([.. "made of mp3\n"u8, .. pcm], mp3);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_client_that_leaves_stops_the_work()
    {
        await using TestServer server = await StartAsync(new ServerOptions { Queue = 1 });
        string text = string.Concat(Enumerable.Repeat("The kitchen lights are on, and the timer has twelve minutes left. ", 60));
        using (HttpResponseMessage response = await server.BeginAsync(Path, $$"""{"model":"tts-1","input":"{{text}}"}"""))
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        byte[] other = await SpeakAsync(server, """{"model":"tts-1","input":"Hello there."}""", "audio/wav");
        Assert.InRange(other.Length, 10_000, 100_000);
        Assert.DoesNotContain($"{text.Length} characters spoken", server.Log, StringComparison.Ordinal);
    }

    private static Task<TestServer> StartAsync(ServerOptions? options = null) =>
        TestServer.StartAsync((options ?? new ServerOptions()) with { Voice = SharedFolder.Require("models", "voice-heart") });

    private static async Task<byte[]> SpeakAsync(TestServer server, string json, string type)
    {
        using HttpResponseMessage response = await server.PostAsync(Path, json);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, System.Text.Encoding.UTF8.GetString(body));
        Assert.Equal(type, response.Content.Headers.ContentType!.MediaType);
        return body;
    }

    private static byte[] Decode(byte[] flac)
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-flac").FullName, file = System.IO.Path.Combine(folder, "a.flac"),
            raw = System.IO.Path.Combine(folder, "a.raw");
        File.WriteAllBytes(file, flac);
        using (var process =
            Process.Start("/usr/bin/flac", ["-d", "-s", "-f", "--force-raw-format", "--endian=little", "--sign=signed", "-o", raw, file])!)
            process.WaitForExit();
        byte[] samples = File.ReadAllBytes(raw);
        Directory.Delete(folder, recursive: true);
        return samples;
    }
}
