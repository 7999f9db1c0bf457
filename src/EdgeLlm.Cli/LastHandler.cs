using System.Diagnostics;
using System.Runtime.InteropServices;

namespace EdgeLlm.Cli;

/// <summary>
/// Handler of unexpected exceptions: one line that says so and where to report it, in place of a stack trace and an abort.
/// </summary>
internal static class LastHandler
{
    private const string ReportTo = "https://github.com/edgellm/edgellm/issues";

    // signal(7): a file grows beyond the limit of the user or the service (RLIMIT_FSIZE).
    private const PosixSignal FileSizeExceeded = (PosixSignal)25;

    private static readonly List<PosixSignalRegistration> Signals = []; // one that nobody holds ends

    private static readonly TimeSpan TimeToReport = TimeSpan.FromSeconds(10);

    private static int _ending;

    /// <summary>Takes exceptions that no thread caught, and of tasks that nobody waited for.</summary>
    public static void Install()
    {
        AppDomain.CurrentDomain.UnhandledException += static (_, unhandled) =>
        {
            if (Interlocked.Exchange(ref _ending, 1) == 0) Report((Exception)unhandled.ExceptionObject);
            else Thread.Sleep(TimeToReport); // another thread is saying what ended the program
            Environment.Exit(ExitCode.Failure);
        };
        TaskScheduler.UnobservedTaskException += static (_, unobserved) =>
        {
            unobserved.SetObserved(); // work that nobody waits for ends no program
            foreach (Exception exception in unobserved.Exception.Flatten().InnerExceptions.Where(exception =>
                exception is not OperationCanceledException && !CommandRunner.IsExpected(exception)))
                Report(exception);
        };
        // Without this the process would be killed in place of getting an error that says which file it is.
        if (OperatingSystem.IsLinux()) Signals.Add(PosixSignalRegistration.Create(FileSizeExceeded, static signal => signal.Cancel = true));
    }

    /// <summary>Says on standard error what happened where, and where to report it.</summary>
    public static void Report(Exception exception)
    {
        StackFrame? frame = new StackTrace(exception).GetFrames().FirstOrDefault();
        string place = frame is not null && DiagnosticMethodInfo.Create(frame) is { } method
            ? $" in {method.DeclaringTypeName}.{method.Name}" : "";
        Console.Error.WriteLine(
            $"edgellm: this is a fault of edgellm's: {exception.GetType().Name}{place}: {Printable.Line(exception.Message, 300)}; please "
                + $"report this line and what you did at {ReportTo}");
    }
}
