using System.Numerics;

namespace EdgeLlm.Sampling;

/// <summary>
/// The random numbers of sampling: xoshiro256** (Blackman and Vigna, https://prng.di.unimi.it/xoshiro256starstar.c), its state filled by
/// SplitMix64 (https://prng.di.unimi.it/splitmix64.c). Integer arithmetic only: a seed gives the same sequence on every platform.
/// </summary>
internal sealed class Xoshiro256
{
    private ulong _s0, _s1, _s2, _s3;

    public Xoshiro256(ulong seed)
    {
        _s0 = SplitMix64(ref seed);
        _s1 = SplitMix64(ref seed);
        _s2 = SplitMix64(ref seed);
        _s3 = SplitMix64(ref seed);
    }

    /// <summary>Continues with the numbers that are next in another.</summary>
    public void CopyFrom(Xoshiro256 other) => (_s0, _s1, _s2, _s3) = (other._s0, other._s1, other._s2, other._s3);

    public ulong Next()
    {
        ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        ulong shifted = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= shifted;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>A number in [0, 1): the upper 53 bits, as many as a double has.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    private static ulong SplitMix64(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
