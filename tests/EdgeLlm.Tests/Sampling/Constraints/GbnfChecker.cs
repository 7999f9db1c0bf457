using System.Globalization;
using System.Text.RegularExpressions;

namespace EdgeLlm.Tests.Sampling.Constraints;

/// <summary>
/// Tells whether a text is of a GBNF grammar, written apart from the engine: all ends that a rule can have from a position, over
/// characters, by trying everything. For small texts and grammars without left recursion.
/// </summary>
internal sealed partial class GbnfChecker
{
    private readonly Dictionary<string, string[]> _rules = [];
    private readonly Dictionary<(string, int), HashSet<int>> _known = [];
    private int[] _text = [];

    public GbnfChecker(string grammar)
    {
        // A rule lasts until the next line that begins with NAME ::=
        string[] parts = RuleStart().Split(Comment().Replace(grammar, "$1"));
        for (int i = 1; i < parts.Length; i += 2)
            _rules[parts[i]] = [.. Token().Matches(parts[i + 1]).Select(token => token.Value).Where(token => token.Trim().Length > 0)];
    }

    public bool Accepts(string text)
    {
        _known.Clear();
        _text = [.. text.EnumerateRunes().Select(rune => rune.Value)];
        return Rule("root", 0).Contains(_text.Length);
    }

    private HashSet<int> Rule(string name, int from)
    {
        if (_known.TryGetValue((name, from), out HashSet<int>? ends)) return ends;
        int at = 0;
        return _known[(name, from)] = Choice(_rules[name], ref at, [from]);
    }

    private HashSet<int> Choice(string[] tokens, ref int at, HashSet<int> from)
    {
        HashSet<int> ends = Sequence(tokens, ref at, from);
        while (at < tokens.Length && tokens[at] == "|")
        {
            at++;
            ends = [.. ends, .. Sequence(tokens, ref at, from)];
        }
        return ends;
    }

    private HashSet<int> Sequence(string[] tokens, ref int at, HashSet<int> from)
    {
        HashSet<int> ends = from;
        while (at < tokens.Length && tokens[at] is not ("|" or ")"))
        {
            int start = at, after = Skip(tokens, at);
            (int min, int max) = after < tokens.Length ? Repeat(tokens[after]) : (1, 1);
            bool repeats = after < tokens.Length && RepeatMark().IsMatch(tokens[after]);
            if (!repeats) (min, max) = (1, 1);
            HashSet<int> all = min == 0 ? [.. ends] : [], now = ends;
            for (int count = 1; (max < 0 || count <= max) && now.Count > 0; count++)
            {
                now = Once(tokens, start, now);
                int before = all.Count;
                if (count >= min) all.UnionWith(now);
                if (max < 0 && count >= min && all.Count == before) break;
            }
            ends = all;
            at = repeats ? after + 1 : after;
        }
        return ends;
    }

    private HashSet<int> Once(string[] tokens, int at, HashSet<int> from)
    {
        if (from.Count == 0) return [];
        string token = tokens[at];
        if (token == "(")
        {
            int inner = at + 1;
            return Choice(tokens, ref inner, from);
        }
        if (token[0] == '"')
        {
            int[] literal = Unescape(token[1..^1]);
            return [.. from.Where(start => start + literal.Length <= _text.Length
                && _text.AsSpan(start, literal.Length).SequenceEqual(literal)).Select(start => start + literal.Length)];
        }
        if (token[0] == '[')
        {
            bool negated = token[1] == '^';
            int[] set = Unescape(token[(negated ? 2 : 1)..^1], ranges: true);
            return [.. from.Where(start => start < _text.Length && negated != Holds(set, _text[start])).Select(start => start + 1)];
        }
        return [.. from.SelectMany(start => Rule(token, start))];
    }

    private static int Skip(string[] tokens, int at)
    {
        if (tokens[at] != "(") return at + 1;
        for (int depth = 0; ; at++)
        {
            depth += tokens[at] == "(" ? 1 : tokens[at] == ")" ? -1 : 0;
            if (depth == 0) return at + 1;
        }
    }

    private static (int Min, int Max) Repeat(string token) => token switch
    {
        "*" => (0, -1),
        "+" => (1, -1),
        "?" => (0, 1),
        _ when RepeatMark().Match(token) is { Groups.Count: 4, Success: true } match && match.Groups[1].Length > 0 =>
            (int.Parse(match.Groups[1].Value), match.Groups[2].Length == 0 ? int.Parse(match.Groups[1].Value) : match.Groups[3].Length == 0
                ? -1 : int.Parse(match.Groups[3].Value)),
        _ => (1, 1),
    };

    private static bool Holds(int[] ranges, int c)
    {
        for (int i = 0; i < ranges.Length; i += 2)
        {
            if (c >= ranges[i] && c <= ranges[i + 1]) return true;
        }
        return false;
    }

    private static int[] Unescape(string text, bool ranges = false)
    {
        var all = new List<int>();
        int[] runes = [.. text.EnumerateRunes().Select(rune => rune.Value)];
        for (int i = 0; i < runes.Length;)
        {
            int low = One();
            all.Add(low);
            if (!ranges) continue;
            if (i + 1 < runes.Length && runes[i] == '-')
            {
                i++;
                all.Add(One());
            }
            else all.Add(low);

            int One() => Next(runes, ref i);
        }
        return [.. all];

        static int Next(int[] runes, ref int i)
        {
            if (runes[i] != '\\') return runes[i++];
            int c = runes[i + 1];
            i += 2;
            int digits = c switch { 'x' => 2, 'u' => 4, _ => 0 };
            if (digits > 0)
            {
                i += digits;
                return int.Parse(string.Concat(runes[(i - digits)..i].Select(char.ConvertFromUtf32)), NumberStyles.HexNumber,
                    CultureInfo.InvariantCulture);
            }
            return c switch { 'n' => '\n', 'r' => '\r', 't' => '\t', _ => c };
        }
    }

    [GeneratedRegex(@"^([\w-]+)\s*::=", RegexOptions.Multiline)]
    private static partial Regex RuleStart();

    [GeneratedRegex("""("(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\])|#.*""")]
    private static partial Regex Comment();

    [GeneratedRegex("""\"(?:[^"\\]|\\.)*\"|\[(?:[^\]\\]|\\.)*\]|[()|*+?]|\{[\d,]+\}|[\w-]+""")]
    private static partial Regex Token();

    [GeneratedRegex(@"^(?:[*+?]|\{(\d+)(,?)(\d*)\})$")]
    private static partial Regex RepeatMark();
}
