using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Speech.Audio;

/// <summary>
/// Discrete Fourier transform of real signals whose even length has no prime factors but 2, 3 and 5 (400 and 1200 points: 25 ms and 50 ms
/// of sound). The order of its sums is fixed and its sines are its own, so the bits are the same on every machine.
/// </summary>
/// <remarks>
/// A real signal is one complex signal of half the length (even samples, odd samples), transformed by Stockham's mixed radices: a pass for
/// each factor, from one array to another, whose innermost numbers are neighbours. Not safe for several threads at once.
/// </remarks>
internal sealed unsafe class FourierTransform
{
    private readonly int _half;
    private readonly int[] _factors;
    private readonly float[] _cosines; // of 2 pi k / length, k = 0 .. length - 1
    private readonly float[] _sines;
    private readonly float[][] _turns; // of each factor's pass
    private readonly float[] _firstTurns = []; // of the first factor if it is 4: [6][places]
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
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            2 * _factors.Aggregate(1, (product, factor) => product * factor), length, nameof(length));
        (_cosines, _sines) = (new float[length], new float[length]);
        for (int k = 0; k < length; k++) (_cosines[k], _sines[k]) = Turn(k, length);
        _turns = TurnsOf(_factors);
        if (_factors is [4, ..])
        {
            _firstTurns = new float[6 * (_half / 4)];
            for (int i = 0; i < _firstTurns.Length; i++) _firstTurns[i % 6 * (_half / 4) + i / 6] = _turns[0][i];
        }
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
        ArgumentOutOfRangeException.ThrowIfLessThan(signal.Length, Length);
        fixed (float* from = signal, first = _first)
        {
            float* second = first + _half;
            int i = 0;
            for (; i <= _half - 4; i += 4)
            {
                Vector128<float> a = Vector128.Load(from + 2 * i), b = Vector128.Load(from + 2 * i + 4);
                Evens(a, b).Store(first + i);
                Odds(a, b).Store(second + i);
            }
            for (; i < _half; i++) (first[i], second[i]) = (from[2 * i], from[2 * i + 1]);
        }
        float[] result = Transform();
        ReadOnlySpan<float> real = result.AsSpan(0, _half), imaginary = result.AsSpan(_half, _half);
        (re[0], im[0], re[_half], im[_half]) = (real[0] + imaginary[0], 0, real[0] - imaginary[0], 0);
        fixed (float* x = real, y = imaginary, toRe = re, toIm = im, cosines = _cosines, sines = _sines)
        {
            int k = 1;
            for (; k <= _half - 4; k += 4) // k to k + 3, and half - k downwards
            {
                Vector128<float> a = Vector128.Load(x + k), b = Reversed(x + _half - k), ai = Vector128.Load(y + k),
                    bi = Reversed(y + _half - k);
                Vector128<float> c = Vector128.Load(cosines + k), s = Vector128.Load(sines + k),
                    oddRe = (ai + bi) * .5f, oddIm = (b - a) * .5f;
                ((a + b) * .5f + (c * oddRe + s * oddIm)).Store(toRe + k);
                ((ai - bi) * .5f + (c * oddIm - s * oddRe)).Store(toIm + k);
            }
            for (; k < _half; k++)
            {
                float oddRe = (y[k] + y[_half - k]) * .5f, oddIm = (x[_half - k] - x[k]) * .5f;
                toRe[k] = (x[k] + x[_half - k]) * .5f + (cosines[k] * oddRe + sines[k] * oddIm);
                toIm[k] = (y[k] - y[_half - k]) * .5f + (cosines[k] * oddIm - sines[k] * oddRe);
            }
        }
    }

    /// <summary>
    /// The signal whose transform this is: x[n] = 1 / length times the sum over all frequencies, those above half mirrored.
    /// </summary>
    /// <param name="re">The real parts [Bins].</param>
    /// <param name="im">The imaginary parts [Bins]; of the first and the last frequency they count as 0.</param>
    /// <param name="signal">Receives the samples [length].</param>
    public void Inverse(ReadOnlySpan<float> re, ReadOnlySpan<float> im, Span<float> signal)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signal.Length, Length);

        // A backward transform is a forward one with real and imaginary parts exchanged.
        _first[0] = re[0] - re[_half];
        _first[_half] = re[0] + re[_half];
        fixed (float* x = re, y = im, first = _first, cosines = _cosines, sines = _sines)
        {
            float* second = first + _half;
            int k = 1;
            for (; k <= _half - 4; k += 4)
            {
                Vector128<float> a = Vector128.Load(x + k), b = Reversed(x + _half - k), ai = Vector128.Load(y + k),
                    bi = Reversed(y + _half - k);
                Vector128<float> c = Vector128.Load(cosines + k), s = Vector128.Load(sines + k), difference = a - b, sum = ai + bi;
                (ai - bi + (c * difference - s * sum)).Store(first + k);
                (a + b - (c * sum + s * difference)).Store(second + k);
            }
            for (; k < _half; k++)
            {
                float difference = x[k] - x[_half - k], sum = y[k] + y[_half - k];
                first[k] = y[k] - y[_half - k] + (cosines[k] * difference - sines[k] * sum);
                second[k] = x[k] + x[_half - k] - (cosines[k] * sum + sines[k] * difference);
            }
        }
        float[] result = Transform();
        float scale = 1f / Length;
        fixed (float* to = signal, second = result)
        {
            float* first = second + _half;
            int i = 0;
            for (; i <= _half - 4; i += 4)
            {
                Vector128<float> a = Vector128.Load(first + i) * scale, b = Vector128.Load(second + i) * scale;
                Interleave.Lower(a, b).Store(to + 2 * i);
                Interleave.Upper(a, b).Store(to + 2 * i + 4);
            }
            for (; i < _half; i++) (to[2 * i], to[2 * i + 1]) = (first[i] * scale, second[i] * scale);
        }
    }

    /// <summary>Four numbers that end with <paramref name="last"/>, that one first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Reversed(float* last) => Vector128.Shuffle(Vector128.Load(last - 3), Vector128.Create(3, 2, 1, 0));

    /// <summary>The complex transform of the first array, in the one of both that is returned.</summary>
    private float[] Transform()
    {
        (float[] from, float[] to) = (_first, _second);
        int count = _half, stride = 1;
        for (int i = 0; i < _factors.Length; i++)
        {
            int radix = _factors[i];
            fixed (float* x = from, y = to, turns = _turns[i], columns = _firstTurns)
            {
                if (i == 0 && radix == 4) FirstPass(count / 4, x, y, turns, columns);
                else Pass(radix, count, stride, x, y, turns);
            }
            (from, to) = (to, from);
            (count, stride) = (count / radix, stride * radix);
        }
        return from;
    }

    /// <summary>
    /// The first pass where its radix is 4: no signals are interleaved yet, so that four of its places are computed at a time.
    /// </summary>
    /// <param name="columns">The turns [6][parts].</param>
    private void FirstPass(int parts, float* x, float* y, float* turns, float* columns)
    {
        nint step = parts, half = _half, p = 0;
        for (; p <= parts - 4; p += 4, x += 4, y += 16, columns += 4)
        {
            Vector128<float> a = Vector128.Load(x), b = Vector128.Load(x + step), c = Vector128.Load(x + 2 * step),
                d = Vector128.Load(x + 3 * step);
            Vector128<float> ai = Vector128.Load(x + half), bi = Vector128.Load(x + step + half), ci = Vector128.Load(x + 2 * step + half),
                di = Vector128.Load(x + 3 * step + half);
            Vector128<float> sum = a + c, sumI = ai + ci, difference = a - c, differenceI = ai - ci;
            Vector128<float> other = b + d, otherI = bi + di, turned = b - d, turnedI = bi - di;
            (Vector128<float> re1, Vector128<float> im1) = Turned(difference + turnedI, differenceI - turned, columns, step);
            (Vector128<float> re2, Vector128<float> im2) = Turned(sum - other, sumI - otherI, columns + 2 * step, step);
            (Vector128<float> re3, Vector128<float> im3) = Turned(difference - turnedI, differenceI + turned, columns + 4 * step, step);
            StoreTransposed(y, sum + other, re1, re2, re3);
            StoreTransposed(y + half, sumI + otherI, im1, im2, im3);
        }
        for (; p < parts; p++, x++, y += 4) Four(x, y, step, 1, half, turns + 6 * p, isWide: false);
    }

    /// <summary>Numbers times cosine - i sine, each its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> Re, Vector128<float> Im) Turned(Vector128<float> re, Vector128<float> im, float* cosines, nint step)
    {
        Vector128<float> cosine = Vector128.Load(cosines), sine = Vector128.Load(cosines + step);
        return (re * cosine + im * sine, im * cosine - re * sine);
    }

    /// <summary>The first numbers of all four, then the second ones, and so on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(float* y, Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> d)
    {
        Vector128<float> ac = Interleave.Lower(a, c), bd = Interleave.Lower(b, d),
            acUpper = Interleave.Upper(a, c), bdUpper = Interleave.Upper(b, d);
        Interleave.Lower(ac, bd).Store(y);
        Interleave.Upper(ac, bd).Store(y + 4);
        Interleave.Lower(acUpper, bdUpper).Store(y + 8);
        Interleave.Upper(acUpper, bdUpper).Store(y + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Evens(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.Shuffle(a, b, 0b10_00_10_00) : AdvSimd.Arm64.UnzipEven(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Odds(Vector128<float> a, Vector128<float> b) =>
        Sse.IsSupported ? Sse.Shuffle(a, b, 0b11_01_11_01) : AdvSimd.Arm64.UnzipOdd(a, b);

    /// <summary>
    /// Transforms of `radix` numbers, count / radix apart, for each of `stride` interleaved signals: y[q + stride (radix p + j)] = e^(-2 pi
    /// i j p / count) times the sum over k of x[q + stride (p + count / radix k)] e^(-2 pi i j k / radix).
    /// </summary>
    /// <param name="turns">Cosine and sine of 2 pi j p / count for j = 1 to radix - 1, for each p.</param>
    private void Pass(int radix, int count, int stride, float* x, float* y, float* turns)
    {
        int parts = count / radix;
        nint step = (nint)stride * parts, half = _half;
        for (int p = 0; p < parts; p++, x += stride, y += stride * radix, turns += 2 * (radix - 1))
        {
            nint q = 0;
            switch (radix)
            {
                case 2:
                    for (; q <= stride - 4; q += 4) Two(x + q, y + q, step, stride, half, turns, isWide: true);
                    for (; q < stride; q++) Two(x + q, y + q, step, stride, half, turns, isWide: false);
                    break;
                case 3:
                    for (; q <= stride - 4; q += 4) Three(x + q, y + q, step, stride, half, turns, isWide: true);
                    for (; q < stride; q++) Three(x + q, y + q, step, stride, half, turns, isWide: false);
                    break;
                case 4:
                    for (; q <= stride - 4; q += 4) Four(x + q, y + q, step, stride, half, turns, isWide: true);
                    for (; q < stride; q++) Four(x + q, y + q, step, stride, half, turns, isWide: false);
                    break;
                default:
                    for (; q <= stride - 4; q += 4) Five(x + q, y + q, step, stride, half, turns, isWide: true);
                    for (; q < stride; q++) Five(x + q, y + q, step, stride, half, turns, isWide: false);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Two(float* x, float* y, nint step, nint stride, nint half, float* turns, bool isWide)
    {
        Vector128<float> a = Load(x, isWide), b = Load(x + step, isWide), ai = Load(x + half, isWide), bi = Load(x + step + half, isWide);
        Store(y, a + b, isWide);
        Store(y + half, ai + bi, isWide);
        StoreTurned(y + stride, half, a - b, ai - bi, turns, isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Three(float* x, float* y, nint step, nint stride, nint half, float* turns, bool isWide)
    {
        const float Sine = 0.866025404f; // of 2 pi / 3, whose cosine is -1/2
        Vector128<float> a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide);
        Vector128<float> ai = Load(x + half, isWide), bi = Load(x + step + half, isWide), ci = Load(x + 2 * step + half, isWide);
        Vector128<float> sum = b + c, sumI = bi + ci, difference = (b - c) * Sine, differenceI = (bi - ci) * Sine;
        Vector128<float> middle = a - sum * .5f, middleI = ai - sumI * .5f;
        Store(y, a + sum, isWide);
        Store(y + half, ai + sumI, isWide);
        StoreTurned(y + stride, half, middle + differenceI, middleI - difference, turns, isWide);
        StoreTurned(y + 2 * stride, half, middle - differenceI, middleI + difference, turns + 2, isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(float* x, float* y, nint step, nint stride, nint half, float* turns, bool isWide)
    {
        Vector128<float> a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide), d = Load(x + 3 * step, isWide);
        Vector128<float> ai = Load(x + half, isWide), bi = Load(x + step + half, isWide), ci = Load(x + 2 * step + half, isWide),
            di = Load(x + 3 * step + half, isWide);
        Vector128<float> sum = a + c, sumI = ai + ci, difference = a - c, differenceI = ai - ci;
        Vector128<float> other = b + d, otherI = bi + di, turned = b - d, turnedI = bi - di;
        Store(y, sum + other, isWide);
        Store(y + half, sumI + otherI, isWide);
        StoreTurned(y + stride, half, difference + turnedI, differenceI - turned, turns, isWide);
        StoreTurned(y + 2 * stride, half, sum - other, sumI - otherI, turns + 2, isWide);
        StoreTurned(y + 3 * stride, half, difference - turnedI, differenceI + turned, turns + 4, isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Five(float* x, float* y, nint step, nint stride, nint half, float* turns, bool isWide)
    {
        const float Cosine1 = 0.309016994f, Sine1 = 0.951056516f, Cosine2 = -0.809016994f, Sine2 = 0.587785252f; // of 2 pi / 5 and 4 pi / 5
        Vector128<float> a = Load(x, isWide), b = Load(x + step, isWide), c = Load(x + 2 * step, isWide), d = Load(x + 3 * step, isWide),
            e = Load(x + 4 * step, isWide);
        float* xi = x + half;
        Vector128<float> ai = Load(xi, isWide), bi = Load(xi + step, isWide), ci = Load(xi + 2 * step, isWide),
            di = Load(xi + 3 * step, isWide), ei = Load(xi + 4 * step, isWide);
        Vector128<float> outer = b + e, inner = c + d, outerTurn = b - e, innerTurn = c - d;
        Vector128<float> outerI = bi + ei, innerI = ci + di, outerTurnI = bi - ei, innerTurnI = ci - di;
        Store(y, a + (outer + inner), isWide);
        Store(y + half, ai + (outerI + innerI), isWide);
        Vector128<float> near = a + (outer * Cosine1 + inner * Cosine2), nearI = ai + (outerI * Cosine1 + innerI * Cosine2);
        Vector128<float> nearTurn = outerTurn * Sine1 + innerTurn * Sine2, nearTurnI = outerTurnI * Sine1 + innerTurnI * Sine2;
        StoreTurned(y + stride, half, near + nearTurnI, nearI - nearTurn, turns, isWide);
        StoreTurned(y + 4 * stride, half, near - nearTurnI, nearI + nearTurn, turns + 6, isWide);
        Vector128<float> far = a + (outer * Cosine2 + inner * Cosine1), farI = ai + (outerI * Cosine2 + innerI * Cosine1);
        Vector128<float> farTurn = outerTurn * Sine2 - innerTurn * Sine1, farTurnI = outerTurnI * Sine2 - innerTurnI * Sine1;
        StoreTurned(y + 2 * stride, half, far + farTurnI, farI - farTurn, turns + 2, isWide);
        StoreTurned(y + 3 * stride, half, far - farTurnI, farI + farTurn, turns + 4, isWide);
    }

    /// <summary>Stores numbers times cosine - i sine.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTurned(float* y, nint half, Vector128<float> re, Vector128<float> im, float* turn, bool isWide)
    {
        Store(y, re * turn[0] + im * turn[1], isWide);
        Store(y + half, im * turn[0] - re * turn[1], isWide);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Load(float* x, bool isWide) => isWide ? Vector128.Load(x) : Vector128.CreateScalar(*x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* y, Vector128<float> numbers, bool isWide)
    {
        if (isWide) numbers.Store(y);
        else *y = numbers.ToScalar();
    }

    private float[][] TurnsOf(int[] factors)
    {
        var turns = new float[factors.Length][];
        for (int i = 0, count = _half; i < factors.Length; count /= factors[i++])
        {
            var pass = new List<float>();
            for (int p = 0; p < count / factors[i]; p++)
            {
                for (int j = 1; j < factors[i]; j++) pass.AddRange([_cosines[j * p * (Length / count)], _sines[j * p * (Length / count)]]);
            }
            turns[i] = [.. pass];
        }
        return turns;
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

    /// <summary>
    /// Cosine and sine of 2 pi k / n by Taylor's series in the first eighth of the circle, where 9 terms reach the last bit of a double.
    /// </summary>
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
}
