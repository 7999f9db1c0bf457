using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace EdgeLlm.Speech.Detection;

/// <summary>
/// Eight 16-bit fractions at once, rounded as KISS FFT rounds one: (a b + 2^14) >> 15, and what does not fit 16 bits wraps around. The same
/// integers on every processor.
/// </summary>
internal static class FixedPointVectors
{
    private const int FractionBits = 15, Rounding = 1 << (FractionBits - 1);

    /// <summary>Products of fractions that are not both -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> Multiply(Vector128<short> x, Vector128<short> factors)
    {
        if (AdvSimd.IsSupported) return AdvSimd.MultiplyRoundedDoublingSaturateHigh(x, factors);
        if (Ssse3.IsSupported) return Ssse3.MultiplyHighRoundScale(x, factors);
        return Narrow(Vector128.WidenLower(x) * Vector128.WidenLower(factors), Vector128.WidenUpper(x) * Vector128.WidenUpper(factors));
    }

    /// <summary>Products of complex fractions, each part rounded once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<short> Re, Vector128<short> Im) Multiply(Vector128<short> re, Vector128<short> im, Vector128<short> cosines,
        Vector128<short> sines)
    {
        if (AdvSimd.IsSupported)
        {
            Vector128<int> low = AdvSimd.MultiplyWideningLower(re.GetLower(), cosines.GetLower()),
                high = AdvSimd.MultiplyWideningUpper(re, cosines);
            low = AdvSimd.MultiplyWideningLowerAndSubtract(low, im.GetLower(), sines.GetLower());
            high = AdvSimd.MultiplyWideningUpperAndSubtract(high, im, sines);
            Vector128<int> lowTurned = AdvSimd.MultiplyWideningLower(re.GetLower(), sines.GetLower()),
                highTurned = AdvSimd.MultiplyWideningUpper(re, sines);
            lowTurned = AdvSimd.MultiplyWideningLowerAndAdd(lowTurned, im.GetLower(), cosines.GetLower());
            highTurned = AdvSimd.MultiplyWideningUpperAndAdd(highTurned, im, cosines);
            return (Narrow(low, high), Narrow(lowTurned, highTurned));
        }
        Vector128<int> aLow = Vector128.WidenLower(re), aHigh = Vector128.WidenUpper(re), bLow = Vector128.WidenLower(im),
            bHigh = Vector128.WidenUpper(im);
        Vector128<int> cLow = Vector128.WidenLower(cosines), cHigh = Vector128.WidenUpper(cosines), sLow = Vector128.WidenLower(sines),
            sHigh = Vector128.WidenUpper(sines);
        return (Narrow(aLow * cLow - bLow * sLow, aHigh * cHigh - bHigh * sHigh),
            Narrow(aLow * sLow + bLow * cLow, aHigh * sHigh + bHigh * cHigh));
    }

    /// <summary>(a + b) >> 1, whose sum needs 17 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> HalfSum(Vector128<short> a, Vector128<short> b) => (a & b) + ((a ^ b) >> 1);

    /// <summary>(a - b) >> 1, whose difference needs 17 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> HalfDifference(Vector128<short> a, Vector128<short> b) => ((a ^ b) >> 1) - (~a & b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Narrow(Vector128<int> low, Vector128<int> high)
    {
        if (AdvSimd.IsSupported)
            return AdvSimd.ShiftRightLogicalRoundedNarrowingUpper(AdvSimd.ShiftRightLogicalRoundedNarrowingLower(low, FractionBits), high,
                FractionBits);
        var half = Vector128.Create(Rounding);
        return Vector128.Narrow((low + half) >> FractionBits, (high + half) >> FractionBits);
    }
}
