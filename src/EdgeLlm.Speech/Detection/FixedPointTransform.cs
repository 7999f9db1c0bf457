using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// The Fourier transform of 512 real 16-bit samples in 16-bit integers, as KISS FFT computes it (github.com/mborgerding/kissfft with
/// FIXED_POINT 16): a complex transform of 256 points in four levels of radix 4, each of which divides by 4, then the two halves are told
/// apart. Every rounding is part of the result.
/// </summary>
/// <remarks>
/// Numbers that are neighbours in memory go through the same step, eight in a vector. The first two levels have blocks (64, then 16) side
/// by side, moments of a block far apart; the last two the other way round.
/// </remarks>
internal sealed class FixedPointTransform
{
    /// <summary>Real samples.</summary>
    public const int Length = 512;

    private const int Half = Length / 2, Scale = 32767, Lanes = 8, Radix = 4;

    private static readonly Vector128<short> Quarter = Vector128.Create((short)(Scale / 4)), OneHalf = Vector128.Create((short)(Scale / 2));
    private static readonly Vector128<short> Backwards = Vector128.Create(7, 6, 5, 4, 3, 2, 1, (short)0);

    // Cosines, then sines, of the second, third and fourth inputs' turns: [level][6][moments of a block].
    private readonly short[][] turns = [TurnsOf(1), TurnsOf(4), TurnsOf(16), TurnsOf(64)];
    private readonly short[] halfCosines = new short[Half / 2], halfSines = new short[Half / 2]; // of -pi ((i + 1) / 256 + 1 / 2)
    private readonly short[] re = new short[Half], im = new short[Half], nextRe = new short[Half], nextIm = new short[Half];

    public FixedPointTransform()
    {
        for (int i = 0; i < Half / 2; i++) (halfCosines[i], halfSines[i]) = Turn(-Math.PI * ((double)(i + 1) / Half + .5));
    }

    /// <summary>The spectrum, of 0 to 256.</summary>
    /// <param name="samples">[512].</param>
    /// <param name="real">Receives the real parts [257].</param>
    /// <param name="imaginary">Receives the imaginary parts [257].</param>
    public void Forward(ReadOnlySpan<short> samples, Span<short> real, Span<short> imaginary)
    {
        (short[] re, short[] im, short[] nextRe, short[] nextIm) = (this.re, this.im, this.nextRe, this.nextIm);
        for (int i = 0; i < Half; i += Lanes)
        {
            Vector128<int> low = Vector128.Create(samples[(2 * i)..]).AsInt32(),
                high = Vector128.Create(samples[(2 * i + Lanes)..]).AsInt32();
            Vector128.Narrow(low, high).CopyTo(re, i);
            Vector128.Narrow(low >> 16, high >> 16).CopyTo(im, i);
        }
        // Block by block, whose four inputs are 64 apart; results of a kind stay side by side.
        for (int block = 0; block < 64; block += Lanes)
            Butterfly(re, im, block, 64, nextRe, nextIm, block, 64, turns[0], 0, isBroadcast: true);
        for (int moment = 0; moment < 4; moment++)
        {
            for (int block = 0; block < 16; block += Lanes)
                Butterfly(nextRe, nextIm, moment * 64 + block, 16, re, im, moment * 16 + block, 64, turns[1], moment, isBroadcast: true);
        }
        // From [moment of 16][block of 16, its two digits to the base 4 exchanged] to [block][moment].
        for (int block = 0; block < 16; block++)
        {
            int exchanged = block % 4 * 4 + block / 4;
            for (int to = exchanged * 16, from = block; from < Half; to++, from += 16) (nextRe[to], nextIm[to]) = (re[from], im[from]);
        }
        for (int block = 0; block < Half; block += 64)
        {
            for (int moment = 0; moment < 16; moment += Lanes)
                Butterfly(nextRe, nextIm, block + moment, 16, re, im, block + moment, 16, turns[2], moment, isBroadcast: false);
        }
        for (int moment = 0; moment < 64; moment += Lanes)
            Butterfly(re, im, moment, 64, nextRe, nextIm, moment, 64, turns[3], moment, isBroadcast: false);
        Separate(real, imaginary);
    }

    /// <summary>Tells the transforms of even and odd samples apart, and joins them.</summary>
    private void Separate(Span<short> real, Span<short> imaginary)
    {
        short evens = (short)((nextRe[0] * (Scale / 2) + (1 << 14)) >> 15), odds = (short)((nextIm[0] * (Scale / 2) + (1 << 14)) >> 15);
        (real[0], imaginary[0]) = ((short)(evens + odds), 0);
        (real[Half], imaginary[Half]) = ((short)(evens - odds), 0);
        for (int k = 1; k <= Half / 2; k += Lanes) // k upwards, and Half - k downwards
        {
            int mirrored = Half - k - (Lanes - 1);
            Vector128<short> aRe = FixedPointVectors.Multiply(At(nextRe, k), OneHalf),
                aIm = FixedPointVectors.Multiply(At(nextIm, k), OneHalf);
            Vector128<short> bRe = FixedPointVectors.Multiply(Vector128.Shuffle(At(nextRe, mirrored), Backwards), OneHalf),
                bIm = FixedPointVectors.Multiply(-Vector128.Shuffle(At(nextIm, mirrored), Backwards), OneHalf);
            (Vector128<short> turnedRe, Vector128<short> turnedIm) = FixedPointVectors.Multiply(aRe - bRe, aIm - bIm,
                At(halfCosines, k - 1), At(halfSines, k - 1));
            Vector128<short> sumRe = aRe + bRe, sumIm = aIm + bIm;
            FixedPointVectors.HalfSum(sumRe, turnedRe).CopyTo(real[k..]);
            FixedPointVectors.HalfSum(sumIm, turnedIm).CopyTo(imaginary[k..]);
            Vector128.Shuffle(FixedPointVectors.HalfDifference(sumRe, turnedRe), Backwards).CopyTo(real[mirrored..]);
            Vector128.Shuffle(FixedPointVectors.HalfDifference(turnedIm, sumIm), Backwards).CopyTo(imaginary[mirrored..]);
        }
    }

    /// <summary>Transforms of four numbers each, of eight neighbours at once.</summary>
    /// <param name="xRe">Real parts of the inputs.</param>
    /// <param name="xIm">Their imaginary parts.</param>
    /// <param name="from">The first inputs; the others are <paramref name="step"/> after each other.</param>
    /// <param name="to">The first results; the others are <paramref name="toStep"/> after each other.</param>
    /// <param name="moment">Place of the turns.</param>
    /// <param name="isBroadcast">Whether all eight turn alike.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Butterfly(short[] xRe, short[] xIm, int from, int step, short[] yRe, short[] yIm, int to, int toStep, short[] turns,
        int moment, bool isBroadcast)
    {
        int second = from + step, third = second + step, fourth = third + step, count = turns.Length / 6;
        Vector128<short> aRe = FixedPointVectors.Multiply(At(xRe, from), Quarter), aIm = FixedPointVectors.Multiply(At(xIm, from), Quarter);
        (Vector128<short> bRe, Vector128<short> bIm) = Turned(xRe, xIm, second, turns, moment, count, isBroadcast);
        (Vector128<short> cRe, Vector128<short> cIm) = Turned(xRe, xIm, third, turns, 2 * count + moment, count, isBroadcast);
        (Vector128<short> dRe, Vector128<short> dIm) = Turned(xRe, xIm, fourth, turns, 4 * count + moment, count, isBroadcast);
        Vector128<short> evenRe = aRe + cRe, evenIm = aIm + cIm, oddRe = aRe - cRe, oddIm = aIm - cIm;
        Vector128<short> sumRe = bRe + dRe, sumIm = bIm + dIm, differenceRe = bRe - dRe, differenceIm = bIm - dIm;
        (evenRe + sumRe).CopyTo(yRe, to);
        (evenIm + sumIm).CopyTo(yIm, to);
        (oddRe + differenceIm).CopyTo(yRe, to + toStep);
        (oddIm - differenceRe).CopyTo(yIm, to + toStep);
        (evenRe - sumRe).CopyTo(yRe, to + 2 * toStep);
        (evenIm - sumIm).CopyTo(yIm, to + 2 * toStep);
        (oddRe - differenceIm).CopyTo(yRe, to + 3 * toStep);
        (oddIm + differenceRe).CopyTo(yIm, to + 3 * toStep);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<short> Re, Vector128<short> Im) Turned(short[] re, short[] im, int at, short[] turns, int turn, int count,
        bool isBroadcast) => FixedPointVectors.Multiply(FixedPointVectors.Multiply(At(re, at), Quarter),
            FixedPointVectors.Multiply(At(im, at), Quarter), isBroadcast ? Vector128.Create(turns[turn]) : At(turns, turn),
            isBroadcast ? Vector128.Create(turns[turn + count]) : At(turns, turn + count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> At(short[] numbers, int index) => Vector128.Create(numbers.AsSpan(index, Lanes));

    /// <summary>Turns of blocks of `part` times four numbers.</summary>
    private static short[] TurnsOf(int part)
    {
        short[] all = new short[6 * part];
        for (int input = 1; input < Radix; input++)
        {
            for (int moment = 0; moment < part; moment++)
                (all[2 * (input - 1) * part + moment], all[(2 * input - 1) * part + moment]) =
                    Turn(-2 * Math.PI / Half * (input * moment * (Half / (Radix * part))));
        }
        return all;
    }

    private static (short Cosine, short Sine) Turn(double angle)
    {
        (double sine, double cosine) = Polynomials.SinCos(angle);
        return ((short)Math.Floor(.5 + Scale * cosine), (short)Math.Floor(.5 + Scale * sine));
    }
}
