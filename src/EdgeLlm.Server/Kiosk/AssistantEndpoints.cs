using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Kiosk;

/// <summary>
/// The assistant of this device, for its page (`/assistant`) and for programs: what happens as server-sent events, and a way to say
/// something and to interrupt. For programs of this machine, or with a key of the role device. A request of the page itself has the rights
/// of the source `page`, any other those of `api`.
/// </summary>
internal sealed class AssistantEndpoints(ServerOptions options, Keyring keys, AccessRules rules)
{
    private const int MostTextBytes = 16 << 10, MostSoundBytes = 60 * 32_000;

    private static readonly string[] Pages = ["GET", "HEAD"];
    private static readonly string[] Scripts = ["assistant.js", "recorder.js"];
    private static readonly RouteAccess Access = new(KeyRole.Device) { IsOpenHere = true };

    public void Map(IEndpointRouteBuilder routes)
    {
        RequestDelegate page = WebPage.Serve("assistant.html", "text/html; charset=utf-8");
        routes.MapMethods("/assistant", Pages, (RequestDelegate)(context =>
        {
            context.Response.Headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()";
            return page(context);
        })).WithoutKey();
        routes.MapMethods("/assistant.css", Pages, WebPage.Serve("assistant.css", "text/css; charset=utf-8")).WithoutKey();
        foreach (string script in Scripts)
            routes.MapMethods("/" + script, Pages, WebPage.Serve(script, "text/javascript; charset=utf-8")).WithoutKey();
        routes.MapGet("/assistant/events", (RequestDelegate)EventsAsync).WithMetadata(Access);
        routes.MapPost("/assistant/talk", (RequestDelegate)TalkAsync).WithMetadata(Access);
        routes.MapPost("/assistant/cancel", (RequestDelegate)CancelAsync).WithMetadata(Access);
    }

    private async Task EventsAsync(HttpContext context)
    {
        using AssistantConnection assistant = await SendAsync(context, "{\"do\":\"events\"}", default).ConfigureAwait(false);
        context.Response.ContentType = "text/event-stream; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        CancellationToken gone = context.RequestAborted;
        IAsyncEnumerator<string> lines = assistant.LinesAsync(gone).GetAsyncEnumerator(gone);
        Task<bool> next = lines.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                if (await Task.WhenAny(next, Task.Delay(options.SignInterval * 3, gone)).ConfigureAwait(false) != next)
                {
                    await context.Response.WriteAsync(": \n\n", gone).ConfigureAwait(false); // a sign of life
                    continue;
                }
                if (!await next.ConfigureAwait(false)) return;
                await context.Response.WriteAsync($"data: {lines.Current}\n\n", gone).ConfigureAwait(false);
                next = lines.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            assistant.Dispose(); // ends a line that is being waited for
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await lines.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task TalkAsync(HttpContext context)
    {
        string type = context.Request.ContentType?.Split(';')[0].Trim().ToLowerInvariant() ?? "";
        bool isSound = type is "audio/pcm" or "audio/l16" or "application/octet-stream";
        if (!isSound && type != "application/json")
            throw new ApiException(415,
                "send JSON, {\"text\": \"turn on the light\"}, or sound as audio/pcm: 16 kHz, mono, 16 bit, little-endian");
        if (context.Request.ContentLength > (isSound ? MostSoundBytes : MostTextBytes)) throw ApiException.TooLarge();
        bool isSilent = context.Request.Query["silent"] == "true";
        ReadOnlyMemory<byte> body = isSound ? await ReadSoundAsync(context).ConfigureAwait(false)
            : await RequestBody.ReadAsync(context).ConfigureAwait(false);
        string request = JsonText.Object(json =>
        {
            json.WriteString("do", "talk");
            json.WriteString("source", IsOfPage(context.Request) ? "page" : "api");
            json.WriteBoolean("silent", isSilent);
            if (isSound) json.WriteNumber("bytes", body.Length);
            else json.WriteString("text", TextOf(body));
        });
        await AnswerAsync(context, request, isSound ? body : default).ConfigureAwait(false);
    }

    private Task CancelAsync(HttpContext context) => AnswerAsync(context, "{\"do\":\"cancel\"}", default);

    private async Task AnswerAsync(HttpContext context, string request, ReadOnlyMemory<byte> sound)
    {
        using AssistantConnection assistant = await SendAsync(context, request, sound).ConfigureAwait(false);
        await foreach (string line in assistant.LinesAsync(context.RequestAborted).ConfigureAwait(false))
        {
            using JsonDocument answer = JsonDocument.Parse(line);
            if (answer.RootElement.TryGetProperty("error", out JsonElement problem)) throw new ApiException(400, problem.GetString()!);
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(line, context.RequestAborted).ConfigureAwait(false);
            return;
        }
        throw new ApiException(503, "the assistant gave no answer: it is being stopped, or took too long", "no_assistant");
    }

    /// <summary>Who may come is this machine alone where there are no keys; with keys the route's role was asked for before.</summary>
    private Task<AssistantConnection> SendAsync(HttpContext context, string request, ReadOnlyMemory<byte> sound)
    {
        if (!keys.IsNeeded && !AccessRules.IsOfThisMachine(context))
            throw new ApiException(403,
                "the assistant takes a key of the role device from other machines: sudo edgellm keys add NAME --role device",
                "insufficient_permissions");
        string path = options.AssistantSocket
            ?? throw new ApiException(503,
                "this service has no assistant (setting assistantSocket, or edgellm serve --assistant)", "no_assistant");
        return AssistantConnection.SendAsync(path, request, sound, context.RequestAborted);
    }

    /// <summary>Whether the page of this service asks: its browser says so, which no other page and no form can make it say.</summary>
    private bool IsOfPage(HttpRequest request) =>
        request.Headers["Sec-Fetch-Site"] == "same-origin" && request.Headers.Origin.ToString() is { Length: > 0 } origin
            && rules.IsOwn(origin, request);

    private static async Task<ReadOnlyMemory<byte>> ReadSoundAsync(HttpContext context)
    {
        byte[] sound = await RequestBody.ReadBytesAsync(context, MostSoundBytes).ConfigureAwait(false);
        if (sound.Length == 0 || sound.Length % 2 != 0)
            throw new ApiException(400, "the sound must be 16-bit samples: 16 kHz, mono, little-endian");
        return sound;
    }

    private static string TextOf(ReadOnlyMemory<byte> body)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(body);
            if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("text", out JsonElement text)
                && text.ValueKind == JsonValueKind.String
                && text.GetString()!.Trim() is { Length: > 0 and <= 2000 } said) return said;
        }
        catch (JsonException)
        {
            // The same message.
        }
        throw ApiException.Field("text", "must be what you would say, 1 to 2000 characters: {\"text\": \"turn on the light\"}");
    }
}
