using System.Text;
using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Generation.Tools;

/// <summary>Forms of calls as data: what one process is held to, another one is, too.</summary>
public sealed class CallFormTests
{
    private static readonly ToolDefinition[] Tools =
    [
        new("light") { Parameters = Parsed(
            """{"type":"object","properties":{"room":{"enum":["kitchen","hä\"ll"]},"level":{"type":"integer","minimum":0,"maximum":9}},"required":["room"],"additionalProperties":false}""") },
        new("ring"), new("go") { IsCustom = true, Regex = "[a-c]{1,3}" }, new("sum") { IsCustom = true, Lark = "start: \"1\" (\"+\" \"1\")*" },
        new("any") { Parameters = Parsed("""{"type":"object"}""") },
    ];

    public static TheoryData<string> Formats => [.. ToolFormats.All.Append(ToolFormats.Json).Select(format => format.Name).Distinct()];

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_form_that_was_sent_allows_the_same_calls(string name)
    {
        ToolFormat format = ToolFormats.Named(name)!;
        foreach (ToolDefinition[] tools in new[] { Tools, Tools[..1], Tools[2..3] })
        {
            OutputConstraint made = CallConstraint.Compile(format, tools, 3, "\n</think>\n\n");
            Assert.Equal(CallForm.Kind, made.Source!.Value.Kind);
            var form = CallForm.Read(made.Source!.Value.Text);
            OutputConstraint read = form.Compile();
            Assert.Equal((made.Bytes, made.ShortestBytes), (read.Bytes, read.ShortestBytes));
            Assert.Equal(made.Source, read.Source);
            Assert.Equal(tools.Select(tool => tool.Name), form.Tools.Select(tool => tool.Name));
            Assert.Same(format, form.Format);
        }
    }

    /// <summary>A form is sent by its format's name.</summary>
    [Fact]
    public void Formats_of_one_name_write_calls_in_one_way()
    {
        foreach (ToolFormat format in ToolFormats.All)
        {
            ToolFormat named = ToolFormats.Named(format.Name)!;
            Assert.Equal(CallConstraint.Compile(named, Tools, 2).Bytes, CallConstraint.Compile(format, Tools, 2).Bytes);
            Assert.Equal((string.Join('|', named.Triggers), string.Join('|', named.StartTriggers), named.NamesFollowTriggers),
                (string.Join('|', format.Triggers), string.Join('|', format.StartTriggers), format.NamesFollowTriggers));
        }
        Assert.Null(ToolFormats.Named("king"));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[")]
    [InlineData("""{"format":"hermes"}""")]
    [InlineData("""{"format":"king","most":1,"before":"","seed":"","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":0,"before":"","seed":"","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":9,"before":"","seed":"","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"xx","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"lfm2","most":1,"before":"","seed":"xx","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":null,"seed":"","tools":[{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":false},{"name":"a","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a b","custom":false}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":1}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":false,"parameters":[]}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":false,"parameters":{"type":"string"}}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":false,"parameters":{"type":"object","not":3}}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":true,"regex":"("}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":true,"lark":"(((("}]}""")]
    [InlineData("""{"format":"hermes","most":1,"before":"","seed":"","tools":[{"name":"a","custom":true,"regex":"(a{1,999}){1,999}"}]}""")]
    public void What_is_no_form_is_refused(string text) => Assert.Throws<ConstraintException>(() => CallForm.Read(text).Compile());

    [Fact]
    public void Too_much_is_refused()
    {
        string tools = string.Join(',', Enumerable.Range(0, 129).Select(i => $"{{\"name\":\"a{i}\",\"custom\":false}}"));
        foreach (string text in new[]
        {
            $"{{\"format\":\"hermes\",\"most\":1,\"before\":\"\",\"seed\":\"\",\"tools\":[{tools}]}}",
            $"{{\"format\":\"hermes\",\"most\":1,\"before\":\"{new string('x', 1001)}\",\"seed\":\"\",\"tools\":[{{\"name\":\"a\",\"custom\":false}}]}}",
            new string(' ', (4 << 20) + 1), new string('[', 100_000),
        })
            Assert.Throws<ConstraintException>(() => CallForm.Read(text).Compile());
    }

    [Fact]
    public void Damaged_forms_are_forms_or_refused_and_nothing_else()
    {
        byte[][] wholes = [.. new[] { "hermes", "gemma", "qwen3-coder", "functionary-v3.2" }
            .Select(name => Encoding.UTF8.GetBytes(new CallForm(ToolFormats.Named(name)!, Tools, 2).ToJson()))];
        string[] pieces = ["null", "-1", "1e999", "[]", "{}", "\"\"", "\"\\ud83d\"", "[null]", "true", "{\"a\":1,\"a\":2}", "{\"$ref\":\"#\"}"];
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] mutant = [.. wholes[i % wholes.Length]];
            int at = random.Next(mutant.Length);
            if (i % 3 == 0) mutant[at] = (byte)random.Next(256);
            else if (i % 3 == 1) mutant = mutant[..at];
            else
            {
                int colon = Array.IndexOf(mutant, (byte)':', at), end = colon < 0 ? -1 : Array.IndexOf(mutant, (byte)',', colon);
                if (end > 0) mutant = [.. mutant[..(colon + 1)], .. Encoding.ASCII.GetBytes(pieces[random.Next(pieces.Length)]), .. mutant[end..]];
            }
            try
            {
                CallForm.Read(Encoding.UTF8.GetString(mutant)).Compile();
            }
            catch (ConstraintException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 500, 1999);
    }

    private static JsonElement Parsed(string json) => JsonDocument.Parse(json).RootElement;
}
