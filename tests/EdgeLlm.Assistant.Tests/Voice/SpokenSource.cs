using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Sound;

namespace EdgeLlm.Assistant.Tests.Voice;

/// <summary>
/// A microphone in compressed time: each piece of 20 ms moves the clock by 20 ms, as fast as the ear takes it. While the assistant
/// recognizes or thinks the clock stands still, while it speaks the clock waits for its voice, and while nothing is said and nothing
/// happens it waits for the person: how fast the machine is changes nothing.
/// </summary>
internal sealed class SpokenSource(ManualTime time, Func<AssistantLoop?> loop) : SoundSource
{
    private const int SilentPieces = 150; // 3 s: after these a request has ended

    private readonly ConcurrentQueue<float[]> _said = new();
    private int _silence; // pieces

    /// <summary>Pieces of 20 ms given so far.</summary>
    public long Pieces { get; private set; }

    /// <summary>Whether all that was said was heard.</summary>
    public bool IsSilent => _said.IsEmpty;

    /// <summary>
    /// The player that speech is timed by; null: the clock does not wait for the voice, nor for the person once it listens.
    /// </summary>
    public RecordingSink? Sink { get; init; }

    /// <summary>Changes each piece before it is heard, such as by an echo.</summary>
    public Action<float[]>? Room { get; init; }

    /// <summary>Says samples after those before.</summary>
    public void Say(params float[][] sounds)
    {
        foreach (float[] piece in sounds.SelectMany(static sound => sound).Chunk(Piece))
        {
            float[] whole = new float[Piece];
            piece.CopyTo(whole, 0);
            _said.Enqueue(whole);
        }
    }

    public override async IAsyncEnumerable<float[]> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        while (true)
        {
            while (loop() is not { IsSettled: true } || IsComputing || IsPersonAwaited
                || Sink is { IsAwaited: false } && loop()?.State == AssistantState.Speaking)
                await Task.Delay(1, cancellation);
            if (Sink is null && loop()?.State == AssistantState.Speaking) await Task.Delay(1, cancellation); // the voice keeps up
            cancellation.ThrowIfCancellationRequested();
            time.Advance(TimeSpan.FromMilliseconds(20));
            Pieces++;
            bool isSaid = _said.TryDequeue(out float[]? said);
            _silence = isSaid ? 0 : _silence + 1;
            float[] piece = isSaid ? said! : new float[Piece];
            Room?.Invoke(piece);
            yield return piece;
        }
    }

    private bool IsPersonAwaited =>
        _said.IsEmpty && (loop()?.State == AssistantState.Idle
            || (Sink is not null && _silence > SilentPieces && loop()?.State is AssistantState.Listening or AssistantState.Confirming));

    private bool IsComputing => loop()?.State is AssistantState.Recognizing or AssistantState.Thinking or AssistantState.Acting;
}
