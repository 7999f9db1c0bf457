using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Models;

/// <summary>Threads that several models share: a pass of one of them has all of the threads, and the models' passes take turns.</summary>
/// <param name="threads">How many, the caller's among them.</param>
internal sealed class SharedThreads(int threads) : IDisposable
{
    public WorkerPool Pool { get; } = new(threads);

    /// <summary>As many as models of these options would have of their own.</summary>
    public static SharedThreads For(ModelOptions options) => new(LanguageModel.ThreadsOf(options).All);

    public void Dispose() => Pool.Dispose();
}
