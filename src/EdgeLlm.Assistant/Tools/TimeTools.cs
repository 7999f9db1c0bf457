using System.Globalization;
using System.Text.Json;
using EdgeLlm.Assistant.Intents;

namespace EdgeLlm.Assistant.Tools;

/// <summary>Tells the time or the date.</summary>
internal sealed class TimeTool(TimeProvider time) : Tool(
    "get_time", "Tells the time or the date.",
    """{"type":"object","properties":{"what":{"enum":["time","date"]}},"required":["what"],"additionalProperties":false}""",
    ToolEffect.Senses)
{
    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        DateTimeOffset now = time.GetLocalNow();
        bool isEnglish = turn.Language.Language == "en";
        string text = arguments.GetProperty("what").GetString() == "date"
            ? turn.Language.Say("date", now.ToString(isEnglish ? "dddd, MMMM d" : "d.M.yyyy", CultureInfo.InvariantCulture))
            : turn.Language.Say("time", now.ToString(isEnglish ? "h:mm tt" : "H:mm", CultureInfo.InvariantCulture));
        return Task.FromResult(ToolResult.Done(text));
    }
}

/// <summary>Timers that run. When one is over, the assistant says so.</summary>
internal sealed class Timers(TimeProvider time) : IDisposable
{
    /// <summary>Timers at once.</summary>
    public const int Most = 20;

    /// <summary>Longest timer: a day.</summary>
    public const int LongestSeconds = 24 * 3600;

    private readonly Lock _turn = new();
    private readonly List<Running> _running = [];

    /// <summary>Is told of each timer that is over: its duration, and what it reminds of (null: only the time).</summary>
    public Action<TimeSpan, string?>? Over { get; set; }

    /// <summary>Time left of each timer, the next one first.</summary>
    public IReadOnlyList<TimeSpan> Left
    {
        get { lock (_turn) return [.. _running.Select(one => one.Duration - time.GetElapsedTime(one.Since)).Order()]; }
    }

    /// <summary>Starts a timer.</summary>
    /// <returns>Whether there was room for one more.</returns>
    /// <param name="reminds">What it reminds of; null: only the time.</param>
    public bool Start(TimeSpan duration, string? reminds = null)
    {
        var running = new Running(duration, time.GetTimestamp(), reminds);
        lock (_turn)
        {
            if (_running.Count >= Most) return false;
            _running.Add(running);
            running.Timer = time.CreateTimer(_ => End(running), null, duration, Timeout.InfiniteTimeSpan);
        }
        return true;
    }

    /// <summary>Ends all timers without a word.</summary>
    /// <returns>How many there were.</returns>
    public int Cancel()
    {
        lock (_turn)
        {
            int count = _running.Count;
            foreach (Running running in _running) running.Timer?.Dispose();
            _running.Clear();
            return count;
        }
    }

    public void Dispose() => Cancel();

    private void End(Running running)
    {
        lock (_turn)
        {
            if (!_running.Remove(running)) return; // cancelled meanwhile
            running.Timer?.Dispose();
        }
        Over?.Invoke(running.Duration, running.Reminds);
    }

    private sealed record Running(TimeSpan Duration, long Since, string? Reminds)
    {
        public ITimer? Timer { get; set; }
    }
}

/// <summary>Starts a timer.</summary>
internal sealed class SetTimerTool(Timers timers) : Tool(
    "set_timer", "Starts a timer.",
    $$$"""{"type":"object","properties":{"seconds":{"type":"integer","minimum":1,"maximum":{{{Timers.LongestSeconds}}}}},"required":["seconds"],"additionalProperties":false}""",
    ToolEffect.Informs)
{
    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        var duration = TimeSpan.FromSeconds(arguments.GetProperty("seconds").GetDouble());
        return Task.FromResult(timers.Start(duration) ? ToolResult.Done(turn.Language.Say("timer", turn.Language.Duration(duration)))
            : ToolResult.Failed($"{Timers.Most} timers run already", turn.Language.Say("timer.many")));
    }
}

/// <summary>Reminds of something later: after a time, or at a time of day.</summary>
internal sealed class ReminderTool(Timers timers, TimeProvider time) : Tool(
    "set_reminder",
    "Reminds of something: \"when\" is a time of day such as \"18:30\", or a number of seconds, minutes or hours from now such as \"10 "
        + "minutes\".",
    """{"type":"object","properties":{"text":{"type":"string","minLength":1,"maxLength":200},"when":{"type":"string","minLength":1,"maxLength":40}},"required":["text","when"],"additionalProperties":false}""",
    ToolEffect.Informs)
{
    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        string text = Printable.Line(arguments.GetProperty("text").GetString()!.Trim(), 200),
            when = arguments.GetProperty("when").GetString()!;
        if (Until(when, time.GetLocalNow().DateTime) is not { } duration)
            return Task.FromResult(ToolResult.Failed("\"when\" must be a time of day such as 18:30, or such as 10 minutes, within a day",
                turn.Language.Say("nomodel")));
        return Task.FromResult(timers.Start(duration, text)
            ? ToolResult.Done(turn.Language.Say("reminder", turn.Language.Duration(duration), text))
            : ToolResult.Failed($"{Timers.Most} timers run already", turn.Language.Say("timer.many")));
    }

    /// <summary>How long it is until then, in whole seconds from one to a day; null: this is not a time.</summary>
    internal static TimeSpan? Until(string when, DateTime now)
    {
        when = when.Trim().ToLowerInvariant();
        if (TimeOnly.TryParseExact(when, ["H:mm", "HH:mm"], CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly clock))
        {
            double seconds = Math.Ceiling((clock.ToTimeSpan() - now.TimeOfDay).TotalSeconds);
            return TimeSpan.FromSeconds(seconds > 0 ? seconds : seconds + Timers.LongestSeconds);
        }
        string[] words =
            (when.StartsWith("in ", StringComparison.Ordinal) ? when[3..] : when).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length != 2 || !int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out int count)) return null;
        long unit = words[1].TrimEnd('s') switch { "second" => 1, "minute" => 60, "hour" => 3600, _ => 0 };
        return count * unit is > 0 and <= Timers.LongestSeconds ? TimeSpan.FromSeconds(count * unit) : null;
    }
}

/// <summary>Tells what is left of timers, or, as `cancel_timer`, ends them.</summary>
internal sealed class TimersTool(Timers timers, bool cancels) : Tool(
    cancels ? "cancel_timer" : "get_timers", cancels ? "Cancels all timers." : "Tells how much time timers have left.", NoArguments,
    cancels ? ToolEffect.Informs : ToolEffect.Senses)
{
    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        Vocabulary words = turn.Language;
        if (cancels) return Task.FromResult(ToolResult.Done(words.Say(timers.Cancel() > 0 ? "timer.cancelled" : "timer.none")));
        IReadOnlyList<TimeSpan> left = timers.Left;
        return Task.FromResult(ToolResult.Done(left.Count == 0 ? words.Say("timer.none")
            : words.Say("timer.left", words.List([.. left.Select(words.Duration)]))));
    }
}

/// <summary>Reads the weather from a file that something else writes: text that nobody vouches for.</summary>
internal sealed class WeatherTool(string? file) : Tool("get_weather", "Tells the weather.", NoArguments, ToolEffect.Reads)
{
    private const int MostBytes = 64 << 10, MostCharacters = 600;

    public override Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        if (file is null) return Task.FromResult(ToolResult.Failed("there is no weather file", turn.Language.Say("weather.none")));
        try
        {
            using JsonDocument json = JsonDocument.Parse(Files.InputFile.Read(file, MostBytes));
            string text = json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("text", out JsonElement spoken) && spoken.ValueKind == JsonValueKind.String
                ? spoken.GetString()! : json.RootElement.GetRawText();
            text = Printable.Line(text, MostCharacters);
            return Task.FromResult(ToolResult.Done(text) with { IsUntrusted = true });
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return Task.FromResult(ToolResult.Failed($"{file} can't be read", turn.Language.Say("weather.none")));
        }
    }
}
