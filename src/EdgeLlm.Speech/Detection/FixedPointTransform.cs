using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// The Fourier transform of 512 real 16-bit samples in 16-bit integers, as KISS FFT computes it (github.com/mborgerding/kissfft with
/// FIXED_POINT 16): a complex transform of 256 points in four levels of radix 4, each of which divides by 4, then the two halves are told
/// apart. Every rounding is part of the result.
/// </summary>
internal sealed class FixedPointTransform
{
    /// <summary>Real samples.</summary>
    public const int Length = 512;

    private const int Half = Length / 2, Scale = 32767, Rounding = 1 << 14, FractionBits = 15, Radix = 4;

    private readonly short[] cosines = new short[Half], sines = new short[Half]; // of -2 pi i / 256
    private readonly short[] halfCosines = new short[Half / 2], halfSines = new short[Half / 2]; // of -pi ((i + 1) / 256 + 1 / 2)
    private readonly byte[] order = new byte[Half];
    private readonly short[] re = new short[Half], im = new short[Half];

    public FixedPointTransform()
    {
        for (int i = 0; i < Half; i++)
        {
            (cosines[i], sines[i]) = Turn(-2 * Math.PI / Half * i);
            // The four digits of i to the base 4, backwards.
            order[i] = (byte)((i & 3) << 6 | (i >> 2 & 3) << 4 | (i >> 4 & 3) << 2 | i >> 6);
        }
        for (int i = 0; i < Half / 2; i++) (halfCosines[i], halfSines[i]) = Turn(-Math.PI * ((double)(i + 1) / Half + .5));
    }

    /// <summary>The spectrum, of 0 to 256.</summary>
    /// <param name="samples">[512].</param>
    /// <param name="real">Receives the real parts [257].</param>
    /// <param name="imaginary">Receives the imaginary parts [257].</param>
    public void Forward(ReadOnlySpan<short> samples, Span<short> real, Span<short> imaginary)
    {
        for (int i = 0; i < Half; i++) (re[i], im[i]) = (samples[2 * order[i]], samples[2 * order[i] + 1]);
        for (int part = 1; part < Half; part *= Radix)
        {
            for (int first = 0; first < Half; first += Radix * part)
            {
                for (int k = 0; k < part; k++) Butterfly(first + k, part, k * (Half / (Radix * part)));
            }
        }

        short evens = Divide(re[0], 2), odds = Divide(im[0], 2);
        (real[0], imaginary[0]) = ((short)(evens + odds), 0);
        (real[Half], imaginary[Half]) = ((short)(evens - odds), 0);
        for (int k = 1; k <= Half / 2; k++)
        {
            short aRe = Divide(re[k], 2), aIm = Divide(im[k], 2), bRe = Divide(re[Half - k], 2), bIm = Divide((short)-im[Half - k], 2);
            short sumRe = (short)(aRe + bRe), sumIm = (short)(aIm + bIm), differenceRe = (short)(aRe - bRe),
                differenceIm = (short)(aIm - bIm);
            (short turnedRe, short turnedIm) = Multiply(differenceRe, differenceIm, halfCosines[k - 1], halfSines[k - 1]);
            (real[k], imaginary[k]) = ((short)((sumRe + turnedRe) >> 1), (short)((sumIm + turnedIm) >> 1));
            (real[Half - k], imaginary[Half - k]) = ((short)((sumRe - turnedRe) >> 1), (short)((turnedIm - sumIm) >> 1));
        }
    }

    private void Butterfly(int at, int part, int turn)
    {
        int at1 = at + part, at2 = at1 + part, at3 = at2 + part;
        short aRe = Divide(re[at], 4), aIm = Divide(im[at], 4);
        (short bRe, short bIm) = Multiply(Divide(re[at1], 4), Divide(im[at1], 4), cosines[turn], sines[turn]);
        (short cRe, short cIm) = Multiply(Divide(re[at2], 4), Divide(im[at2], 4), cosines[2 * turn], sines[2 * turn]);
        (short dRe, short dIm) = Multiply(Divide(re[at3], 4), Divide(im[at3], 4), cosines[3 * turn], sines[3 * turn]);
        short evenRe = (short)(aRe + cRe), evenIm = (short)(aIm + cIm), oddRe = (short)(aRe - cRe), oddIm = (short)(aIm - cIm);
        short sumRe = (short)(bRe + dRe), sumIm = (short)(bIm + dIm), differenceRe = (short)(bRe - dRe), differenceIm = (short)(bIm - dIm);
        (re[at], im[at]) = ((short)(evenRe + sumRe), (short)(evenIm + sumIm));
        (re[at2], im[at2]) = ((short)(evenRe - sumRe), (short)(evenIm - sumIm));
        (re[at1], im[at1]) = ((short)(oddRe + differenceIm), (short)(oddIm - differenceRe));
        (re[at3], im[at3]) = ((short)(oddRe - differenceIm), (short)(oddIm + differenceRe));
    }

    private static (short Re, short Im) Multiply(short aRe, short aIm, short bRe, short bIm) =>
        ((short)((aRe * bRe - aIm * bIm + Rounding) >> FractionBits), (short)((aRe * bIm + aIm * bRe + Rounding) >> FractionBits));

    private static short Divide(short x, int divisor) => (short)((x * (Scale / divisor) + Rounding) >> FractionBits);

    private static (short Cosine, short Sine) Turn(double angle)
    {
        (double sine, double cosine) = Polynomials.SinCos(angle);
        return ((short)Math.Floor(.5 + Scale * cosine), (short)Math.Floor(.5 + Scale * sine));
    }
}
