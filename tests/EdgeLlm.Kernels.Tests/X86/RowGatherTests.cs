using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.X86;

namespace EdgeLlm.Kernels.Tests.X86;

/// <summary>The conversion of scales is exact for every half: subnormal, infinite, not a number.</summary>
public sealed class RowGatherTests
{
    [Fact]
    public void Halfs_in_either_half_of_a_lane_become_their_floats()
    {
        Assert.SkipUnless(Avx2Kernel.IsSupported, "no AVX2");
        for (uint bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float expected = HalfConversion.ToFloat((ushort)bits);
            uint other = bits * 40503 & 0xFFFF;
            AssertSame(expected, RowGather.LowerHalfs(Vector256.Create(bits | other << 16))[3], bits);
            AssertSame(expected, RowGather.UpperHalfs(Vector256.Create(bits << 16 | other))[6], bits);
        }
    }

    private static void AssertSame(float expected, float actual, uint bits) =>
        Assert.True(
            float.IsNaN(expected) ? float.IsNaN(actual)
                : BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual),
            $"half {bits:X4} is {expected:R}, not {actual:R}");
}
