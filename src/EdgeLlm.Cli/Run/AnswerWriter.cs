using EdgeLlm.Cli.Terminal;
using EdgeLlm.Generation;

namespace EdgeLlm.Cli.Run;

/// <summary>Puts an answer on standard output as it comes.</summary>
internal static class AnswerWriter
{
    /// <summary>Writes all pieces; what was written last decides whether a line has to be ended.</summary>
    /// <param name="wraps">Whether lines are broken between words, where a person reads them.</param>
    public static async Task WriteAsync(IAsyncEnumerable<string> pieces, TextWriter output, bool wraps, CancellationToken cancellation)
    {
        bool terminal = StandardStreams.HasPersonOut(), atLineStart = true;
        WordWrap? wrap = terminal && wraps ? new WordWrap(output, static () => TerminalSize.Current.Columns) : null;
        try
        {
            await foreach (string piece in pieces.WithCancellation(cancellation).ConfigureAwait(false))
            {
                string text = terminal ? Printable(piece) : piece;
                if (text.Length == 0) continue;
                if (wrap is not null) wrap.Write(text);
                else await output.WriteAsync(text).ConfigureAwait(false);
                await output.FlushAsync(cancellation).ConfigureAwait(false);
                atLineStart = text[^1] == '\n';
            }
        }
        finally
        {
            wrap?.End();
            if (!atLineStart) await output.WriteLineAsync().ConfigureAwait(false);
            await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Writes a text of ours, lines broken between words where a person reads them.</summary>
    public static void Say(string text, TextWriter output)
    {
        var wrap = new WordWrap(output, static () => StandardStreams.HasPersonOut() ? TerminalSize.Current.Columns : int.MaxValue);
        wrap.Write(text + "\n");
        wrap.End();
    }

    /// <summary>One line about what an answer took.</summary>
    public static string Describe(GenerationStatistics statistics) =>
        statistics.FinishReason == FinishReason.None ? "no answer yet" : string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"prompt {statistics.PromptTokens} tokens ({statistics.CachedTokens} cached), first token after "
            + $"{statistics.TimeToFirstToken.TotalMilliseconds:F0} ms; answer {statistics.GeneratedTokens} tokens, "
            + $"{statistics.TokensPerSecond:F1} a second")
        + DraftText(statistics);

    private static string DraftText(GenerationStatistics statistics) =>
        statistics.DraftedTokens == 0 ? "" : $"; {statistics.DraftedTokens} guessed, {statistics.AcceptedTokens} of them right";

    /// <summary>A model's text can't move the cursor or recolour the terminal.</summary>
    private static string Printable(string text) =>
        text.Any(c => char.IsControl(c) && c is not ('\n' or '\t'))
            ? string.Concat(text.Where(c => !char.IsControl(c) || c is '\n' or '\t')) : text;
}
