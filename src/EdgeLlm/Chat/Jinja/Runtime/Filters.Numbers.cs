using System.Numerics;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class Filters
{
    private static Value Absolute(Rendering rendering, Value input, Arguments arguments)
    {
        arguments.Bind(rendering, "abs", 0);
        if (input is FloatValue real) return new FloatValue(Math.Abs(real.Value));
        return Numbers.TryInteger(input, out BigInteger integer)
            ? rendering.Integer(BigInteger.Abs(integer))
            : throw rendering.Fail(input is UndefinedValue undefined ? undefined.Message
                : $"bad operand type for abs(): '{input.TypeName}'");
    }

    private static Value ToInteger(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "int", 0, "default", "base");
        int radix = values[1] is null ? 10 : rendering.ToInt(values[1]!);
        if (input is UndefinedValue undefined) throw rendering.Fail(undefined.Message);
        if (Numbers.TryInteger(input, out BigInteger integer)) return rendering.Integer(integer);
        if (input is StringValue text)
        {
            int digits = Math.Min(text.Text.Length, 4300);
            rendering.Step((text.Text.Length >> 4) + ((long)digits * digits >> 10));
            if (radix is 0 or (>= 2 and <= 36) && RadixText.TryParse(text.Text, radix, out integer)) return rendering.Integer(integer);
        }
        bool isNumber = TryFloat(rendering, input, out double number) && double.IsFinite(number);
        return isNumber ? rendering.Integer(new BigInteger(number)) : values[0] ?? IntegerValue.Of(0);
    }

    private static Value ToFloat(Rendering rendering, Value input, Arguments arguments)
    {
        Value fallback = arguments.Bind(rendering, "float", 0, "default")[0] ?? new FloatValue(0);
        if (input is UndefinedValue undefined) throw rendering.Fail(undefined.Message);
        return TryFloat(rendering, input, out double number) ? new FloatValue(number) : fallback;
    }

    private static bool TryFloat(Rendering rendering, Value value, out double number)
    {
        if (value is not StringValue text) return Numbers.TryFloat(value, out number);
        rendering.AllocateText(text.Text.Length);
        return PythonFloat.TryParse(text.Text, out number);
    }

    private static Value Round(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "round", 0, "precision", "method");
        int precision = values[0] is null ? 0 : rendering.ToInt(values[0]!);
        string method = values[1] is null ? "common" : rendering.ToString(values[1]!).Text;
        if (!Numbers.IsNumber(input)) throw rendering.Fail($"a number is needed, not '{input.TypeName}'");
        if (method == "common") return RoundHalfEven(rendering, input, precision);
        if (method is not ("ceil" or "floor")) throw rendering.Fail("method must be common, ceil or floor");
        Value scale = Operators.Power(rendering, IntegerValue.Of(10), IntegerValue.Of(precision));
        if (!Numbers.TryFloat(Operators.Multiply(rendering, input, scale), out double scaled) || !double.IsFinite(scaled))
            throw rendering.Fail("the number cannot be rounded");
        Value whole = rendering.Integer(new BigInteger(method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)));
        return Operators.Divide(rendering, whole, scale);
    }

    private static Value RoundHalfEven(Rendering rendering, Value input, int precision)
    {
        if (input is FloatValue real) return new FloatValue(PythonFloat.Round(real.Value, precision));
        Numbers.TryInteger(input, out BigInteger integer);
        if (precision >= 0) return rendering.Integer(integer);
        if (precision < -4300) return IntegerValue.Of(0);
        rendering.Step((long)precision * precision >> 10);
        BigInteger unit = BigInteger.Pow(10, -precision);
        BigInteger quotient = BigInteger.DivRem(integer, unit, out BigInteger remainder);
        int half = (BigInteger.Abs(remainder) << 1).CompareTo(unit);
        if (half > 0 || (half == 0 && !quotient.IsEven)) quotient += integer.Sign;
        return rendering.Integer(quotient * unit);
    }

    private static Value Sum(Rendering rendering, Value input, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "sum", 0, "attribute", "start");
        Value sum = values[1] ?? IntegerValue.Of(0);
        if (sum is StringValue) throw rendering.Fail("sum() can't sum strings");
        IEnumerator<Value> items = rendering.Iterate(input);
        while (items.MoveNext())
        {
            Value item = values[0] is null or NoneValue ? items.Current : Lookups.Path(rendering, items.Current, values[0]!);
            sum = Operators.Add(rendering, sum, item);
        }
        return sum;
    }

    private static Value Extreme(Rendering rendering, Value input, Arguments arguments, int sign)
    {
        Value?[] values = arguments.Bind(rendering, sign > 0 ? "max" : "min", 0, "case_sensitive", "attribute");
        IEnumerator<Value> items = rendering.Iterate(input);
        Value? best = null, bestKey = null;
        while (items.MoveNext())
        {
            Value key = Key(rendering, items.Current, values[1], values[0]?.IsTrue ?? false);
            if (best is not null && !(Operators.Compare(rendering, key, bestKey!, sign > 0 ? ">" : "<") * sign > 0)) continue;
            (best, bestKey) = (items.Current, key);
        }
        return best ?? new UndefinedValue("No aggregated item, sequence was empty.");
    }
}
