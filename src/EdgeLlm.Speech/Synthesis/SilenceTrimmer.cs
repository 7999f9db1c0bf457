namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// Shapes a sentence's edges: fades 3 ms in, and drops what follows the last frame above -50 dB of the sentence's peak. Quiet frames wait
/// until a louder one comes. (Which frame is the last one does not depend on later peaks: a frame after the peak is compared with the final
/// one.)
/// </summary>
internal sealed class SilenceTrimmer
{
    private const int FadeSamples = VoiceModel.SampleRate * 3 / 1000;
    private const float LeastLevel = 0.0031622777f; // -50 dB

    private readonly List<float> _waiting = []; // the last loud samples, which fade if nothing follows, then quiet frames
    private float _peak;
    private int _samples, _loud; // samples so far; loud ones of those that wait

    /// <summary>Begins a sentence.</summary>
    public void Begin()
    {
        _waiting.Clear();
        (_peak, _samples, _loud) = (0, 0, 0);
    }

    /// <summary>Takes frames, and gives those that are known to stay.</summary>
    /// <param name="frames">Whole frames of <see cref="VoiceModel.Hop"/> samples.</param>
    /// <param name="output">Receives samples at its end.</param>
    public void Add(ReadOnlySpan<float> frames, List<float> output)
    {
        for (; frames.Length > 0; frames = frames[VoiceModel.Hop..])
        {
            ReadOnlySpan<float> frame = frames[..VoiceModel.Hop];
            float largest = 0;
            foreach (float sample in frame)
            {
                largest = Math.Max(largest, Math.Abs(sample));
                _waiting.Add(_samples < FadeSamples ? sample * ((_samples + 0.5f) / FadeSamples) : sample);
                _samples++;
            }
            _peak = Math.Max(_peak, largest);
            if (largest <= _peak * LeastLevel) continue;
            int known = _waiting.Count - FadeSamples; // a frame is longer
            output.AddRange(_waiting[..known]);
            _waiting.RemoveRange(0, known);
            _loud = FadeSamples;
        }
    }

    /// <summary>Ends a sentence: 3 ms of the rest, faded out, or of the sentence where it has no rest.</summary>
    /// <returns>Samples of the rest that were added.</returns>
    public int End(List<float> output)
    {
        int rest = Math.Min(FadeSamples, _waiting.Count - _loud), first = rest > 0 ? _loud : 0, count = rest > 0 ? rest : _loud;
        output.AddRange(_waiting[..first]);
        for (int i = 0; i < count; i++) output.Add(_waiting[first + i] * ((count - i - 0.5f) / count));
        _waiting.Clear();
        return rest;
    }
}
