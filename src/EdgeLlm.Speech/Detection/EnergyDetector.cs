using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// Voice activity without a model: how far a window's energy is above the noise, which is followed: quickly downwards, slowly upwards. It
/// hears that something is loud, not that it is speech.
/// </summary>
internal sealed class EnergyDetector : SpeechDetector
{
    // Decibels above the noise at which the probability is 1/2, per step of the logistic; below this level nothing is speech; shares of a
    // window by which the noise follows.
    private const double Middle = 9, Slope = 1.5, Quietest = -60, Down = .25, Up = .01, FirstNoise = -45;

    private double noise = FirstNoise;

    public override int SampleRate => 16_000;

    public override int WindowSamples => 512;

    public override float Next(ReadOnlySpan<float> window)
    {
        double sum = 0, mean = 0;
        foreach (float sample in window) mean += sample;
        mean /= window.Length; // a microphone's constant offset is not sound
        foreach (float sample in window) sum += (sample - mean) * (sample - mean);
        double level = Math.Max(-100, 10 / Polynomials.Log(10) * Polynomials.Log(sum / window.Length + 1e-10));
        noise += (level - noise) * (level < noise ? Down : Up);
        double above = level - Math.Max(noise, Quietest);
        return (float)(1 / (1 + Polynomials.Exp(Math.Clamp((Middle - above) / Slope, -80, 80))));
    }

    public override void Reset() => noise = FirstNoise;
}
