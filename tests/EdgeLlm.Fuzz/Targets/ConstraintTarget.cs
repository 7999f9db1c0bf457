using System.Text;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Schemas, patterns and grammars, damaged; of those that are accepted, answers are begun with random tokens.</summary>
internal static class ConstraintTarget
{
    private static readonly string[] Grammars =
    [
        "root ::= (expr \"=\" ws term \"\\n\")+\nexpr ::= term ([-+*/] term)*\nterm ::= ident | num | \"(\" ws expr \")\" ws\nident ::= "
            + "[a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*",
        "root ::= object\nvalue ::= object | string | [0-9]{1,4}\nobject ::= \"{\" (string \":\" value (\",\" string \":\" value)*)? "
            + "\"}\"\nstring ::= \"\\\"\" [^\"\\\\\\x7F\\x00-\\x1F]* \"\\\"\"",
        "%import common.INT\n%ignore / +/\nstart: sum\n?sum: sum \"+\" prod | prod\nprod: INT (\"*\" INT)~0..3 | \"(\" sum \")\"\nNAME: "
            + "\"a\"..\"z\" /[a-z0-9]+/i",
        "([01]?[0-9]|2[0-3]):[0-5]\\d(:\\d{2})?|(?:\\p{L}+\\s?){1,20}[^\\w\\-]|a{0,300}(b|c)*",
    ];

    private static readonly TokenTree Tree = new([[], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })], [0]);

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        int kind = dice.Below(5);
        string source = kind < 2 ? new SchemaGenerator((ulong)dice.Below(1 << 20)).Next()
            : Grammars[kind == 4 ? 3 : kind == 3 ? 2 : dice.Below(2)];
        for (int i = dice.Mutations(); i > 0; i--)
            source = dice.OneIn(4) ? Repeated(dice, source) : Encoding.UTF8.GetString(dice.Damage(Encoding.UTF8.GetBytes(source)));
        current.Begin(source.Length + (1 << 16)); // tables of a bounded size are made for any input
        OutputConstraint constraint = kind switch
        {
            < 2 => OutputConstraint.JsonSchema(source),
            2 => OutputConstraint.Gbnf(source),
            3 => OutputConstraint.Lark(source),
            _ => OutputConstraint.Regex(source),
        };
        if (constraint.Bytes > 10 << 20) throw new WrongResultException($"takes {constraint.Bytes} bytes");
        int shortest = constraint.ShortestBytes, room = shortest + dice.Below(100);
        if (room > 400) return null;
        TokenConstraint session = constraint.Begin(Tree);
        session.Fit(room);
        var text = new List<byte>();
        while (room-- > 0 && !session.IsComplete)
        {
            var logits = new float[Tree.Count];
            if (!session.Apply(logits, room + 1))
                throw new WrongResultException($"nothing can follow '{Encoding.UTF8.GetString([.. text])}'");
            int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(token => logits[token] == 0)];
            int chosen = dice.Of(allowed);
            if (chosen == 0) break;
            session.Accept(chosen);
            text.Add((byte)(chosen - 1));
        }
        if (!constraint.Accepts([.. text]))
            throw new WrongResultException($"does not accept its own '{Encoding.UTF8.GetString([.. text])}'");
        return null;
    }

    private static string Repeated(Dice dice, string source)
    {
        if (source.Length == 0) return source;
        int at = dice.Below(source.Length), length = Math.Min(1 + dice.Below(20), source.Length - at);
        return source.Insert(at, string.Concat(Enumerable.Repeat(source.Substring(at, length), 1 + dice.Below(40))));
    }
}
