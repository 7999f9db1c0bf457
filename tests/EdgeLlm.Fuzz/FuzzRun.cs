using System.Diagnostics;
using System.Globalization;

namespace EdgeLlm.Fuzz;

/// <summary>A run: hands ranges of cases to child processes, gathers what they say, and prints it.</summary>
internal sealed class FuzzRun(FuzzSettings settings, TextWriter output)
{
    private const long RangeCases = 50;

    /// <summary>The same fault met again and again is reported so many times.</summary>
    private const int MostFindingsOfOneFault = 2;

    private readonly Dictionary<string, KindSummary> _summaries =
        FuzzTarget.All.ToDictionary(target => target.Name, _ => new KindSummary());
    private readonly Dictionary<string, int> _faults = [];
    private readonly Queue<(string Kind, long First, long Count)> _ranges = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _done;
    private long _nextProgress;
    private int _findings;

    /// <returns>How many cases went wrong.</returns>
    public int Run()
    {
        // A file system in memory, where there is one: cases write a gigabyte a minute.
        string samples =
            Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"edgellm-fuzz-{Environment.ProcessId}");
        Directory.CreateDirectory(samples);
        try
        {
            Samples.Write(samples);
            FillQueue();
            Thread[] threads = [.. Enumerable.Range(0, settings.Children).Select(_ => new Thread(() => FeedChild(samples)))];
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
        }
        finally
        {
            Directory.Delete(samples, recursive: true);
        }
        return Summarize();
    }

    private void FillQueue()
    {
        FuzzTarget[] targets = [.. FuzzTarget.All.Where(target => settings.Kind is null || settings.Kind == target.Name)];
        int shares = targets.Sum(target => target.Share);
        var rest =
            targets.ToDictionary(target => target.Name, target => (First: settings.Seed, Left: settings.Cases * target.Share / shares));
        rest[targets[0].Name] = (settings.Seed, settings.Cases - targets.Skip(1).Sum(target => rest[target.Name].Left));
        // The kinds take turns, so that a run that is cut short has had some of each.
        while (rest.Values.Any(range => range.Left > 0))
        {
            foreach (FuzzTarget target in targets)
            {
                (long first, long left) = rest[target.Name];
                for (long turn = target.Share; turn > 0 && left > 0; turn -= RangeCases / 2)
                {
                    long count = Math.Min(RangeCases, left);
                    _ranges.Enqueue((target.Name, first, count));
                    (first, left) = (first + count, left - count);
                }
                rest[target.Name] = (first, left);
            }
        }
    }

    private void FeedChild(string samples)
    {
        using var child = new ChildProcess(samples);
        while (true)
        {
            (string Kind, long First, long Count) range;
            lock (_ranges)
            {
                if (Stopwatch.GetElapsedTime(_start) > settings.TimeLimit || !_ranges.TryDequeue(out range)) return;
            }
            while (range.Count > 0 && child.Run(range.Kind, range.First, range.Count, report => Add(range.Kind, report)) is { } death)
            {
                Find(range.Kind, death.Seed, death.End);
                range = range with { First = death.Seed + 1, Count = range.First + range.Count - death.Seed - 1 };
            }
        }
    }

    private void Add(string kind, CaseReport report)
    {
        lock (_summaries)
        {
            if (_summaries[kind].Add(report) is { } problem) Find(kind, report.Seed, problem);
            if (settings.Cases == 1)
                output.WriteLine(
                    $"{kind} {report.Seed}: {report.Outcome}, {report.CpuMicroseconds / 1000.0:F1} ms, {report.Allocated} bytes for "
                        + $"{report.InputBytes}. {report.Reason}");
            if (++_done < _nextProgress || settings.Cases == 1) return;
            double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{_done} of {settings.Cases} cases after {seconds:F0} s, {_findings} went wrong"));
            _nextProgress = _done + Math.Max(1000, settings.Cases / 20);
        }
    }

    private void Find(string kind, long seed, string problem)
    {
        lock (_faults)
        {
            _findings++;
            // Where two findings begin alike, or are thrown from the same line of ours, they are one fault.
            problem =
                string.Concat(problem.ReplaceLineEndings("\n").Select(letter => char.IsControl(letter) && letter != '\n' ? '?' : letter));
            string[] lines = problem.Split('\n');
            string fault =
                $"{kind} {Array.Find(lines, line => line.Contains(":line ", StringComparison.Ordinal)) ?? lines[0][..Math.Min(lines[0].Length, 24)]}";
            _faults[fault] = _faults.GetValueOrDefault(fault) + 1;
            if (_faults[fault] <= MostFindingsOfOneFault)
                output.WriteLine($"WRONG: fuzz --kind {kind} --seed {seed} --cases 1\n  {problem.ReplaceLineEndings("\n  ")}");
        }
    }

    private int Summarize()
    {
        output.WriteLine(KindSummary.Header);
        foreach ((string kind, KindSummary summary) in _summaries.Where(pair => pair.Value.Cases > 0))
        {
            output.WriteLine(summary.Row(kind));
            if (summary.Problem() is not { } problem) continue;
            output.WriteLine($"WRONG: {kind}: {problem}");
            _findings++;
        }
        double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{_done} cases in {seconds:F0} s ({_done / seconds:F0} a second), {_findings} went wrong"));
        return _findings;
    }
}

/// <param name="Cases">How many, over all kinds or of <see cref="Kind"/>.</param>
/// <param name="Kind">The kind of a <see cref="FuzzTarget"/>, or null for all.</param>
/// <param name="Seed">The first case's; those after it follow.</param>
/// <param name="Children">Processes at a time.</param>
/// <param name="TimeLimit">No range begins after it.</param>
internal sealed record FuzzSettings(long Cases, string? Kind, long Seed, int Children, TimeSpan TimeLimit);
