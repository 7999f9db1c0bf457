using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>
/// The angle that each pair of a head turns per position, and the factor of its cosine and sine. Computed in double with our own functions,
/// so that every machine has the same bits.
/// </summary>
internal sealed class RopeFrequencies
{
    private readonly double[] _frequencies; // radians a position, [pairs]
    private readonly double _magnitude;

    /// <param name="rope">Rotary positions.</param>
    /// <param name="context">The context length that the caller asked for; what DynamicNtk and Long go by.</param>
    public RopeFrequencies(RopeSpec rope, int context)
    {
        int pairs = rope.Dimension / 2;
        double dimension = rope.Dimension, factor = rope.Factor, rotationBase = rope.Base;
        double trained = rope.TrainedLength;
        IReadOnlyList<float> divisors = rope.Scaling != RopeScaling.Long ? rope.Divisors : context > rope.TrainedLength
            ? rope.LongDivisors : rope.ShortDivisors;
        double exponent = dimension / Math.Max(dimension - 2, 1);
        if (rope.Scaling == RopeScaling.Ntk) rotationBase *= Polynomials.Pow(factor, exponent);
        if (rope.Scaling == RopeScaling.DynamicNtk && context > trained)
            rotationBase *= Polynomials.Pow(factor * context / trained - (factor - 1), exponent);

        _frequencies = new double[pairs];
        for (int i = 0; i < pairs; i++)
        {
            _frequencies[i] = Polynomials.Pow(rotationBase, -2.0 * i / dimension);
            if (divisors.Count > 0) _frequencies[i] /= divisors[i];
        }

        _magnitude = rope.AttentionFactor;
        if (rope.Scaling == RopeScaling.Linear)
        {
            for (int i = 0; i < pairs; i++) _frequencies[i] /= factor;
        }
        if (rope.Scaling == RopeScaling.Yarn)
        {
            // Pairs that turn more than betaFast times over the trained length keep their frequency, those below betaSlow times are
            // interpolated.
            double low = PairThatTurns(rope.BetaFast), high = PairThatTurns(rope.BetaSlow);
            if (rope.IsRangeWhole) (low, high) = (Math.Floor(low), Math.Ceiling(high));
            (low, high) = (Math.Max(0, low), Math.Min(dimension - 1, high));
            for (int i = 0; i < pairs; i++)
            {
                double interpolated = Math.Clamp((i - low) / Math.Max(0.001, high - low), 0, 1);
                _frequencies[i] *= interpolated / factor + (1 - interpolated);
            }
            _magnitude *= 1 + 0.1 * Polynomials.Log(factor);
        }

        double PairThatTurns(double times) =>
            dimension * Polynomials.Log(trained / (times * 2 * Math.PI)) / (2 * Polynomials.Log(rotationBase));
    }

    /// <summary>Pairs of a head that are rotated.</summary>
    public int Pairs => _frequencies.Length;

    /// <summary>Writes cosines [Pairs] and sines [Pairs] of a position.</summary>
    public void Angles(int position, Span<float> cosines, Span<float> sines)
    {
        for (int i = 0; i < _frequencies.Length; i++)
        {
            (double sin, double cos) = Polynomials.SinCos(position * _frequencies[i]);
            cosines[i] = (float)(cos * _magnitude);
            sines[i] = (float)(sin * _magnitude);
        }
    }
}
