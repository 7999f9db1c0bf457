using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>Values as numbers, where bools are the integers 0 and 1.</summary>
internal static class Numbers
{
    public static bool TryInteger(Value value, out BigInteger number)
    {
        switch (value)
        {
            case IntegerValue integer:
                number = integer.Value;
                return true;
            case BooleanValue boolean:
                number = boolean.IsTrue ? BigInteger.One : BigInteger.Zero;
                return true;
            default:
                number = default;
                return false;
        }
    }

    /// <summary>A float, int or bool as a float; an int beyond the range of floats is not one.</summary>
    public static bool TryFloat(Value value, out double number)
    {
        if (value is FloatValue real)
        {
            number = real.Value;
            return true;
        }
        bool isInteger = TryInteger(value, out BigInteger integer);
        number = isInteger ? (double)integer : 0;
        return isInteger && double.IsFinite(number);
    }

    public static bool IsNumber(Value value) => value is IntegerValue or FloatValue or BooleanValue;

    /// <summary>Compares two numbers exactly, whatever their types; null when one is not a number (NaN).</summary>
    public static int? Compare(Value left, Value right)
    {
        bool leftIsInteger = TryInteger(left, out BigInteger leftInteger);
        bool rightIsInteger = TryInteger(right, out BigInteger rightInteger);
        if (leftIsInteger && rightIsInteger) return leftInteger.CompareTo(rightInteger);
        if (leftIsInteger) return -CompareToInteger(((FloatValue)right).Value, leftInteger);
        if (rightIsInteger) return CompareToInteger(((FloatValue)left).Value, rightInteger);
        double a = ((FloatValue)left).Value, b = ((FloatValue)right).Value;
        return double.IsNaN(a) || double.IsNaN(b) ? null : a.CompareTo(b);
    }

    private static int? CompareToInteger(double real, BigInteger integer)
    {
        if (double.IsNaN(real)) return null;
        if (double.IsInfinity(real)) return real > 0 ? 1 : -1;
        int whole = new BigInteger(Math.Floor(real)).CompareTo(integer);
        return whole != 0 ? whole : real > Math.Floor(real) ? 1 : 0;
    }
}
