using System.Text;
using System.Threading.Channels;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's API of speech to text: transcriptions, and translations into English.</summary>
internal sealed class TranscriptionEndpoints(Hearing hearing, ServerOptions options)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/audio/transcriptions", (RequestDelegate)(context => AnswerAsync(context, translates: false)));
        routes.MapPost("/v1/audio/translations", (RequestDelegate)(context => AnswerAsync(context, translates: true)));
    }

    private async Task AnswerAsync(HttpContext context, bool translates)
    {
        using TranscriptionRequest request = await TranscriptionRequest.ReadAsync(context, options).ConfigureAwait(false);
        hearing.Require(request.Model);
        TranscriptionOptions wanted = request.ToOptions(translates);
        Connections.Begin(context);
        if (request.IsStream)
        {
            await StreamAsync(context, request, wanted).ConfigureAwait(false);
            return;
        }
        (Transcript transcript, IReadOnlyList<SpokenTokenProbability>? logProbabilities) = await hearing.RunAsync(recognizer =>
        {
            Transcript found = Transcribe(recognizer, request, wanted, null, context.RequestAborted);
            return (found, request.WantsLogProbabilities ? LogProbabilities(recognizer, found.Segments) : null);
        }, context.RequestAborted).ConfigureAwait(false);
        var usage = new SpokenUsage(Math.Ceiling(transcript.Duration));
        switch (request.Format)
        {
            case "text": await WriteTextAsync(context, "text/plain; charset=utf-8", transcript.Text + "\n").ConfigureAwait(false); break;
            case "srt":
                await WriteTextAsync(context, "application/x-subrip; charset=utf-8", Subtitles.Srt(transcript.Segments))
                    .ConfigureAwait(false); break;
            case "vtt":
                await WriteTextAsync(context, "text/vtt; charset=utf-8", Subtitles.Vtt(transcript.Segments)).ConfigureAwait(false); break;
            case "verbose_json":
                var verbose = new VerboseTranscription(translates ? "translate" : "transcribe", LanguageNames.NameOf(transcript.Language),
                    transcript.Duration, transcript.Text)
                {
                    Segments = [.. transcript.Segments.Select(SpokenSegment.Of)],
                    Words = request.WantsWords ? [.. transcript.Segments.SelectMany(segment => segment.Words)
                        .Select(word => new SpokenWord(word.Text, Math.Round(word.Start, 3), Math.Round(word.End, 3)))] : null,
                    Usage = usage,
                };
                await JsonResponse.WriteAsync(context, verbose, TranscriptionJson.Default.VerboseTranscription).ConfigureAwait(false);
                break;
            default:
                await JsonResponse.WriteAsync(context, new Transcription(transcript.Text) { Logprobs = logProbabilities, Usage = usage },
                    TranscriptionJson.Default.Transcription).ConfigureAwait(false);
                break;
        }
    }

    private async Task StreamAsync(HttpContext context, TranscriptionRequest request, TranscriptionOptions wanted)
    {
        var events = Channel.CreateUnbounded<TranscriptEvent>();
        Task work = hearing.RunAsync(recognizer =>
        {
            bool isFirst = true;
            Transcript transcript = Transcribe(recognizer, request, wanted, segment =>
            {
                events.Writer.TryWrite(new TranscriptEvent("transcript.text.delta")
                {
                    Delta = (isFirst ? "" : " ") + segment.Text,
                    Logprobs = request.WantsLogProbabilities ? LogProbabilities(recognizer, [segment]) : null,
                });
                isFirst = false;
            }, context.RequestAborted);
            events.Writer.TryWrite(new TranscriptEvent("transcript.text.done")
            {
                Text = transcript.Text,
                Logprobs = request.WantsLogProbabilities ? LogProbabilities(recognizer, transcript.Segments) : null,
                Usage = new SpokenUsage(Math.Ceiling(transcript.Duration)),
            });
            return true;
        }, context.RequestAborted).ContinueWith(done => events.Writer.Complete(done.Exception?.InnerException), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            // What is wrong with the request is an answer with a status: the head is sent with the first event.
            if (!await events.Reader.WaitToReadAsync(context.RequestAborted).ConfigureAwait(false)) return;
            using JsonStream stream = await JsonStream.OfEventsAsync(context).ConfigureAwait(false);
            await foreach (TranscriptEvent item in events.Reader.ReadAllAsync(context.RequestAborted).ConfigureAwait(false))
                await stream.WriteAsync(item, TranscriptionJson.Default.TranscriptEvent).ConfigureAwait(false);
        }
        finally
        {
            await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the recording is closed after it
        }
    }

    private Transcript Transcribe(SpeechRecognizer recognizer, TranscriptionRequest request, TranscriptionOptions wanted,
        Action<TranscriptSegment>? take, CancellationToken cancellation)
    {
        using AudioReader audio = Open(request);
        return hearing.Transcribe(recognizer, audio, "file", wanted, take, cancellation);
    }

    private AudioReader Open(TranscriptionRequest request)
    {
        try
        {
            return AudioReader.Open(request.Audio, "file");
        }
        catch (IOException exception) when (options.Ffmpeg is null)
        {
            throw new ApiException(400, $"{exception.Message} (other formats need the setting ffmpeg)", "unsupported_format", "file");
        }
        catch (IOException)
        {
            try
            {
                request.Audio.Position = 0;
                return ConvertedAudio.Open(options.Ffmpeg!, request.AudioPath);
            }
            catch (IOException exception)
            {
                throw new ApiException(400, exception.Message, "unsupported_format", "file");
            }
        }
    }

    private static List<SpokenTokenProbability> LogProbabilities(SpeechRecognizer recognizer, IEnumerable<TranscriptSegment> segments)
    {
        var all = new List<SpokenTokenProbability>();
        foreach (TranscriptSegment segment in segments)
        {
            for (int i = 0; i < Math.Min(segment.Tokens.Count, segment.LogProbabilities.Count); i++)
            {
                byte[] bytes = recognizer.BytesOf(segment.Tokens[i]);
                if (bytes.Length > 0)
                    all.Add(new SpokenTokenProbability(Encoding.UTF8.GetString(bytes), segment.LogProbabilities[i], bytes));
            }
        }
        return all;
    }

    private static Task WriteTextAsync(HttpContext context, string type, string text)
    {
        context.Response.ContentType = type;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }
}
