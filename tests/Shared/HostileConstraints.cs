using System.Globalization;

namespace EdgeLlm.Tests;

/// <summary>
/// Schemas, patterns and grammars that are made to cost as much as can be: each has to be compiled or refused within the counted bounds.
/// </summary>
internal static class HostileConstraints
{
    /// <summary>Language (JsonSchema, Regex, Gbnf, Lark), name, source.</summary>
    public static IEnumerable<(string Language, string Name, string Source)> All()
    {
        yield return ("JsonSchema", "5,000 properties", Object(5000, i => $"\"property{i}\":{{\"type\":\"integer\"}}"));
        yield return ("JsonSchema", "5,000 bounded strings",
            Object(5000, i => $"\"p{i}\":{{\"type\":\"string\",\"maxLength\":{i % 300 + 1}}}"));
        yield return ("JsonSchema", "5,000 different bounded numbers",
            Object(5000, i => $"\"p{i}\":{{\"type\":\"integer\",\"minimum\":{i},\"maximum\":{i * 7L + 1000}}}"));
        yield return ("JsonSchema", "2,000 required properties", Required(2000));
        yield return ("JsonSchema", "500 patterns",
            Object(500, i => $"\"p{i}\":{{\"type\":\"string\",\"pattern\":\"^[a-z]{{{i % 40 + 1}}}x{i}$\"}}"));
        yield return ("JsonSchema", "500 formats with lengths",
            Object(500, i => $"\"p{i}\":{{\"type\":\"string\",\"format\":\"email\",\"maxLength\":{i + 10}}}"));
        yield return ("JsonSchema", "an enum of 20,000", $"{{\"enum\":[{List(20000, i => $"\"value number {i}\"")}]}}");
        yield return ("JsonSchema", "an enum of 2,000 long texts",
            $"{{\"enum\":[{List(2000, i => $"\"{new string((char)('a' + i % 26), 200)}{i}\"")}]}}");
        yield return ("JsonSchema", "an enum of 3,000 objects", $"{{\"enum\":[{List(3000, i => $"{{\"a\":{i},\"b\":[{i},\"x\"]}}")}]}}");
        yield return ("JsonSchema", "2,000 unique items",
            $"{{\"type\":\"array\",\"items\":{{\"enum\":[{List(2000, i => $"{i}")}]}},\"uniqueItems\":true,\"minItems\":1999}}");
        yield return ("JsonSchema", "a deep $ref chain",
            $"{{\"$ref\":\"#/$defs/a0\",\"$defs\":{{{List(3000, i => $"\"a{i}\":{{\"$ref\":\"#/$defs/a{i + 1}\"}}")},\"a3000\":{{}}}}}}");
        yield return ("JsonSchema", "a $ref to itself", """{"$ref":"#"}""");
        yield return ("JsonSchema", "$refs that double",
            $"{{\"$ref\":\"#/$defs/a0\",\"$defs\":{{{List(40, i => $"\"a{i}\":{{\"type\":\"object\",\"properties\":{{\"l\":{{\"$ref\":\"#/$defs/a{i + 1}\"}},\"r\":{{\"$ref\":\"#/$defs/a{i + 1}\"}}}},\"required\":[\"l\",\"r\"]}}")},\"a40\":{{\"const\":1}}}}}}");
        yield return ("JsonSchema", "anyOf of 1,000",
            $"{{\"anyOf\":[{List(1000, i => $"{{\"type\":\"object\",\"properties\":{{\"k{i}\":{{\"type\":\"string\"}}}},\"required\":[\"k{i}\"]}}")}]}}");
        yield return ("JsonSchema", "oneOf of 500",
            $"{{\"oneOf\":[{List(500, i => $"{{\"properties\":{{\"t\":{{\"const\":{i}}}}},\"required\":[\"t\"],\"type\":\"object\"}}")}]}}");
        yield return ("JsonSchema", "anyOf in anyOf in anyOf",
            Nested(8,
                inner =>
                    $"{{\"anyOf\":[{inner},{{\"type\":\"object\",\"properties\":{{\"x\":{inner}}}}},{{\"type\":\"array\",\"items\":{inner}}}]}}",
                    "{\"type\":\"string\"}", 60000));
        yield return ("JsonSchema", "allOf of 12 anyOf of 4",
            $"{{\"allOf\":[{List(12, i => $"{{\"anyOf\":[{List(4, j => $"{{\"properties\":{{\"p{i}_{j}\":{{\"type\":\"string\"}}}}}}")}]}}")}]}}");
        yield return ("JsonSchema", "200 levels of arrays", Nested(150, inner => $"{{\"type\":\"array\",\"items\":{inner}}}", "{}", 60000));
        yield return ("JsonSchema", "arrays of at least 100,000 items",
            """{"type":"array","minItems":100000,"items":{"type":"array","minItems":100000,"items":{"type":"string","minLength":100000}}}""");
        yield return ("JsonSchema", "a pattern with a length of 100,000",
            """{"type":"string","pattern":"^(ab|cd)*$","minLength":99999,"maxLength":100000}""");
        yield return ("JsonSchema", "20 patterns together",
            $"{{\"allOf\":[{List(20, i => $"{{\"pattern\":\"[{(char)('a' + i)}]\"}}")}],\"type\":\"string\"}}");
        yield return ("JsonSchema", "8 patternProperties that overlap",
            $"{{\"type\":\"object\",\"patternProperties\":{{{List(8, i => $"\"{(char)('a' + i)}.*{(char)('b' + i)}\":{{\"minimum\":{i}}}")}}}}}");
        yield return ("JsonSchema", "propertyNames of a large pattern",
            """{"type":"object","propertyNames":{"pattern":"^(\\p{L}|\\p{N}){1,60}$"}}""");
        yield return ("JsonSchema", "multipleOf 9,999 and bounds",
            """{"type":"integer","multipleOf":9999,"minimum":-123456789012,"maximum":987654321098}""");
        yield return ("JsonSchema", "multipleOf 9,973 and 9,967",
            """{"allOf":[{"type":"integer","multipleOf":9973},{"multipleOf":9967}]}""");
        yield return ("JsonSchema", "a number of 10,000 digits", $"{{\"type\":\"number\",\"minimum\":{new string('9', 10000)}}}");
        yield return ("JsonSchema", "a constant with a huge exponent", """{"const":1e999999999}""");
        yield return ("JsonSchema", "100,000 bytes of required names",
            $"{{\"type\":\"object\",\"required\":[{List(9000, i => $"\"name{i}\"")}]}}");
        yield return ("JsonSchema", "500 prefix items of 500",
            $"{{\"prefixItems\":[{List(500, i => $"{{\"type\":\"string\",\"minLength\":{i}}}")}]}}");
        yield return ("JsonSchema", "keys that share long beginnings", Object(400, i => $"\"{new string('a', 300)}{i}\":{{}}"));
        yield return ("JsonSchema", "a key of 20,000 bytes",
            $"{{\"properties\":{{\"{new string('k', 20000)}\":{{}}}},\"additionalProperties\":false}}");
        yield return ("JsonSchema", "titles of 200,000 bytes", $"{{\"title\":\"{new string('t', 200000)}\",\"type\":\"string\"}}");
        yield return ("Regex", "nested counted repeats", "((((a{1,10}){1,10}){1,10}){1,10}){1,10}");
        yield return ("Regex", "counted repeats that blow up", "(.*a.{60}|.*b.{60})");
        yield return ("Regex", "a thousand alternatives", string.Join('|', Enumerable.Range(0, 1000).Select(i => $"word{i}[a-z]*{i}")));
        yield return ("Regex", "a thousand alternatives, repeated",
            $"({string.Join('|', Enumerable.Range(0, 1000).Select(i => $"w{i}"))}){{1,1000}}");
        yield return ("Regex", "Unicode classes, repeated", "[\\p{L}\\p{M}\\p{N}]{1,200}\\P{L}{1,200}");
        yield return ("Regex", "Unicode classes in different orders",
            string.Join('|', "LMNPSZ".SelectMany(a => "LMNPSZ".Select(b => $"\\p{{{a}}}+\\p{{{b}}}+x"))));
        yield return ("Regex", "lookalikes: (a+)+$", "^(a+)+(a|a|aa)+(a*)*b$");
        yield return ("Regex", "lookalikes: (x|x|x)*", string.Concat(Enumerable.Repeat("(x|x|xx)*", 100)));
        yield return ("Regex", "{1,100000}", "[^a]{1,100000}");
        yield return ("Regex", "{0,}{0,}{0,}",
            string.Concat(Enumerable.Repeat("(", 150)) + "a" + string.Concat(Enumerable.Repeat("){0,3}", 150)));
        yield return ("Regex", "100,000 letters", new string('a', 100000));
        yield return ("Regex", "100,000 stars", string.Concat(Enumerable.Repeat("a*", 50000)));
        yield return ("Gbnf", "5,000 rules in a chain",
            "root ::= r0\n" + Lines(5000, i => $"r{i} ::= \"a\" r{i + 1} | \"b\"") + "r5000 ::= \"c\"\n");
        yield return ("Gbnf", "rules that double", "root ::= r0\n" + Lines(60, i => $"r{i} ::= r{i + 1} r{i + 1}") + "r60 ::= \"c\"\n");
        yield return ("Gbnf", "ambiguous sums", "root ::= root \"+\" root | root root | [a-z]+ | [a-z]* | \"(\" root \")\"\n");
        yield return ("Gbnf", "{1000}{1000}", "root ::= (([a-z]{1,1000}){1,1000}){1,1000}\n");
        yield return ("Gbnf", "10,000 alternatives of texts",
            "root ::= " + string.Join(" | ", Enumerable.Range(0, 10000).Select(i => $"\"text {i}\"")) + "\n");
        yield return ("Gbnf", "classes of many ranges",
            "root ::= [" + string.Concat(Enumerable.Range(0, 3000).Select(i => $"\\U{0x1000 + 2 * i:X8}")) + "]{1,50}\n");
        yield return ("Lark", "a thousand terminals ignored",
            "start: T0+\n" + Lines(1000, i => $"T{i}: /[a-z]{{{i % 30 + 1}}}/ | T{(i + 1) % 1000}x") + Lines(1000, i => $"T{i}x: \"{i}\"")
                + Lines(1000, i => $"%ignore T{i}x"));
        yield return ("Lark", "~ counts within counts", "start: ((\"a\"~1..500)~1..500)~1..500\n");
    }

    private static string List(int count, Func<int, string> item) => string.Join(',', Enumerable.Range(0, count).Select(item));

    private static string Lines(int count, Func<int, string> item) => string.Concat(Enumerable.Range(0, count).Select(i => item(i) + "\n"));

    private static string Object(int count, Func<int, string> property) =>
        $"{{\"type\":\"object\",\"properties\":{{{List(count, property)}}},\"additionalProperties\":false}}";

    private static string Required(int count) =>
        $"{{\"type\":\"object\",\"properties\":{{{List(count, i => $"\"p{i}\":{{\"type\":\"boolean\"}}")}}},\"required\":[{List(count, i => string.Create(CultureInfo.InvariantCulture, $"\"p{i}\""))}]}}";

    private static string Nested(int levels, Func<string, string> wrap, string inner, int mostLength)
    {
        for (int i = 0; i < levels && inner.Length < mostLength; i++) inner = wrap(inner);
        return inner;
    }
}
