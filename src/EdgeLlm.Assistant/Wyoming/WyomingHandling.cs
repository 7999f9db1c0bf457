using System.Text.Json;
using EdgeLlm.Models;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>Answers a person's words, piece by piece.</summary>
/// <param name="text">The words.</param>
/// <param name="conversation">Name of the conversation that they belong to.</param>
internal delegate IAsyncEnumerable<string> HandleText(string text, string conversation, CancellationToken cancellation);

/// <summary>A conversation agent, for Home Assistant.</summary>
/// <param name="Name">The agent's name.</param>
/// <param name="Languages">Codes of its languages.</param>
/// <param name="ControlsHome">Whether it may move anything.</param>
/// <param name="Handle">Answers; may be called from several threads.</param>
internal sealed record WyomingHandler(string Name, IReadOnlyList<string> Languages, bool ControlsHome, HandleText Handle);

/// <summary>
/// A `transcript` that a peer sends is a request: `handled-start`, `handled-chunk` for each piece of the answer, `handled-stop`, and,
/// always last, `handled` with all of it, or `not-handled` with the reason.
/// </summary>
internal static class WyomingHandling
{
    private const int MostCharacters = 4000;

    /// <summary>Answers a request.</summary>
    /// <param name="own">Name of the conversation of a peer that names none.</param>
    /// <exception cref="WyomingException">The request is not one.</exception>
    public static async Task AnswerAsync(WyomingConnection connection, WyomingHandler handler, WyomingEvent transcript, string own,
        WyomingLimits limits, CancellationToken cancellation)
    {
        string text = transcript.Text("text") ?? throw new WyomingException("transcript must have a 'text'");
        JsonElement? context = transcript.Field("context");
        if (text.Length > MostCharacters)
        {
            await EndAsync("not-handled", $"the text has more than {MostCharacters} characters").ConfigureAwait(false);
            return;
        }
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(limits.Answer);
        var whole = new System.Text.StringBuilder();
        try
        {
            await connection.WriteAsync("handled-start", json => WyomingSession.WriteContext(json, context), cancellation)
                .ConfigureAwait(false);
            await foreach (string piece in handler.Handle(text, ConversationOf(context) ?? own, limit.Token).ConfigureAwait(false))
            {
                whole.Append(piece);
                await connection.WriteAsync("handled-chunk", json => json.WriteString("text", piece), cancellation).ConfigureAwait(false);
            }
            await connection.WriteAsync("handled-stop", null, cancellation).ConfigureAwait(false);
            await EndAsync("handled", whole.ToString()).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            await EndAsync("not-handled", $"there was no answer within {limits.Answer.TotalSeconds:0} s").ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is InvalidOperationException or ModelException or NotFiniteException)
        {
            await EndAsync("not-handled", exception.Message).ConfigureAwait(false);
        }

        Task EndAsync(string type, string said) => connection.WriteAsync(type, json =>
        {
            json.WriteString("text", said);
            WyomingSession.WriteContext(json, context);
        }, cancellation);
    }

    private static string? ConversationOf(JsonElement? context) =>
        context is { ValueKind: JsonValueKind.Object } given && given.TryGetProperty("conversation_id", out JsonElement id)
            && id.ValueKind == JsonValueKind.String ? id.GetString() : null;
}
