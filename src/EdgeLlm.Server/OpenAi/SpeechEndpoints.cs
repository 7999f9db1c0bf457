using System.Diagnostics;
using System.Globalization;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's API: text to speech. Sound is sent from the first piece on.</summary>
internal sealed class SpeechEndpoints(ServedVoices voices, ServerOptions settings, ServerLog log)
{
    private const string SpeedHeader = "X-EdgeLlm-Speed";

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/audio/speech", (RequestDelegate)SpeakAsync);

    private async Task SpeakAsync(HttpContext context)
    {
        SpeechRequest request = await JsonResponse.ReadAsync(context, OpenAiJson.Default.SpeechRequest).ConfigureAwait(false);
        request.Check();
        SoundFormat format = SoundFormat.Of(request.ResponseFormat, settings.Ffmpeg);
        SpeechSynthesizer voice = voices.Voice(request.Model, request.VoiceName);
        double asked = request.Speed ?? 1,
            speed = voice.HasTempo ? Math.Clamp(asked, SpeechOptions.LeastSpeed, SpeechOptions.GreatestSpeed) : 1;
        if (speed != asked) context.Response.Headers[SpeedHeader] = speed.ToString(CultureInfo.InvariantCulture);

        using IDisposable place = voices.Enter();
        using var encoder = new SoundEncoder(format, voice.SampleRate, settings.Ffmpeg);
        long started = Stopwatch.GetTimestamp();
        long samples = 0;
        JsonStream? events = null;
        try
        {
            // Nothing is sent before the first sound: until then an error has its status.
            IAsyncEnumerable<ReadOnlyMemory<float>> sound =
                voice.SynthesizeAsync(request.Input!, new SpeechOptions { Speed = speed }, context.RequestAborted);
            await foreach (ReadOnlyMemory<float> piece in sound.ConfigureAwait(false))
            {
                samples += piece.Length;
                await SendAsync(await encoder.WriteAsync(piece, context.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
            }
            if (samples == 0) throw ApiException.Field("input", "has nothing that can be spoken");
            await SendAsync(await encoder.FinishAsync(context.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
            if (events is not null)
            {
                int steps = (int)(samples / (2 * VoiceModel.Hop));
                var usage = new SpeechUsage(request.Input!.Length, steps, request.Input.Length + steps);
                await events.WriteAsync(new SpeechEvent("speech.audio.done") { Usage = usage }, OpenAiJson.Default.SpeechEvent)
                    .ConfigureAwait(false);
            }
            log.Info(string.Create(CultureInfo.InvariantCulture,
                $"{AccessRules.ClientOf(context)}: {request.Input!.Length} characters spoken, {samples / (double)voice.SampleRate:0.0} s "
                    + $"of sound in {Stopwatch.GetElapsedTime(started).TotalSeconds:0.00} s"));
        }
        catch (Exception exception) when (context.Response.HasStarted && !request.IsEvents && exception is not OperationCanceledException)
        {
            // An error as text would be heard as noise: the connection breaks instead, which no client takes for a whole sound.
            log.Error($"POST /v1/audio/speech: {exception.Message}");
            context.Abort();
        }
        finally
        {
            events?.Dispose();
        }

        async Task SendAsync(byte[] bytes)
        {
            if (bytes.Length == 0) return;
            if (request.IsEvents)
            {
                events ??= await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
                await events.WriteAsync(new SpeechEvent("speech.audio.delta") { Audio = bytes }, OpenAiJson.Default.SpeechEvent)
                    .ConfigureAwait(false);
                return;
            }
            if (!context.Response.HasStarted)
            {
                context.Response.ContentType = format.ContentType;
                context.Response.Headers.CacheControl = "no-cache";
                context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would hold the stream back
            }
            await context.Response.BodyWriter.WriteAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        }
    }
}
