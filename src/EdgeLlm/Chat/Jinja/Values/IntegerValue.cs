using System.Globalization;
using System.Numerics;
using EdgeLlm.Chat.Jinja.Runtime;

namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>Python's int, which has no largest value; here <see cref="Rendering.Integer"/> bounds its bits.</summary>
internal sealed class IntegerValue(BigInteger value) : Value
{
    private const int FirstCached = -16;
    private static readonly IntegerValue[] Cached = CreateCache();

    public override string TypeName => "int";

    public BigInteger Value { get; } = value;

    public override bool IsTrue => !Value.IsZero;

    public static IntegerValue Of(int value)
    {
        int index = value - FirstCached;
        return (uint)index < (uint)Cached.Length ? Cached[index] : new IntegerValue(value);
    }

    public override void WriteRepr(Rendering rendering, TextBuilder text)
    {
        long bits = Value.GetBitLength();
        rendering.Step(bits * bits >> 14);
        rendering.AllocateText(bits / 3);
        text.Append(Value.ToString(CultureInfo.InvariantCulture));
    }

    private static IntegerValue[] CreateCache()
    {
        IntegerValue[] cache = new IntegerValue[272];
        for (int i = 0; i < cache.Length; i++) cache[i] = new IntegerValue(i + FirstCached);
        return cache;
    }
}
