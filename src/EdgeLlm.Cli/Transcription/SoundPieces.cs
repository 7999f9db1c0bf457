using System.Threading.Channels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>A sound in pieces for what hears while it comes.</summary>
internal static class SoundPieces
{
    /// <summary>One piece after the other; the sound waits for who hears it.</summary>
    public static IEnumerable<float[]> Of(AudioReader audio)
    {
        float[] piece = new float[SpeechStream.PassSamples];
        for (int count; (count = audio.Read(piece)) > 0;) yield return piece[..count];
    }

    /// <summary>All that has come since the last time, read on a thread of its own: a microphone does not wait.</summary>
    public static IEnumerable<float[]> Arriving(AudioReader audio, CancellationToken cancellation)
    {
        var arrived = Channel.CreateUnbounded<float[]>();
        _ = Task.Run(() =>
        {
            try
            {
                foreach (float[] piece in Of(audio)) arrived.Writer.TryWrite(piece);
                arrived.Writer.Complete();
            }
            catch (Exception exception)
            {
                arrived.Writer.Complete(exception);
            }
        }, cancellation);
        while (arrived.Reader.WaitToReadAsync(cancellation).AsTask().GetAwaiter().GetResult())
        {
            List<float> all = [];
            while (arrived.Reader.TryRead(out float[]? piece)) all.AddRange(piece);
            yield return [.. all];
        }
    }
}
