using EdgeLlm.Generation;

namespace EdgeLlm.Cli.Run;

/// <summary>Puts an answer on standard output as it comes.</summary>
internal static class AnswerWriter
{
    /// <summary>Writes all pieces; what was written last decides whether a line has to be ended.</summary>
    public static async Task WriteAsync(IAsyncEnumerable<string> pieces, TextWriter output, bool endLine, CancellationToken cancellation)
    {
        bool terminal = Terminal.HasPersonOut(), atLineStart = true;
        try
        {
            await foreach (string piece in pieces.WithCancellation(cancellation).ConfigureAwait(false))
            {
                string text = terminal ? Printable(piece) : piece;
                if (text.Length == 0) continue;
                await output.WriteAsync(text).ConfigureAwait(false);
                await output.FlushAsync(cancellation).ConfigureAwait(false);
                atLineStart = text[^1] == '\n';
            }
        }
        finally
        {
            if (endLine && !atLineStart) await output.WriteLineAsync().ConfigureAwait(false);
            await output.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>One line about what an answer took.</summary>
    public static string Describe(GenerationStatistics statistics) => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"prompt {statistics.PromptTokens} tokens ({statistics.CachedTokens} cached), first token after {statistics.TimeToFirstToken.TotalMilliseconds:F0} ms; answer {statistics.GeneratedTokens} tokens, {statistics.TokensPerSecond:F1} a second");

    /// <summary>A model's text can't move the cursor or recolour the terminal.</summary>
    private static string Printable(string text) =>
        text.Any(c => char.IsControl(c) && c is not ('\n' or '\t')) ? string.Concat(text.Where(c => !char.IsControl(c) || c is '\n' or '\t')) : text;
}
