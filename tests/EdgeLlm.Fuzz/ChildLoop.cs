namespace EdgeLlm.Fuzz;

/// <summary>
/// A child process: takes ranges of seeds from standard input, runs them one by one, and reports each on standard output.
/// </summary>
internal static class ChildLoop
{
    // A thread of a program that embeds the library may have no more.
    private const int StackBytes = 1 << 20;

    /// <summary>What takes longer is run a second time and the better time counts: the first time may have compiled code.</summary>
    private const long CompilationMicroseconds = 20_000;

    private const int MostReason = 6000;

    /// <param name="samples">The folder of the samples, as <see cref="Samples.Write"/> left it.</param>
    public static void Run(string samples)
    {
        using var reports = new BinaryWriter(new BufferedStream(Console.OpenStandardOutput(), 1 << 12));
        TextReader ranges = Console.In;
        Console.SetOut(TextWriter.Null);
        Samples.Folder = samples;
        GuardedMemory.Use();
        string folder = Path.Combine(samples, $"child-{Environment.ProcessId}");
        Directory.CreateDirectory(folder);
        Directory.SetCurrentDirectory(folder);
        var thread = new Thread(() =>
        {
            while (ranges.ReadLine() is { } line)
            {
                string[] words = line.Split(' ');
                FuzzTarget target = FuzzTarget.Find(words[0]);
                long first = long.Parse(words[1]), count = long.Parse(words[2]);
                for (long seed = first; seed < first + count; seed++)
                {
                    CaseReport report = Run(target, seed, folder);
                    if (report.CpuMicroseconds > CompilationMicroseconds && report is { Outcome: Outcome.Refused, IsBounded: true })
                    {
                        CaseReport again = Run(target, seed, folder);
                        if (again.Outcome == Outcome.Refused && again.CpuMicroseconds < report.CpuMicroseconds) report = again;
                    }
                    report.Write(reports);
                    reports.Flush();
                }
            }
        }, StackBytes);
        thread.Start();
        thread.Join();
        Directory.SetCurrentDirectory("/");
        Directory.Delete(folder, recursive: true);
    }

    private static CaseReport Run(FuzzTarget target, long seed, string folder)
    {
        var current = new FuzzCase(seed, folder);
        try
        {
            string? refusal = target.Run(current);
            return Report(refusal is null ? Outcome.Accepted : Outcome.Refused, refusal ?? "");
        }
        catch (WrongResultException wrong)
        {
            return Report(Outcome.Wrong, wrong.Message);
        }
        catch (Exception exception) when (target.Documented(exception))
        {
            return ProblemOf(exception.Message) is { } problem
                ? Report(Outcome.Wrong, $"the message {problem}: {exception.Message}")
                : Report(Outcome.Refused, exception.GetType().Name);
        }
        catch (Exception exception)
        {
            return Report(Outcome.Wrong, exception.ToString());
        }

        CaseReport Report(Outcome outcome, string reason)
        {
            (long cpu, long allocated) = current.Cost();
            return new CaseReport(seed, outcome, reason.Length <= MostReason ? reason : reason[..MostReason], cpu, allocated,
                current.InputBytes, outcome == Outcome.Refused && !current.IsPlanned);
        }
    }

    /// <summary>What is wrong with a message for users, or null: it is one line in our own words.</summary>
    public static string? ProblemOf(string message) =>
        message.Any(char.IsControl) ? "has control characters"
        : message.Length > 4000 ? "is longer than 4,000 characters"
        : message.Contains("(Parameter '", StringComparison.Ordinal) || message.Contains("System.", StringComparison.Ordinal)
            || message.Contains("Object reference", StringComparison.Ordinal) ? "has the platform's words"
        : null;
}

/// <summary>A mutant was accepted, and the result is wrong.</summary>
internal sealed class WrongResultException(string message) : Exception(message);
