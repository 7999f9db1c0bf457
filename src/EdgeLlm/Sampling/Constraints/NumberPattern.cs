using System.Globalization;
using System.Numerics;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// JSON numbers within bounds, as patterns of their digits: at most 15 of them, and exponents (only where there are no bounds) small enough
/// for a double.
/// </summary>
internal static class NumberPattern
{
    /// <summary>The largest `multipleOf`: its automaton has that many states.</summary>
    public const int MostMultiple = 10_000;

    private const int MostDigits = 15;

    private static readonly BigInteger Largest = BigInteger.Pow(10, MostDigits) - 1;
    private static readonly GrammarNode Digit = new SetNode(CharacterSet.Digits);
    private static readonly GrammarNode Minus = GrammarNode.Text("-");
    private static readonly GrammarNode Point = GrammarNode.Text(".");

    /// <summary>The automaton of a form's numbers.</summary>
    public static Dfa Of(SchemaForm form, CompileBudget budget)
    {
        bool integer = form.IsInteger || form.Multiples.Count > 0;
        Dfa dfa = PatternDfa.Of(integer ? Whole() : form.Min is null && form.Max is null ? Any() : Signed(Magnitudes(), Magnitudes()),
            TextForm.Plain, budget);
        if (form.Min is { } min)
            dfa = Dfa.Intersect(dfa, PatternDfa.Of(AtLeast(min.Value, min.IsExclusive), TextForm.Plain, budget), budget);
        if (form.Max is { } max)
            dfa = Dfa.Intersect(dfa, PatternDfa.Of(AtMost(max.Value, max.IsExclusive), TextForm.Plain, budget), budget);
        foreach (int multiple in form.Multiples.Distinct()) dfa = Dfa.Intersect(dfa, MultipleOf(multiple, budget), budget);
        return dfa;
    }

    /// <summary>Compares numbers in <see cref="JsonText.Number"/>'s form.</summary>
    public static int Compare(string a, string b)
    {
        (bool negative, BigInteger whole, string fraction) x = Parts(a), y = Parts(b);
        if (x.negative != y.negative) return x.negative ? -1 : 1;
        int order = x.whole.CompareTo(y.whole);
        if (order == 0) order = string.CompareOrdinal(x.fraction, y.fraction);
        return x.negative ? -order : order;
    }

    private static (bool IsNegative, BigInteger Whole, string Fraction) Parts(string number)
    {
        bool negative = number.StartsWith('-');
        if (negative) number = number[1..];
        int point = number.IndexOf('.');
        return point < 0 ? (negative, BigInteger.Parse(number, CultureInfo.InvariantCulture), "")
            : (negative, BigInteger.Parse(number.AsSpan(0, point), NumberStyles.None, CultureInfo.InvariantCulture), number[(point + 1)..]);
    }

    private static GrammarNode Whole() =>
        GrammarNode.Either([GrammarNode.Text("0"), Seq(Minus.Optional(), Range('1', '9'), Digits(MostDigits - 1))]);

    private static GrammarNode Any()
    {
        GrammarNode exponent =
            GrammarNode.Either([Digit, Seq(Range('1', '9'), Digit), Seq(GrammarNode.Text("1"), Digit, Digit),
                Seq(GrammarNode.Text("2"), Range('0', '7'), Digit)]);
        return Seq(Signed(Magnitudes(), Magnitudes()),
            Seq(new SetNode(CharacterSet.Of(('e', 'e'), ('E', 'E'))),
                new SetNode(CharacterSet.Of(('+', '+'), ('-', '-'))).Optional(), exponent).Optional());
    }

    private static GrammarNode Magnitudes() => Decimals(0, Largest)!;

    private static GrammarNode Signed(GrammarNode? positive, GrammarNode? negative)
    {
        var choices = new List<GrammarNode>();
        if (positive is not null) choices.Add(positive);
        if (negative is not null) choices.Add(Seq(Minus, negative));
        return GrammarNode.Either(choices); // of none: nothing
    }

    private static GrammarNode AtLeast(string bound, bool exclusive)
    {
        (bool negative, BigInteger whole, string fraction) = Parts(bound);
        return negative ? Signed(Magnitudes(), Below(whole, fraction, exclusive)) : Signed(Above(whole, fraction, exclusive), null);
    }

    private static GrammarNode AtMost(string bound, bool exclusive)
    {
        (bool negative, BigInteger whole, string fraction) = Parts(bound);
        if (negative) return Signed(null, Above(whole, fraction, exclusive));
        bool isZero = whole.IsZero && fraction.Length == 0;
        return Signed(Below(whole, fraction, exclusive), isZero && exclusive ? Above(0, "", true) : Magnitudes());
    }

    /// <summary>Magnitudes of at least a number, or null.</summary>
    private static GrammarNode? Above(BigInteger whole, string fraction, bool exclusive) =>
        Choice(Decimals(whole + 1, Largest),
            whole > Largest ? null : After(whole, Fraction(whole, left => FractionAbove(fraction, left, exclusive))));

    /// <summary>Magnitudes of at most a number, or null.</summary>
    private static GrammarNode? Below(BigInteger whole, string fraction, bool exclusive) =>
        Choice(Decimals(0, BigInteger.Min(whole - 1, Largest)),
            whole > Largest ? null : After(whole, Fraction(whole, left => FractionBelow(fraction, left, exclusive))));

    private static GrammarNode? After(BigInteger whole, GrammarNode? rest) =>
        rest is null ? null : Seq(GrammarNode.Text(whole.ToString(CultureInfo.InvariantCulture)), rest);

    private static GrammarNode? Fraction(BigInteger whole, Func<int, GrammarNode?> make) =>
        make(MostDigits - whole.ToString(CultureInfo.InvariantCulture).Length);

    /// <summary>A point and digits that come to at least a fraction, or nothing where that is 0.</summary>
    private static GrammarNode? FractionAbove(string fraction, int left, bool exclusive)
    {
        if (fraction.Length > 0) return DigitsAbove(fraction, left, exclusive) is { } digits ? Seq(Point, digits) : null;
        if (!exclusive) return AnyFraction(left);
        return NotZero(left) is { } more ? Seq(Point, more) : null;
    }

    private static GrammarNode? FractionBelow(string fraction, int left, bool exclusive)
    {
        if (fraction.Length > 0)
            return DigitsBelow(fraction, left, exclusive) is { } digits ? Seq(Point, digits).Optional() : GrammarNode.Empty;
        if (exclusive) return null;
        return left == 0 ? GrammarNode.Empty : Seq(Point, new RepeatNode(GrammarNode.Text("0"), 1, left)).Optional();
    }

    private static GrammarNode? DigitsAbove(string digits, int left, bool exclusive)
    {
        if (left == 0) return null;
        char first = digits[0];
        GrammarNode? same = digits.Length > 1 ? DigitsAbove(digits[1..], left - 1, exclusive) : exclusive
            ? NotZero(left - 1) : Digits(left - 1);
        return Choice(
            first < '9' ? Seq(Range((char)(first + 1), '9'), Digits(left - 1)) : null,
            same is null ? null : Seq(Range(first, first), same));
    }

    private static GrammarNode? DigitsBelow(string digits, int left, bool exclusive)
    {
        if (left == 0) return null;
        char first = digits[0];
        GrammarNode? same = digits.Length > 1
            ? DigitsBelow(digits[1..], left - 1, exclusive)?.Optional() ?? GrammarNode.Empty
            : exclusive ? null : new RepeatNode(GrammarNode.Text("0"), 0, left - 1);
        return Choice(
            first > '0' ? Seq(Range('0', (char)(first - 1)), Digits(left - 1)) : null,
            same is null ? null : Seq(Range(first, first), same));
    }

    private static GrammarNode Digits(int most) => new RepeatNode(Digit, 0, most);

    /// <summary>Digits of which one is not 0.</summary>
    private static GrammarNode? NotZero(int most)
    {
        var choices = new List<GrammarNode>();
        for (int zeros = 0; zeros < most; zeros++)
            choices.Add(Seq(GrammarNode.Text(new string('0', zeros)), Range('1', '9'), Digits(most - zeros - 1)));
        return choices.Count == 0 ? null : GrammarNode.Either(choices);
    }

    private static GrammarNode AnyFraction(int left) =>
        left == 0 ? GrammarNode.Empty : Seq(Point, new RepeatNode(Digit, 1, left)).Optional();

    /// <summary>Numbers whose whole part is within bounds, with any fraction.</summary>
    private static GrammarNode? Decimals(BigInteger low, BigInteger high)
    {
        GrammarNode? all = low <= 0 && high >= 0 ? Seq(GrammarNode.Text("0"), AnyFraction(MostDigits - 1)) : null;
        foreach ((BigInteger from, BigInteger to, int digits) in ByLength(BigInteger.Max(low, 1), high))
            all = Choice(all, Seq(SameLength(Text(from), Text(to)), AnyFraction(MostDigits - digits)));
        return all;
    }

    private static IEnumerable<(BigInteger From, BigInteger To, int Digits)> ByLength(BigInteger low, BigInteger high)
    {
        BigInteger power = 1;
        for (int digits = 1; digits <= MostDigits; digits++, power *= 10)
        {
            BigInteger from = BigInteger.Max(low, power), to = BigInteger.Min(high, power * 10 - 1);
            if (from <= to) yield return (from, to, digits);
        }
    }

    /// <summary>Digits between two numbers of one length.</summary>
    private static GrammarNode SameLength(string low, string high)
    {
        if (low.Length == 0) return GrammarNode.Empty;
        if (low[0] == high[0] && low.Length > 1) return Seq(Range(low[0], low[0]), SameLength(low[1..], high[1..]));
        string nines = new('9', low.Length - 1), zeros = new('0', low.Length - 1);
        if (low[1..] == zeros && high[1..] == nines) return Seq(Range(low[0], high[0]), Exactly(zeros.Length));
        var choices = new List<GrammarNode>
        {
            Seq(Range(low[0], low[0]), low[1..] == zeros ? Exactly(zeros.Length) : SameLength(low[1..], nines)),
            Seq(Range(high[0], high[0]), high[1..] == nines ? Exactly(nines.Length) : SameLength(zeros, high[1..])),
        };
        if (low[0] + 1 < high[0]) choices.Add(Seq(Range((char)(low[0] + 1), (char)(high[0] - 1)), Exactly(zeros.Length)));
        return GrammarNode.Either(choices);
    }

    private static GrammarNode Exactly(int digits) => new RepeatNode(Digit, digits, digits);

    private static Dfa MultipleOf(int multiple, CompileBudget budget)
    {
        // Classes: 0 to 9 the digits, 10 the minus, 11 the rest. States: 1 the start, 2 after the minus, 3 + remainder.
        var map = new byte[256];
        Array.Fill(map, (byte)11);
        for (int digit = 0; digit < 10; digit++) map['0' + digit] = (byte)digit;
        map['-'] = 10;
        return Dfa.Of(map, 12, multiple + 3, (state, c) => c switch
        {
            11 => 0,
            10 => state == 1 ? 2 : 0,
            _ => 3 + (int)(((state < 3 ? 0L : state - 3) * 10 + c) % multiple),
        }, state => state == 3, budget);
    }

    private static string Text(BigInteger number) => number.ToString(CultureInfo.InvariantCulture);

    private static GrammarNode Range(char low, char high) => new SetNode(CharacterSet.Of((low, high)));

    private static GrammarNode Seq(params GrammarNode[] items) => GrammarNode.Join(items);

    private static GrammarNode? Choice(params ReadOnlySpan<GrammarNode?> choices)
    {
        var some = new List<GrammarNode>();
        foreach (GrammarNode? choice in choices)
        {
            if (choice is not null) some.Add(choice);
        }
        return some.Count == 0 ? null : GrammarNode.Either(some);
    }
}

/// <summary>Formats as patterns.</summary>
internal static class FormatPattern
{
    private const string Date =
        "(?:(?:[0-9]{4})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
        + "|(?:(?:[0-9]{2})(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";

    private const string Time = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string Label = "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,28}";
    private const string Hex = "[0-9A-Fa-f]";

    /// <summary>The pattern of a format; null: the format is an annotation.</summary>
    public static string? Of(string format) => format switch
    {
        "date" => $"^{Date}$",
        "time" => $"^{Time}$",
        "date-time" => $"^{Date}[Tt]{Time}$",
        "duration" =>
            "^P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y(?:[0-9]{1,4}M(?:[0-9]{1,4}D)?)?|[0-9]{1,4}M(?:[0-9]{1,4}D)?|[0-9]{1,4}D)(?:T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))?"
            + "|T(?:[0-9]{1,4}H(?:[0-9]{1,4}M(?:[0-9]{1,4}S)?)?|[0-9]{1,4}M(?:[0-9]{1,4}S)?|[0-9]{1,4}S))$",
        "uuid" => $"^{Hex}{{8}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{4}}-{Hex}{{12}}$",
        "email" => $"^[A-Za-z0-9_+-]{{1,32}}(?:\\.[A-Za-z0-9_+-]{{1,32}}){{0,3}}@{Label}(?:\\.{Label}){{1,3}}$",
        "hostname" => $"^{Label}(?:\\.{Label}){{0,3}}$",
        "ipv4" => $"^{Octet}\\.{Octet}\\.{Octet}\\.{Octet}$",
        "ipv6" =>
            $"^(?:(?:{Hex}{{1,4}}:){{7}}{Hex}{{1,4}}|(?:{Hex}{{1,4}}:){{1,6}}:{Hex}{{1,4}}|(?:{Hex}{{1,4}}:){{1,7}}:|::(?:{Hex}{{1,4}}:){{0,6}}{Hex}{{1,4}}|::)$",
        "uri" =>
            $"^[A-Za-z][A-Za-z0-9+-]{{0,15}}://{Label}(?:\\.{Label}){{0,3}}(?::[0-9]{{1,4}})?(?:/[A-Za-z0-9_.~!$&'()*+,;=:@-]*)*(?:\\?[A-Za-z0-9_.~!$&'()*+,;=:@/?-]*)?(?:#[A-Za-z0-9_.~!$&'()*+,;=:@/?-]*)?$",
        _ => null,
    };
}
