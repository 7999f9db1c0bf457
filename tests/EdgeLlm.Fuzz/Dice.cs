using System.Numerics;
using System.Text;

namespace EdgeLlm.Fuzz;

/// <summary>The random choices of one case: the same seed makes the same case on every machine (SplitMix64, Steele et al. 2014).</summary>
internal sealed class Dice(long seed)
{
    private static readonly ulong[] Edges =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 4095, 4096, 65535,
        65536, 65537, 1 << 20, 1 << 24,
        1 << 28, (1 << 28) + 1, int.MaxValue - 31, int.MaxValue, 1ul << 31, uint.MaxValue - 31, uint.MaxValue, 1ul << 32,
        (1ul << 32) + 1, 1ul << 48,
        1ul << 58, 1ul << 61, (1ul << 61) + 1, 1ul << 62, long.MaxValue - 63, long.MaxValue, 1ul << 63, ulong.MaxValue - 63,
        ulong.MaxValue - 7, ulong.MaxValue,
    ];

    private static readonly double[] Numbers =
    [
        0, -0.0, 1, -1, 0.5, 1e-5, 1e-38, 1e-45, 1e30, 3e38, -3e38, 1e300, double.Epsilon, double.MaxValue, double.NaN,
        double.PositiveInfinity, double.NegativeInfinity,
    ];

    private static readonly string[] Texts =
    [
        "", " ", "a", "llama", "gpt2", "bert", "t5", "\0", "\n", "\ufeff", "\u0301", "\ud800", "\udfff", "\U0001F600", "\u202e",
        "../../etc/passwd", "%s%n", "<s>", "<0x41>",
        "<|im_start|>", "{{ x }}", "{% for i in range(9) %}x{% endfor %}", "\u2581", "null", "true", "-1", "1e400", "NaN", "@file",
        "--help", "\\", "'", "\"",
    ];

    private ulong _state = (ulong)seed * 0xD1342543DE82EF95;

    public ulong Bits()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to <paramref name="end"/> - 1; 0 where that is none.</summary>
    public int Below(int end) => end <= 1 ? 0 : (int)(Bits() % (ulong)end);

    /// <summary>True once in <paramref name="times"/> times.</summary>
    public bool OneIn(int times) => Below(times) == 0;

    /// <summary>One of a list.</summary>
    public T Of<T>(IReadOnlyList<T> items) => items[Below(items.Count)];

    /// <summary>One of these.</summary>
    public T Pick<T>(params ReadOnlySpan<T> items) => items[Below(items.Length)];

    /// <summary>How many mutations a case gets: mostly 1, seldom more than 4.</summary>
    public int Mutations()
    {
        int count = 1;
        while (count < 8 && OneIn(3)) count++;
        return count;
    }

    /// <summary>A number at which arithmetic of some width ends, or one near <paramref name="old"/>, or any.</summary>
    public ulong Integer(ulong old = 0) => Below(10) switch
    {
        0 => old + 1,
        1 => old - 1,
        2 => old * 2,
        3 => old / 2,
        4 => Bits() >> Below(64),
        5 => 1ul << Below(64),
        6 => unchecked((ulong)-(long)(Bits() >> (32 + Below(32)))),
        _ => Of(Edges),
    };

    public double Number() => OneIn(4) ? BitConverter.UInt64BitsToDouble(Bits()) : Of(Numbers);

    public string Text() => Below(8) switch
    {
        0 => new string((char)(32 + Below(95)), 1 << Below(12)),
        1 => string.Concat(Enumerable.Range(0, Below(20)).Select(_ => (char)Below(0x10000))),
        2 => Of(Texts) + Of(Texts),
        _ => Of(Texts),
    };

    /// <summary>Text as bytes, sometimes no valid UTF-8.</summary>
    public byte[] TextBytes()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Text());
        if (bytes.Length > 0 && OneIn(4)) bytes[Below(bytes.Length)] = (byte)(0x80 + Below(0x80));
        return bytes;
    }

    public byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++) bytes[i] = (byte)(Bits() >> 32);
        return bytes;
    }

    /// <summary>Damages bytes without regard to what they mean.</summary>
    public byte[] Damage(byte[] bytes)
    {
        if (bytes.Length == 0) return Bytes(Below(64));
        byte[] copy = [.. bytes];
        int at = Below(bytes.Length), count = Below(Math.Min(64, bytes.Length - at) + 1);
        switch (Below(7))
        {
            case 0:
                for (int flips = 1 + Below(8); flips > 0; flips--) copy[Below(copy.Length)] ^= (byte)(1 << Below(8));
                return copy;
            case 1:
                return copy[..at];
            case 2:
                return [.. copy[..at], .. copy[(at + count)..]];
            case 3:
                return [.. copy[..at], .. Bytes(count), .. copy[at..]];
            case 4:
                Bytes(count).CopyTo(copy, at);
                return copy;
            case 5:
                copy.AsSpan(Below(bytes.Length - count + 1), count).CopyTo(copy.AsSpan(at));
                return copy;
            default:
                int width = Math.Min(OneIn(2) ? 4 : 8, copy.Length - at);
                BitConverter.GetBytes(Integer()).AsSpan(0, width).CopyTo(copy.AsSpan(at));
                return copy;
        }
    }

    /// <summary>A normal number of mean 0 and deviation 1, about.</summary>
    public float Normal()
    {
        float sum = 0;
        for (int i = 0; i < 4; i++) sum += (float)(Bits() >> 40) / (1 << 24) - 0.5f;
        return sum * 1.7320508f;
    }

    /// <summary>
    /// Two factors whose product is <paramref name="product"/> in 32 (or 64) bits and larger in truth; null where none was found.
    /// </summary>
    public (ulong First, ulong Second)? Overflowing(ulong product)
    {
        int width = OneIn(2) ? 32 : 64, shift = 1 + Below(Math.Min(16, BitOperations.TrailingZeroCount(product | 1ul << 16)));
        if (product == 0 || product % (1ul << shift) != 0) return null;
        ulong second = 1ul << shift;
        return (product / second + ((1 + (ulong)Below(3)) << (width - shift)), second);
    }
}
