using System.Globalization;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests;

namespace EdgeLlm.Fuzz;

/// <summary>
/// What hostile forms cost: processor time is printed and asserted here, counted bounds are asserted in HostileConstraintTests.
/// </summary>
internal static class HostileForms
{
    private const double MostMilliseconds = 50;
    private const long MostBytes = 10_000_000;

    /// <returns>The exit code: 1 where a form took longer or its result is larger.</returns>
    public static int Run()
    {
        int faults = 0;
        foreach ((string language, string name, string source) in HostileConstraints.All())
        {
            double least = double.MaxValue;
            long bytes = 0, allocated = 0, steps = 0;
            string result = "compiled";
            for (int turn = 0; turn < 5; turn++)
            {
                var budget = new CompileBudget();
                long before = GC.GetAllocatedBytesForCurrentThread(), start = FuzzCase.ThreadCpu();
                try
                {
                    bytes = OutputConstraint.Compile(Enum.Parse<FormLanguage>(language), source, budget).Bytes;
                }
                catch (ConstraintException exception)
                {
                    result = exception.Message;
                }
                least = Math.Min(least, (FuzzCase.ThreadCpu() - start) / 1000.0);
                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                steps = budget.Spent;
            }
            bool isFine = least < MostMilliseconds && bytes < MostBytes;
            if (!isFine) faults++;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(isFine ? "" : "TOO MUCH: ")}{language}, {name}: {least:F1} ms, {steps / 1e6:F2} M steps, {bytes / 1e6:F2} MB, "
                    + $"allocated on the way {allocated / 1e6:F1} MB: {result[..Math.Min(90, result.Length)]}"));
        }
        return faults > 0 ? 1 : 0;
    }
}
