using System.Runtime.InteropServices;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>
/// A 64-bit hash of floats' bits, in order: FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) with the 32 bits of a float at a time
/// instead of a byte: hash = (hash xor bits) * 0x100000001b3, from 0xcbf29ce484222325 on.
/// </summary>
internal sealed class LogitsHash
{
    public ulong Value { get; private set; } = 0xcbf29ce484222325;

    public void Append(ReadOnlySpan<float> logits)
    {
        ulong hash = Value;
        foreach (uint bits in MemoryMarshal.Cast<float, uint>(logits)) hash = (hash ^ bits) * 0x100000001b3;
        Value = hash;
    }
}
