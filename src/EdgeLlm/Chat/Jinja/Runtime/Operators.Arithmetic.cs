using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class Operators
{
    public static Value Add(Rendering rendering, Value left, Value right)
    {
        switch (left, right)
        {
            case (StringValue a, StringValue b):
                return Concatenate(rendering, a, b);
            case (ListValue a, ListValue b) when a.IsTuple == b.IsTuple:
                rendering.AllocateItems((long)a.Items.Count + b.Items.Count);
                return new ListValue([.. a.Items, .. b.Items], a.IsTuple);
            default:
                return Arithmetic(rendering, left, right, "+", static (a, b) => a + b, static (a, b) => a + b);
        }
    }

    public static Value Subtract(Rendering rendering, Value left, Value right) =>
        Arithmetic(rendering, left, right, "-", static (a, b) => a - b, static (a, b) => a - b);

    public static Value Multiply(Rendering rendering, Value left, Value right)
    {
        if (left is StringValue or ListValue && Numbers.TryInteger(right, out _)) return Repeat(rendering, left, rendering.ToInt(right));
        if (right is StringValue or ListValue && Numbers.TryInteger(left, out _)) return Repeat(rendering, right, rendering.ToInt(left));
        return Arithmetic(rendering, left, right, "*", static (a, b) => a * b, static (a, b) => a * b);
    }

    public static Value Divide(Rendering rendering, Value left, Value right)
    {
        RequireNumbers(rendering, left, right, "/");
        if (!right.IsTrue) throw rendering.Fail("division by zero");
        if (Numbers.TryFloat(left, out double a) && Numbers.TryFloat(right, out double b)) return new FloatValue(a / b);
        throw rendering.Fail("integer too large to convert to float");
    }

    public static Value FloorDivide(Rendering rendering, Value left, Value right)
    {
        RequireNumbers(rendering, left, right, "//");
        if (!right.IsTrue) throw rendering.Fail("integer division or modulo by zero");
        return Arithmetic(rendering, left, right, "//", FloorDivide, static (a, b) =>
        {
            double quotient = (a - FloorModulo(a, b)) / b, floor = Math.Floor(quotient);
            return quotient - floor > 0.5 ? floor + 1 : floor;
        });
    }

    public static Value Modulo(Rendering rendering, Value left, Value right)
    {
        if (left is StringValue format) return PercentFormat.Apply(rendering, format, right);
        RequireNumbers(rendering, left, right, "%");
        if (!right.IsTrue) throw rendering.Fail("integer division or modulo by zero");
        return Arithmetic(rendering, left, right, "%", static (a, b) => a - FloorDivide(a, b) * b, FloorModulo);
    }

    public static Value Power(Rendering rendering, Value left, Value right)
    {
        RequireNumbers(rendering, left, right, "**");
        if (Numbers.TryInteger(left, out BigInteger whole) && Numbers.TryInteger(right, out BigInteger exponent) && exponent.Sign >= 0)
        {
            bool isSmall = BigInteger.Abs(whole) <= 1;
            if (isSmall) return rendering.Integer(whole.IsOne || exponent.IsZero ? 1 : whole.IsZero ? 0 : exponent.IsEven ? 1 : -1);
            if (exponent * whole.GetBitLength() > 1 << 15) throw rendering.Fail("integer too large");
            return rendering.Integer(BigInteger.Pow(whole, (int)exponent));
        }
        if (!Numbers.TryFloat(left, out double a) || !Numbers.TryFloat(right, out double b))
            throw rendering.Fail("integer too large to convert to float");
        if (a == 0 && b < 0) throw rendering.Fail("0.0 cannot be raised to a negative power");
        double power = Math.Pow(a, b);
        if (double.IsNaN(power) && !double.IsNaN(a) && !double.IsNaN(b)) throw rendering.Fail("complex numbers are not supported");
        if (double.IsInfinity(power) && double.IsFinite(a) && double.IsFinite(b))
            throw rendering.Fail("the result is too large for a float");
        return new FloatValue(power);
    }

    public static Value Negate(Rendering rendering, Value value) => value switch
    {
        FloatValue real => new FloatValue(-real.Value),
        _ when Numbers.TryInteger(value, out BigInteger integer) => rendering.Integer(-integer),
        UndefinedValue undefined => throw rendering.Fail(undefined.Message),
        _ => throw rendering.Fail($"bad operand type for unary -: '{value.TypeName}'"),
    };

    public static Value Plus(Rendering rendering, Value value) => value switch
    {
        FloatValue => value,
        _ when Numbers.TryInteger(value, out BigInteger integer) => rendering.Integer(integer),
        UndefinedValue undefined => throw rendering.Fail(undefined.Message),
        _ => throw rendering.Fail($"bad operand type for unary +: '{value.TypeName}'"),
    };

    private static StringValue Concatenate(Rendering rendering, StringValue left, StringValue right)
    {
        if (left.IsMarkup != right.IsMarkup)
        {
            left = Markup.Escape(rendering, left);
            right = Markup.Escape(rendering, right);
        }
        else if (left.Text.Length == 0)
        {
            return right;
        }
        if (right.Text.Length == 0) return left;
        if (left.Marks.IsUniform && right.Marks.IsUniform && left.Marks.Any == right.Marks.Any)
        {
            int length = left.Text.Length + right.Text.Length;
            rendering.CheckTextLength(length);
            rendering.AllocateText(length);
            return new StringValue(left.Text + right.Text, left.Marks, left.IsMarkup);
        }
        TextBuilder text = new(rendering);
        text.Append(left);
        text.Append(right);
        return text.ToValue(left.IsMarkup);
    }

    private static Value Repeat(Rendering rendering, Value value, int count)
    {
        count = Math.Max(0, count);
        if (value is StringValue text)
        {
            TextBuilder repeated = new(rendering);
            repeated.Append(text, count);
            return repeated.ToValue(text.IsMarkup);
        }
        ListValue list = (ListValue)value;
        rendering.AllocateItems((long)list.Items.Count * count);
        List<Value> items = [];
        for (int i = 0; i < count && list.Items.Count > 0; i++) items.AddRange(list.Items);
        return new ListValue(items, list.IsTuple);
    }

    private static Value Arithmetic(Rendering rendering, Value left, Value right, string symbol,
        Func<BigInteger, BigInteger, BigInteger> integers, Func<double, double, double> floats)
    {
        RequireNumbers(rendering, left, right, symbol);
        if (Numbers.TryInteger(left, out BigInteger a) && Numbers.TryInteger(right, out BigInteger b))
        {
            rendering.Step((a.GetBitLength() * b.GetBitLength() >> 14) + (a.GetBitLength() + b.GetBitLength() >> 9));
            return rendering.Integer(integers(a, b));
        }
        if (Numbers.TryFloat(left, out double x) && Numbers.TryFloat(right, out double y)) return new FloatValue(floats(x, y));
        throw rendering.Fail("integer too large to convert to float");
    }

    private static void RequireNumbers(Rendering rendering, Value left, Value right, string symbol)
    {
        if (Numbers.IsNumber(left) && Numbers.IsNumber(right)) return;
        UndefinedValue? undefined = left as UndefinedValue ?? right as UndefinedValue;
        throw rendering.Fail(undefined is not null
            ? undefined.Message
            : $"unsupported operand type(s) for {symbol}: '{left.TypeName}' and '{right.TypeName}'");
    }

    private static BigInteger FloorDivide(BigInteger left, BigInteger right)
    {
        BigInteger quotient = BigInteger.DivRem(left, right, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != right.Sign ? quotient - 1 : quotient;
    }

    private static double FloorModulo(double left, double right)
    {
        double remainder = left % right;
        if (remainder == 0) return Math.CopySign(0, right);
        return remainder < 0 != right < 0 ? remainder + right : remainder;
    }
}
