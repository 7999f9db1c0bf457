using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EdgeLlm.Cli.Speak;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Cli.Run;

/// <summary>Speaks an answer while it is written: a sentence as soon as it has ended, marks of Markdown left out.</summary>
internal sealed class AnswerSpeaker : IDisposable
{
    private readonly SpeechSynthesizer _voice;

    /// <exception cref="IOException">There is no voice, or nothing on this machine plays sound.</exception>
    public AnswerSpeaker(string? voice)
    {
        Player.Require();
        _voice = SpeechSynthesizer.Load(voice, new VoiceOptions { Commands = ServiceSettings.VoiceCommandsFor(voice) });
    }

    /// <summary>Passes an answer on, and ends when all of it is spoken; a caller that leaves stops the sound at once.</summary>
    public async IAsyncEnumerable<string> HearAsync(IAsyncEnumerable<string> answer,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var text = Channel.CreateUnbounded<string>();
        Task speaking = SpeakAsync(text.Reader.ReadAllAsync(stop.Token), stop.Token);
        try
        {
            await foreach (string piece in answer.WithCancellation(cancellation).ConfigureAwait(false))
            {
                text.Writer.TryWrite(piece);
                yield return piece;
            }
            text.Writer.Complete();
            await speaking.ConfigureAwait(false);
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await speaking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _voice.Dispose();

    private async Task SpeakAsync(IAsyncEnumerable<string> text, CancellationToken cancellation)
    {
        using var output = new SoundOutput(null, _voice.SampleRate);
        var options = new SpeechOptions { IsMarkdown = true };
        await foreach (ReadOnlyMemory<float> samples in _voice.SpeakAsync(text, options, cancellation).ConfigureAwait(false))
            await output.WriteAsync(samples, cancellation).ConfigureAwait(false);
        await output.FinishAsync(cancellation).ConfigureAwait(false);
    }
}
