using EdgeLlm.Assistant.Sound;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>
/// Readies the model while a person still speaks: first with all that is known before (instructions, tools, history), then with the words
/// that the recognizer will not change any more. Only time is saved by it: answers are the same without. Not safe for several threads at
/// once, but for <see cref="Cancel"/>.
/// </summary>
/// <param name="prepare">Is told the words so far.</param>
/// <param name="follow">Begins to follow speech; null: the words so far are not known.</param>
/// <param name="request">Samples of the request so far.</param>
internal sealed class Preparation(Func<string, CancellationToken, Task> prepare, Func<FollowSpeech>? follow, Func<float[]> request)
{
    private const int LeastSamples = 8_000; // half a second: what the recognizer makes a pass of

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <summary>Begins, where it has not.</summary>
    public void Begin()
    {
        if (!_running.IsCompleted && !_stop.IsCancellationRequested) return;
        Task before = _running;
        var stop = new CancellationTokenSource();
        _stop = stop;
        _running = Task.Run(async () =>
        {
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await RunAsync(stop.Token).ConfigureAwait(false);
        });
    }

    /// <summary>Ends it soon.</summary>
    public void Cancel() => _stop.Cancel();

    /// <summary>Ends it, and waits for that. What failed will fail again where it is told.</summary>
    public async Task EndAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunAsync(CancellationToken cancellation)
    {
        await prepare("", cancellation).ConfigureAwait(false);
        if (follow?.Invoke() is not { } hear) return;
        int taken = 0;
        string agreed = "";
        while (true)
        {
            await Task.Delay(Interval, cancellation).ConfigureAwait(false);
            float[] all = request();
            if (all.Length - taken < LeastSamples) continue;
            string now = hear(all.AsMemory(taken), cancellation);
            taken = all.Length;
            if (now.Length <= agreed.Length) continue;
            agreed = now;
            await prepare(agreed, cancellation).ConfigureAwait(false);
        }
    }
}
