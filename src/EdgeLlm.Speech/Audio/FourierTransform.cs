using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Discrete Fourier transform of real signals whose even length has no prime factors but 2, 3 and 5 (400 and 1200 points: 25 ms and 50 ms of sound).
/// The order of its sums is fixed and its sines are its own, so the bits are the same on every machine.
/// </summary>
/// <remarks>
/// A real signal is one complex signal of half the length (even samples, odd samples), transformed by Stockham's mixed radices: a pass for each factor, from one
/// array to another, whose innermost numbers are neighbours. Not safe for several threads at once.
/// </remarks>
internal sealed unsafe class FourierTransform
{
    private readonly int _half;
    private readonly int[] _factors;
    private readonly float[] _cosines; // of 2 pi k / length, k = 0 .. length - 1
    private readonly float[] _sines;
    private readonly float[] _first; // two arrays of complex numbers: all real parts, then all imaginary ones
    private readonly float[] _second;

    /// <summary>Tables for signals of `length` samples.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is odd, not positive, or has a prime factor above 5.</exception>
    public FourierTransform(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        Length = length;
        _half = length / 2;
        _factors = Factors(_half);
        ArgumentOutOfRangeException.ThrowIfNotEqual(2 * _factors.Aggregate(1, (product, factor) => product * factor), length, nameof(length));
        (_cosines, _sines) = (new float[length], new float[length]);
        for (int k = 0; k < length; k++) (_cosines[k], _sines[k]) = Turn(k, length);
        (_first, _second) = (new float[2 * _half], new float[2 * _half]);
    }

    /// <summary>Number of samples of a signal.</summary>
    public int Length { get; }

    /// <summary>Number of frequencies, from 0 to half the sample rate: length / 2 + 1.</summary>
    public int Bins => _half + 1;

    /// <summary>X[k] = sum over n of x[n] e^(-2 pi i k n / length), for k = 0 .. length / 2.</summary>
    /// <param name="signal">The samples [length].</param>
    /// <param name="re">Receives the real parts [Bins].</param>
    /// <param name="im">Receives the imaginary parts [Bins].</param>
    public void Forward(ReadOnlySpan<float> signal, Span<float> re, Span<float> im)
    {
        for (int i = 0; i < _half; i++) (_first[i], _first[_half + i]) = (signal[2 * i], signal[2 * i + 1]);
        float[] result = Transform();
        ReadOnlySpan<float> real = result.AsSpan(0, _half), imaginary = result.AsSpan(_half, _half);
        for (int k = 0; k <= _half; k++)
        {
            int a = k == _half ? 0 : k, b = k == 0 ? 0 : _half - k;
            float evenRe = .5f * (real[a] + real[b]), evenIm = .5f * (imaginary[a] - imaginary[b]);
            float oddRe = .5f * (imaginary[a] + imaginary[b]), oddIm = .5f * (real[b] - real[a]);
            re[k] = evenRe + (_cosines[k] * oddRe + _sines[k] * oddIm);
            im[k] = evenIm + (_cosines[k] * oddIm - _sines[k] * oddRe);
        }
    }

    /// <summary>The signal whose transform this is: x[n] = 1 / length times the sum over all frequencies, those above half mirrored.</summary>
    /// <param name="re">The real parts [Bins].</param>
    /// <param name="im">The imaginary parts [Bins]; of the first and the last frequency they count as 0.</param>
    /// <param name="signal">Receives the samples [length].</param>
    public void Inverse(ReadOnlySpan<float> re, ReadOnlySpan<float> im, Span<float> signal)
    {
        // A backward transform is a forward one with real and imaginary parts exchanged.
        for (int k = 0; k < _half; k++)
        {
            float imA = k == 0 ? 0 : im[k], imB = k == 0 ? 0 : im[_half - k];
            float evenRe = re[k] + re[_half - k], evenIm = imA - imB;
            float differenceRe = re[k] - re[_half - k], differenceIm = imA + imB;
            float oddRe = _cosines[k] * differenceRe - _sines[k] * differenceIm, oddIm = _cosines[k] * differenceIm + _sines[k] * differenceRe;
            _first[k] = evenIm + oddRe;
            _first[_half + k] = evenRe - oddIm;
        }
        float[] result = Transform();
        float scale = 1f / Length;
        for (int i = 0; i < _half; i++) (signal[2 * i], signal[2 * i + 1]) = (result[_half + i] * scale, result[i] * scale);
    }

    /// <summary>The complex transform of the first array, in the one of both that is returned.</summary>
    private float[] Transform()
    {
        (float[] from, float[] to) = (_first, _second);
        int count = _half, stride = 1;
        foreach (int radix in _factors)
        {
            fixed (float* x = from, y = to) Pass(radix, count, stride, x, y);
            (from, to) = (to, from);
            (count, stride) = (count / radix, stride * radix);
        }
        return from;
    }

    /// <summary>
    /// Transforms of `radix` numbers, count / radix apart, for each of `stride` interleaved signals: y[q + stride (radix p + j)] = e^(-2 pi i j p / count) times the
    /// sum over k of x[q + stride (p + count / radix k)] e^(-2 pi i j k / radix).
    /// </summary>
    private void Pass(int radix, int count, int stride, float* x, float* y)
    {
        int parts = count / radix;
        nint step = (nint)stride * parts;
        for (int p = 0; p < parts; p++)
        {
            float* input = x + (nint)stride * p, output = y + (nint)stride * radix * p;
            var turns = new Turns(this, p, Length / count);
            nint q = 0;
            switch (radix)
            {
                case 2:
                    for (; q <= stride - 4; q += 4) Two(input + q, output + q, step, stride, turns, isWide: true);
                    for (; q < stride; q++) Two(input + q, output + q, step, stride, turns, isWide: false);
                    break;
                case 3:
                    for (; q <= stride - 4; q += 4) Three(input + q, output + q, step, stride, turns, isWide: true);
                    for (; q < stride; q++) Three(input + q, output + q, step, stride, turns, isWide: false);
                    break;
                case 4:
                    for (; q <= stride - 4; q += 4) Four(input + q, output + q, step, stride, turns, isWide: true);
                    for (; q < stride; q++) Four(input + q, output + q, step, stride, turns, isWide: false);
                    break;
                default:
                    for (; q <= stride - 4; q += 4) Five(input + q, output + q, step, stride, turns, isWide: true);
                    for (; q < stride; q++) Five(input + q, output + q, step, stride, turns, isWide: false);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Two(float* x, float* y, nint step, nint stride, in Turns turns, bool isWide)
    {
        Complex4 a = Load(x, isWide), b = Load(x + step, isWide);
        Store(y, a + b, isWide);
        Store(y + stride, (a - b).Turn(turns.C1, turns.S1), isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Three(float* x, float* y, nint step, nint stride, in Turns turns, bool isWide)
    {
        const float Sine = 0.866025404f; // of 2 pi / 3, whose cosine is -1/2
        Complex4 a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide);
        Complex4 sum = b + c, difference = (b - c) * Sine, middle = a - sum * .5f;
        Store(y, a + sum, isWide);
        Store(y + stride, middle.MinusTurned(difference).Turn(turns.C1, turns.S1), isWide);
        Store(y + 2 * stride, middle.PlusTurned(difference).Turn(turns.C2, turns.S2), isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Four(float* x, float* y, nint step, nint stride, in Turns turns, bool isWide)
    {
        Complex4 a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide), d = Load(x + 3 * step, isWide);
        Complex4 sumAc = a + c, differenceAc = a - c, sumBd = b + d, differenceBd = b - d;
        Store(y, sumAc + sumBd, isWide);
        Store(y + stride, differenceAc.MinusTurned(differenceBd).Turn(turns.C1, turns.S1), isWide);
        Store(y + 2 * stride, (sumAc - sumBd).Turn(turns.C2, turns.S2), isWide);
        Store(y + 3 * stride, differenceAc.PlusTurned(differenceBd).Turn(turns.C3, turns.S3), isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Five(float* x, float* y, nint step, nint stride, in Turns turns, bool isWide)
    {
        const float Cosine1 = 0.309016994f, Sine1 = 0.951056516f, Cosine2 = -0.809016994f, Sine2 = 0.587785252f; // of 2 pi / 5 and 4 pi / 5
        Complex4 a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide), d = Load(x + 3 * step, isWide), e = Load(x + 4 * step, isWide);
        Complex4 sumBe = b + e, sumCd = c + d, differenceBe = b - e, differenceCd = c - d;
        Complex4 near = a + (sumBe * Cosine1 + sumCd * Cosine2), far = a + (sumBe * Cosine2 + sumCd * Cosine1);
        Complex4 nearTurned = differenceBe * Sine1 + differenceCd * Sine2, farTurned = differenceBe * Sine2 - differenceCd * Sine1;
        Store(y, a + (sumBe + sumCd), isWide);
        Store(y + stride, near.MinusTurned(nearTurned).Turn(turns.C1, turns.S1), isWide);
        Store(y + 2 * stride, far.MinusTurned(farTurned).Turn(turns.C2, turns.S2), isWide);
        Store(y + 3 * stride, far.PlusTurned(farTurned).Turn(turns.C3, turns.S3), isWide);
        Store(y + 4 * stride, near.PlusTurned(nearTurned).Turn(turns.C4, turns.S4), isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Complex4 Load(float* x, bool isWide) => isWide
        ? new(Vector128.Load(x), Vector128.Load(x + _half)) : new(Vector128.CreateScalar(*x), Vector128.CreateScalar(x[_half]));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Store(float* y, Complex4 number, bool isWide)
    {
        if (isWide)
        {
            number.Re.Store(y);
            number.Im.Store(y + _half);
            return;
        }
        *y = number.Re.ToScalar();
        y[_half] = number.Im.ToScalar();
    }

    private static int[] Factors(int n)
    {
        var found = new List<int>();
        foreach (int factor in (ReadOnlySpan<int>)[4, 2, 3, 5])
        {
            for (; n % factor == 0 && n > 1; n /= factor) found.Add(factor);
        }
        return [.. found];
    }

    /// <summary>Cosine and sine of 2 pi k / n by Taylor's series in the first eighth of the circle, where 9 terms reach the last bit of a double.</summary>
    private static (float Cosine, float Sine) Turn(int k, int n)
    {
        int eighths = 8 * k / n;
        bool mirrored = (eighths & 1) != 0;
        double x = 2 * Math.PI * (mirrored ? (eighths + 1) / 2 * (n / 4.0) - k : k - eighths / 2 * (n / 4.0)) / n, square = x * x;
        double cosine = 1, sine = 1;
        for (int term = 18; term >= 2; term -= 2)
        {
            cosine = 1 - square / (term * (term - 1)) * cosine;
            sine = 1 - square / (term * (term + 1)) * sine;
        }
        sine *= x;
        if (mirrored) sine = -sine;
        return ((eighths + 1) / 2 % 4) switch
        {
            0 => ((float)cosine, (float)sine),
            1 => ((float)-sine, (float)cosine),
            2 => ((float)-cosine, (float)-sine),
            _ => ((float)sine, (float)-cosine),
        };
    }

    /// <summary>Four complex numbers.</summary>
    private readonly struct Complex4(Vector128<float> re, Vector128<float> im)
    {
        public Vector128<float> Re { get; } = re;

        public Vector128<float> Im { get; } = im;

        public static Complex4 operator +(Complex4 a, Complex4 b) => new(a.Re + b.Re, a.Im + b.Im);

        public static Complex4 operator -(Complex4 a, Complex4 b) => new(a.Re - b.Re, a.Im - b.Im);

        public static Complex4 operator *(Complex4 a, float factor) => new(a.Re * factor, a.Im * factor);

        /// <summary>Plus i times another.</summary>
        public Complex4 PlusTurned(Complex4 other) => new(Re - other.Im, Im + other.Re);

        /// <summary>Minus i times another.</summary>
        public Complex4 MinusTurned(Complex4 other) => new(Re + other.Im, Im - other.Re);

        /// <summary>Times cosine - i sine.</summary>
        public Complex4 Turn(float cosine, float sine) => new(Re * cosine + Im * sine, Im * cosine - Re * sine);
    }

    /// <summary>Cosines and sines of 2 pi j p / count for j = 1 to 4.</summary>
    private readonly struct Turns
    {
        public readonly float C1, S1, C2, S2, C3, S3, C4, S4;

        public Turns(FourierTransform tables, int p, int turn)
        {
            int step = p * turn, length = tables.Length;
            float[] cosines = tables._cosines, sines = tables._sines;
            (C1, S1) = (cosines[step % length], sines[step % length]);
            (C2, S2) = (cosines[2 * step % length], sines[2 * step % length]);
            (C3, S3) = (cosines[3 * step % length], sines[3 * step % length]);
            (C4, S4) = (cosines[4 * step % length], sines[4 * step % length]);
        }
    }
}
