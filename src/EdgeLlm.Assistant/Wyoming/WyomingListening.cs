using System.Threading.Channels;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>
/// An utterance that is recognized while it is spoken: `transcript-start`, `transcript-chunk` for words that are not going to change,
/// `transcript-stop`.
/// </summary>
internal sealed class WyomingListening
{
    private readonly WyomingConnection connection;
    private readonly Channel<float[]> sound = Channel.CreateUnbounded<float[]>(); // as long as an utterance may be
    private readonly Task<string> text;
    private string sent = "";

    /// <param name="stop">Ends it.</param>
    public WyomingListening(WyomingConnection connection, RecognizeStream recognize, string? language, CancellationToken stop)
    {
        this.connection = connection;
        text = Task.Run(async () =>
        {
            await connection.WriteAsync("transcript-start", json =>
            {
                if (language is not null) json.WriteString("language", language);
            }, stop).ConfigureAwait(false);
            return await recognize(sound.Reader, language, some => SendAsync(some, stop), stop).ConfigureAwait(false);
        }, stop);
    }

    /// <summary>Takes the next samples.</summary>
    public void Add(ReadOnlySpan<float> samples) => sound.Writer.TryWrite(samples.ToArray());

    /// <summary>Ends the utterance.</summary>
    /// <returns>Its whole text.</returns>
    public async Task<string> EndAsync(CancellationToken stop)
    {
        sound.Writer.TryComplete();
        string all = await text.ConfigureAwait(false);
        if (all.Length > sent.Length && all.StartsWith(sent, StringComparison.Ordinal))
            await SendAsync(all[sent.Length..], stop).ConfigureAwait(false);
        await connection.WriteAsync("transcript-stop", null, stop).ConfigureAwait(false);
        return all;
    }

    private async Task SendAsync(string some, CancellationToken stop)
    {
        sent += some;
        await connection.WriteAsync("transcript-chunk", json => json.WriteString("text", some), stop).ConfigureAwait(false);
    }
}
