using System.Text;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

/// <summary>
/// A vocabulary of all bytes and of pieces that cross the borders of JSON's symbols; and answers made by choosing at random what a mask
/// allows.
/// </summary>
internal static class SmallVocabulary
{
    private static readonly string[] Pieces =
    [
        "{\"", "\":", "\": ", "\",", "\", \"", "\":\"", "\": \"", "\"}", "\"},", "}}", "]}", "}]", "[{\"", "[[", "]]", "[]", "{}", ":{",
        ",\"", "\n  ", "\n    ", "  ", " ", "\n", "true", "false", "null", "tru", "e,",
        "name", "na", "me\"", "id", "value", "kind", "type", "children", "node", "10", "00", "12", ".5", "0.", "-1", "e-", "1,", "2]", "3}",
        "foo", "bar", "ab", "abc", "the", " the", "é", "ü", "größe", "😀", "\\\"", "\\n", "\\u00", "\\",
        "20", "-0", "T1", "x-", "\"x", "a\":1,\"b", "\"a\":", "aaaaaaaaaaaaaaaa", "                ", "light.", "mon\",\"tue", "0,0", "1}",
        "]", "\"]", "\",\"", "{\"a", "{\"\":",
    ];

    public const int End = 0;

    public static byte[][] Tokens { get; } = [[], .. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }),
        .. Pieces.Where(piece => Encoding.UTF8.GetByteCount(piece) > 1).Select(Encoding.UTF8.GetBytes)];

    public static TokenTree Tree { get; } = new(Tokens, [End]);

    /// <summary>An answer of random tokens within a room, and whether it was closed by force.</summary>
    public static (string Text, bool WasForced, int Tokens) Answer(OutputConstraint constraint, Random random,
        int room, bool prefersEnd = true)
    {
        TokenConstraint session = constraint.Begin(Tree);
        session.Fit(room);
        var text = new List<byte>();
        var logits = new float[Tree.Count];
        for (int count = 0; count < room; count++)
        {
            Array.Clear(logits);
            Assert.True(session.Apply(logits, room - count), $"nothing can follow {Encoding.UTF8.GetString([.. text])}");
            int[] allowed = [.. Enumerable.Range(0, logits.Length).Where(token => logits[token] == 0)];
            int token = prefersEnd && allowed.Contains(End) && random.Next(3) == 0 ? End : allowed[random.Next(allowed.Length)];
            if (token == End) return (Encoding.UTF8.GetString([.. text]), session.WasForced, count);
            session.Accept(token);
            text.AddRange(Tokens[token]);
            if (session.IsComplete) return (Encoding.UTF8.GetString([.. text]), session.WasForced, count + 1);
        }
        Assert.True(session.CanEnd, $"cut: {Encoding.UTF8.GetString([.. text])}");
        return (Encoding.UTF8.GetString([.. text]), session.WasForced, room);
    }
}
