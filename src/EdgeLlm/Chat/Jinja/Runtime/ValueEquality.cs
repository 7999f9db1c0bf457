using System.Runtime.CompilerServices;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Python's hash and equality of dict keys: 1, 1.0 and True are the same key.</summary>
internal sealed class ValueEquality(Rendering rendering) : IEqualityComparer<Value>
{
    public bool Equals(Value? left, Value? right) => Operators.AreEqual(rendering, left!, right!);

    public int GetHashCode(Value value)
    {
        rendering.Step();
        switch (value)
        {
            case StringValue text:
                rendering.Step(text.Text.Length >> 5);
                return text.Text.GetHashCode();
            case FloatValue or IntegerValue or BooleanValue:
                // HashCode is seeded: keys that a template chose to collide do not.
                if (!Numbers.TryFloat(value, out double number)) return ((IntegerValue)value).Value.GetHashCode();
                long bits = BitConverter.DoubleToInt64Bits(number == 0 ? 0 : number);
                return HashCode.Combine((int)bits, (int)(bits >> 32));
            case ListValue tuple:
                int line = rendering.Enter(rendering.Line);
                HashCode hash = new();
                foreach (Value item in tuple.Items) hash.Add(GetHashCode(item));
                rendering.Leave(line);
                return hash.ToHashCode();
            case UndefinedValue:
                return 0;
            default:
                return RuntimeHelpers.GetHashCode(value);
        }
    }

    /// <summary>Whether Python could use a value as a key.</summary>
    public static bool IsHashable(Rendering rendering, Value value)
    {
        if (value is not ListValue { IsTuple: true } tuple) return value is not (DictValue or ListValue);
        int line = rendering.Enter(rendering.Line);
        bool hashable = true;
        for (int i = 0; hashable && i < tuple.Items.Count; i++) hashable = IsHashable(rendering, tuple.Items[i]);
        rendering.Leave(line);
        return hashable;
    }
}
