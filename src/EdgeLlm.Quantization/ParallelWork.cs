using System.Runtime.ExceptionServices;

namespace EdgeLlm.Quantization;

/// <summary>Loops on all cores.</summary>
internal static class ParallelWork
{
    /// <summary>Runs the action for 0 to count - 1; the first error comes out as itself.</summary>
    public static void ForAll(int count, CancellationToken cancellation, Action<int> action)
    {
        try
        {
            Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation }, action);
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }
}
