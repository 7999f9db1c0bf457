using System.Diagnostics;

namespace EdgeLlm.Cli;

/// <summary>What nobody expected: one line that says so and where to report it, in place of a stack trace and an abort.</summary>
internal static class LastHandler
{
    private const string ReportTo = "https://github.com/edgellm/edgellm/issues";

    private static int _ending;

    /// <summary>Takes exceptions that no thread caught, and of tasks that nobody waited for.</summary>
    public static void Install()
    {
        AppDomain.CurrentDomain.UnhandledException += static (_, unhandled) =>
        {
            if (Interlocked.Exchange(ref _ending, 1) == 0) Report((Exception)unhandled.ExceptionObject);
            Environment.Exit(ExitCode.Failure);
        };
        TaskScheduler.UnobservedTaskException += static (_, unobserved) =>
        {
            unobserved.SetObserved(); // work that nobody waits for ends no program
            foreach (Exception exception in unobserved.Exception.Flatten().InnerExceptions.Where(exception => exception is not OperationCanceledException && !CommandRunner.IsExpected(exception)))
                Report(exception);
        };
    }

    /// <summary>Says on standard error what happened where, and where to report it.</summary>
    public static void Report(Exception exception)
    {
        StackFrame? frame = new StackTrace(exception).GetFrames().FirstOrDefault();
        string place = frame is not null && DiagnosticMethodInfo.Create(frame) is { } method ? $" in {method.DeclaringTypeName}.{method.Name}" : "";
        Console.Error.WriteLine($"edgellm: this is a fault of edgellm's: {exception.GetType().Name}{place}: {Printable.Line(exception.Message, 300)}; please report this line and what you did at {ReportTo}");
    }
}
