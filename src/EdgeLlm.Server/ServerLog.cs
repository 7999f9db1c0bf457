using System.Globalization;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server;

/// <summary>
/// The service's own lines on standard error, one each. Under systemd they begin with the priority that journald reads (`&lt;4&gt;` is a
/// warning, sd-daemon(3)) and have no time, which journald adds.
/// </summary>
internal sealed class ServerLog(TextWriter output, bool forJournal)
{
    private const int MostKept = 1000; // lines

    private readonly Lock _turn = new();
    private readonly Queue<LogLine> _kept = [];
    private long _count;

    /// <summary>To standard error, in the form that it is read in.</summary>
    public static ServerLog Standard() => new(Console.Error, Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null);

    /// <summary>The last lines, those after the one of a number.</summary>
    public IReadOnlyList<LogLine> After(long number)
    {
        lock (_turn) return [.. _kept.Where(line => line.Number > number)];
    }

    public void Info(string message) => Write(6, "", message);

    public void Warning(string message) => Write(4, "warning: ", message);

    public void Error(string message) => Write(3, "error: ", message);

    /// <summary>Logs the costs of a request; never its text.</summary>
    public void Answer(HttpContext context, Answer answer)
    {
        GenerationStatistics statistics = answer.Statistics;
        Info(string.Create(CultureInfo.InvariantCulture,
            $"{context.Request.Path} for {AccessRules.ClientOf(context)}: {statistics.PromptTokens} prompt tokens "
                + $"({statistics.CachedTokens} known), first of {statistics.GeneratedTokens} "
            + $"after {(answer.Waited + statistics.TimeToFirstToken).TotalSeconds:F2} s (waited {answer.Waited.TotalSeconds:F2} s), "
            + $"{statistics.TokensPerSecond:F1} tokens/s, ended by "
            + $"{statistics.FinishReason}{(statistics.FinishReason == FinishReason.Loop ? ": the same words 8 times over" : "")}"));
    }

    private void Write(int priority, string word, string message)
    {
        string line = string.Create(message.Length, message, static (line, text) =>
        {
            for (int i = 0; i < line.Length; i++) line[i] = char.IsControl(text[i]) ? ' ' : text[i]; // clients choose some of it
        });
        try
        {
            lock (_turn)
            {
                if (_kept.Count == MostKept) _kept.Dequeue();
                _kept.Enqueue(
                    new LogLine(++_count, DateTimeOffset.Now, priority switch { 3 => "error", 4 => "warning", _ => "info" }, line));
                output.WriteLine(forJournal ? $"<{priority}>{line}" : $"{DateTime.Now:HH:mm:ss} {word}{line}");
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            // The disk that the log is written to is full, or standard error is closed: the service goes on without one.
        }
    }
}

/// <summary>A line of the service's log.</summary>
/// <param name="Number">Of all lines since the start, from 1.</param>
/// <param name="Level">info, warning or error.</param>
internal sealed record LogLine(long Number, DateTimeOffset Time, string Level, string Text);
