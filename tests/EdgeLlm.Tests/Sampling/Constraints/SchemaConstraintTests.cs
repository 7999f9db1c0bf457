using System.Text.Json;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

public class SchemaConstraintTests
{
    /// <summary>Schema, texts that it accepts, texts that it does not; ` separates them.</summary>
    [Theory]
    [InlineData("{}", "1`\"a\"`[1, 2]`{\"a\": {\n  \"b\": []\n}}`null`-0.5e-3`[]`{}",
        "`[1,]`{a:1}`01`+1`\"\n\"`{\"a\":1,\"a\":2}`1 `tru`[1  ,2]`\"\\ud83d\"")]
    [InlineData("""{"type":"object"}""", "{}`{\"x\":1}", "[]`1")]
    [InlineData("""{"type":"string"}""", "\"\"`\"a\\u00e9\\n\\/😀\\ud83d\\ude00\"", "\"\\x\"`\"\\ude00\"`a")]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"ab\"`\"😀é\\n\"`\"\\ud83d\\ude00a\"",
        "\"a\"`\"abcd\"`\"\\ud83d\\ude00\"")]
    [InlineData("""{"type":"string","pattern":"^a+$"}""", "\"a\"`\"aaa\"", "\"\"`\"ab\"`\"ba\"")]
    [InlineData("""{"type":"string","pattern":"\"|\\\\|\n"}""", "\"x\\\"y\"`\"\\\\\"`\"\\n\"", "\"x\"")]
    [InlineData("""{"type":"string","pattern":"b","maxLength":2}""", "\"b\"`\"ab\"`\"bé\"", "\"aab\"`\"aa\"")]
    [InlineData("""{"type":"string","format":"date"}""", "\"2024-02-29\"`\"2023-12-31\"",
        "\"2023-02-29\"`\"1900-02-29\"`\"2023-13-01\"`\"2023-04-31\"")]
    [InlineData("""{"type":"string","format":"no such format","maxLength":1}""", "\"x\"", "\"xy\"")]
    [InlineData("""{"type":"integer"}""", "0`-1`123456789012345", "1.5`1e2`-0`1234567890123456")]
    [InlineData("""{"type":"integer","minimum":-5,"exclusiveMaximum":12}""", "-5`0`11`-1", "-6`12`100`-50")]
    [InlineData("""{"type":"integer","minimum":95,"maximum":1005}""", "95`99`100`1000`1005", "94`1006`9`10000")]
    [InlineData("""{"type":"integer","multipleOf":7}""", "0`7`-14`700", "1`8`-13")]
    [InlineData("""{"type":"number","minimum":0.5,"exclusiveMaximum":2.25}""", "0.5`1`2.249`2`0.50", "0.49`2.25`3`-1`2.250")]
    [InlineData("""{"type":"number","exclusiveMinimum":-1.5,"maximum":-0.25}""", "-1.4999`-1`-0.25`-0.3", "-1.5`-0.2`0`1`-2")]
    [InlineData("""{"type":"number","exclusiveMaximum":0}""", "-1`-0.1", "0`-0`-0.0`1")]
    [InlineData("""{"type":"number"}""", "1e279`-1.5E+10`0.1`-0", "1e300`.5`1.`00")]
    [InlineData("""{"enum":[1,"a",null,[1,{"x":2}]]}""", "1`\"a\"`null`[1, {\"x\": 2}]", "2`\"b\"`[1]`[1,{}]")]
    [InlineData("""{"const":{"a":1,"b":2}}""", "{\"a\":1,\"b\":2}`{\"b\":2,\"a\":1}", "{\"a\":1}`{\"a\":1,\"b\":2,\"c\":3}")]
    [InlineData("""{"properties":{"a":{"type":"integer"},"ab":{"type":"string"}},"required":["ab"],"type":"object"}""",
        "{\"ab\":\"\"}`{\"a\":1,\"ab\":\"\"}`{\"ab\":\"\",\"a\":1,\"abc\":null}",
        "{}`{\"a\":1}`{\"ab\":1}`{\"ab\":\"\",\"ab\":\"\"}`{\"x\":1,\"x\":2,\"ab\":\"\"}")]
    [InlineData("""{"type":"object","properties":{"a":{}},"additionalProperties":false}""", "{}`{\"a\":[]}", "{\"b\":1}")]
    [InlineData("""{"type":"object","additionalProperties":{"type":"boolean"},"minProperties":1,"maxProperties":2}""",
        "{\"x\":true}`{\"\":true,\"y\":false}", "{}`{\"x\":1}`{\"a\":true,\"b\":true,\"c\":true}")]
    [InlineData(
        """{"type":"object","patternProperties":{"^n_":{"type":"integer"},"s$":{"type":["string","integer"]}},"additionalProperties":false}""",
        "{\"n_a\":1}`{\"xs\":\"a\"}`{\"n_s\":1}", "{\"n_s\":\"a\"}`{\"b\":1}`{\"n_a\":\"\"}")]
    [InlineData("""{"type":"object","propertyNames":{"maxLength":2}}""", "{\"ab\":1}`{}", "{\"abc\":1}")]
    [InlineData("""{"type":"object","propertyNames":{"enum":["p","q"]}}""", "{\"p\":1,\"q\":2}`{}", "{\"r\":1}")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2}""", "[1]`[1, 2]", "[]`[1,2,3]`[\"a\"]")]
    [InlineData("""{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}""",
        "[]`[\"a\"]`[\"a\",1]", "[1]`[\"a\",1,1]")]
    [InlineData("""{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"null"},"minItems":2,"maxItems":3}""",
        "[\"a\",null]`[\"a\",null,null]", "[\"a\"]`[\"a\",null,null,null]")]
    [InlineData("""{"type":"array","items":{"enum":["a","ab",1,12]},"uniqueItems":true,"minItems":1}""",
        "[\"a\"]`[\"ab\",\"a\",12,1]`[1, 12]", "[]`[1,1]`[\"a\",\"ab\",\"a\"]")]
    [InlineData("""{"anyOf":[{"type":"string"},{"type":"integer"}]}""", "\"a\"`1", "null`1.5")]
    [InlineData(
        """{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"v":{"type":"integer"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}""",
        "{\"k\":\"a\",\"v\":1}`{\"k\":\"b\",\"v\":\"x\"}", "{\"k\":\"a\",\"v\":\"x\"}`{}`{\"k\":\"c\"}")]
    [InlineData(
        """{"allOf":[{"type":"object","properties":{"a":{"minimum":1}}},{"properties":{"a":{"type":"integer","maximum":3}},"required":["a"]}]}""",
        "{\"a\":2}", "{\"a\":0}`{\"a\":4}`{}")]
    [InlineData(
        """{"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"l":{"$ref":"#/$defs/t"}},"additionalProperties":false}}}""",
        "{}`{\"l\":{\"l\":{}}}", "{\"l\":1}`{\"m\":{}}")]
    [InlineData("""{"anyOf":[{"$ref":"#"},{"type":"string"}]}""", "\"a\"", "1")]
    public void Texts_of_a_keyword_are_told_from_others(string schema, string valid, string invalid)
    {
        var constraint = OutputConstraint.JsonSchema(schema);
        foreach (string text in valid.Split('`')) Assert.True(constraint.Accepts(text), $"{schema} refuses {text}");
        foreach (string text in invalid.Split('`')) Assert.False(constraint.Accepts(text), $"{schema} accepts {text}");
    }

    [Theory]
    [InlineData("{", "the schema is not JSON")]
    [InlineData("[]", "schema #: must be an object, true or false")]
    [InlineData("""{"properties":{"a":{"not":{}}},"type":"object"}""", "schema #/properties/a/not: is not supported")]
    [InlineData("""{"type":"strin"}""", "schema #/type: \"strin\" is not a type")]
    [InlineData("""{"type":"string","pattern":"(?=a)b"}""", "schema #/pattern: pattern '(?=a)b', character 2: look-around")]
    [InlineData("""{"type":"string","pattern":"a("}""", "a ( has no )")]
    [InlineData("""{"$ref":"other.json"}""", "schema #/$ref: 'other.json' is not within the document")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "leads nowhere")]
    [InlineData("""{"$ref":"#"}""", "no text at all satisfies it")]
    [InlineData("""{"type":"integer","minimum":2,"maximum":1}""", "no text at all satisfies it")]
    [InlineData("""{"type":"number","multipleOf":0.1}""", "schema #/multipleOf: only whole numbers over 0")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "schema #/uniqueItems: only supported where the items are constants")]
    [InlineData("""{"oneOf":[{"type":"string"},{"maxLength":3}]}""", "schema #/oneOf: whether a value satisfies both choices 0 and 1")]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}""", "no text at all satisfies it")]
    [InlineData("""{"items":[{}]}""", "schema #/items: is a list, as in older drafts")]
    public void What_is_wrong_or_not_supported_is_refused_in_one_line_with_its_place(string schema, string message)
    {
        var exception = Assert.Throws<ConstraintException>(() => OutputConstraint.JsonSchema(schema));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void Random_tokens_within_any_room_give_valid_texts_of_random_schemas()
    {
        var generator = new SchemaGenerator(5);
        var random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 300; i++)
        {
            string schema = generator.Next();
            OutputConstraint constraint;
            try
            {
                constraint = OutputConstraint.JsonSchema(schema);
            }
            catch (ConstraintException)
            {
                refused++;
                continue;
            }
            using JsonDocument parsed = JsonDocument.Parse(schema);
            var document = new SchemaDocument(parsed.RootElement, new CompileBudget());
            for (int sample = 0; sample < 4; sample++)
            {
                int room = constraint.ShortestBytes + random.Next(sample == 0 ? 1 : 120);
                (string text, _, int tokens) = SmallVocabulary.Answer(constraint, random, room);
                Assert.True(tokens <= room);
                Assert.True(constraint.Accepts(text), $"{schema} does not accept its own {text}");
                using JsonDocument value = JsonDocument.Parse(text);
                Assert.True(new SchemaValidator(document, new CompileBudget()).IsValid(document.Root, value.RootElement),
                    $"{schema}: {text}");
                Assert.True(HasDifferentKeys(value.RootElement), $"{schema}: {text}");
            }
        }
        Assert.True(refused <= 30, $"{refused} of 300 schemas are refused");
    }

    [Theory]
    [InlineData("""{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}""", 4)]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":3}""", 5)]
    public void Where_there_is_room_for_the_shortest_answer_only_it_comes(string schema, int tokens)
    {
        var constraint = OutputConstraint.JsonSchema(schema);
        int room = constraint.ShortestBytes;
        while (true)
        {
            try
            {
                (string text, bool forced, int count) = SmallVocabulary.Answer(constraint, new Random(1), room);
                Assert.True(constraint.Accepts(text));
                Assert.True(count <= room);
                Assert.True(forced || room == constraint.ShortestBytes);
            }
            catch (ConstraintException exception)
            {
                Assert.Contains($"and there is room for {room}", exception.Message, StringComparison.Ordinal);
                break;
            }
            room--;
        }
        Assert.True(room < tokens + 4);
    }

    [Fact]
    public void An_end_by_force_is_told_from_one_that_the_model_chose()
    {
        var constraint = OutputConstraint.JsonSchema("""{"type":"array","items":{"type":"integer","minimum":0,"maximum":9}}""");
        bool[] forced = [.. Enumerable.Range(0, 40)
            .Select(seed => SmallVocabulary.Answer(constraint, new Random(seed), 12, prefersEnd: false).WasForced)];
        Assert.Contains(true, forced);
        Assert.False(SmallVocabulary.Answer(OutputConstraint.JsonSchema("""{"const":"x"}"""), new Random(1), 300).WasForced);
    }

    [Fact]
    public void Hostile_schemas_end_within_their_budget()
    {
        string[] hostile =
        [
            Repeat("""{"type":"array","items":""", "{}", "}", 190),
            """{"type":"string","pattern":".*a.{30}"}""",
            """{"type":"string","pattern":"((a{100}){100}){100}"}""",
            """{"type":"string","pattern":"(((((x?){50}){50}){50}){50})"}""",
            """{"allOf":[""" + string.Join(',',
                Enumerable.Range(0, 30).Select(i => $$"""{"anyOf":[{"minimum":{{i}}},{"maximum":{{i}}}]}""")) + "]}",
            """{"$defs":{""" + string.Join(',', Enumerable.Range(0, 60).Select(i => $$"""
                "d{{i}}":{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/$defs/d{{(i + 1) % 60}}"},{"$ref":"#/$defs/d{{i * 7 % 60}}"}]} } }
                """)) + """},"$ref":"#/$defs/d0"}""",
            """{"type":"object","properties":{""" + string.Join(',',
                Enumerable.Range(0, 5000).Select(i => $"\"property{i:x}name\":{{\"type\":\"integer\",\"minimum\":{i}}}")) + "}}",
            """{"type":"integer","multipleOf":9973,"allOf":[{"multipleOf":9967},{"multipleOf":9949}]}""",
        ];
        foreach (string schema in hostile)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            long bytes = 0;
            try
            {
                bytes = OutputConstraint.JsonSchema(schema).Bytes;
            }
            catch (ConstraintException exception)
            {
                Assert.DoesNotContain('\n', exception.Message);
            }
            Assert.True(bytes < 10 << 20);
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 400L << 20);
        }
    }

    private static string Repeat(string before, string middle, string after, int count) =>
        string.Concat(Enumerable.Repeat(before, count)) + middle + string.Concat(Enumerable.Repeat(after, count));

    private static bool HasDifferentKeys(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Select(member => member.Name).Distinct().Count() == value.EnumerateObject().Count()
            && value.EnumerateObject().All(member => HasDifferentKeys(member.Value)),
        JsonValueKind.Array => value.EnumerateArray().All(HasDifferentKeys),
        _ => true,
    };
}
