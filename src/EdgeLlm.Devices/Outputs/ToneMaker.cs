using System.Device.Pwm;
using Iot.Device.Buzzer;

namespace EdgeLlm.Devices.Outputs;

/// <summary>Short tones on a passive buzzer: what happened, for ears.</summary>
public sealed class ToneMaker : IDisposable
{
    private readonly Buzzer _buzzer;

    /// <summary>A buzzer on a PWM channel, which it owns.</summary>
    public ToneMaker(PwmChannel channel) => _buzzer = new Buzzer(channel);

    /// <summary>Plays tones one after the other, each 90 ms.</summary>
    /// <param name="frequencies">Hertz; 0 is silence.</param>
    public async Task PlayAsync(IReadOnlyList<int> frequencies, TimeProvider time, CancellationToken cancellation)
    {
        try
        {
            foreach (int frequency in frequencies)
            {
                if (frequency > 0) _buzzer.StartPlaying(frequency);
                else _buzzer.StopPlaying();
                await Task.Delay(TimeSpan.FromMilliseconds(90), time, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            _buzzer.StopPlaying();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _buzzer.Dispose();
}
