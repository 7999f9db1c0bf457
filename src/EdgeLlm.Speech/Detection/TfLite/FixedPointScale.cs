namespace EdgeLlm.Speech.Detection.TfLite;

/// <summary>
/// A factor as TensorFlow Lite's reference kernels multiply with it (kernels/internal/common.h, MultiplyByQuantizedMultiplier): a mantissa
/// of 31 bits and a power of two, rounded twice: half away from zero in the product's upper half, and again in the shift to the right.
/// </summary>
internal readonly struct FixedPointScale
{
    private const int MantissaBits = 31, MostLeftShift = 30;

    private readonly int mantissa, left, right;

    /// <param name="factor">Positive, below 2^30.</param>
    /// <exception cref="InvalidDataException">It is too large.</exception>
    public FixedPointScale(double factor)
    {
        // factor = fraction * 2^exponent with the fraction in [1/2, 1).
        int exponent = factor > 0 && double.IsFinite(factor) ? Math.ILogB(factor) + 1
            : throw new InvalidDataException("has a scale that is not positive");
        long rounded = (long)Math.Floor(Math.ScaleB(factor, -exponent) * (1L << MantissaBits) + .5);
        if (rounded == 1L << MantissaBits)
        {
            rounded /= 2;
            exponent++;
        }
        if (exponent > MostLeftShift) throw new InvalidDataException("has scales that do not fit each other");
        if (exponent < -MantissaBits) (rounded, exponent) = (0, 0);
        (mantissa, left, right) = ((int)rounded, Math.Max(exponent, 0), Math.Max(-exponent, 0));
    }

    /// <summary>The product rounded once, half up, as the library ruy does, which multiplies in FULLY_CONNECTED.</summary>
    public int ApplyOnce(int value)
    {
        int shift = MantissaBits - left + right;
        return (int)(((long)value * mantissa + (1L << (shift - 1))) >> shift);
    }

    /// <summary>The product rounded twice.</summary>
    public int Apply(int value)
    {
        long product = (long)(value << left) * mantissa;
        int high = (int)((product + (product >= 0 ? 1 << (MantissaBits - 1) : 1 - (1 << (MantissaBits - 1)))) / (1L << MantissaBits));
        if (right == 0) return high;
        int mask = (int)((1L << right) - 1), rest = high & mask, half = (mask >> 1) + (high < 0 ? 1 : 0);
        return (high >> right) + (rest > half ? 1 : 0);
    }
}
