using System.Text;
using System.Text.Json;
using EdgeLlm.Chat.Tools;

namespace EdgeLlm.Tests.Chat.Tools;

public sealed class AnswerParserTests
{
    private static readonly ToolDefinition[] Tools =
    [
        new("light")
        {
            Parameters = JsonDocument.Parse(
                """{"type":"object","properties":{"on":{"type":"boolean"},"room":{"type":"string"},"n":{"type":"array"}},"required":["on"]}""").RootElement,
        },
        new("get_time"),
    ];

    public static TheoryData<string, string, string, string> Answers => new()
    {
        { "hermes", "Just text.", "Just text.", "" },
        { "hermes", "Sure.\n<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": true}}\n</tool_call>",
            "Sure.", "light{\"on\": true}" },
        { "hermes",
            "<tool_call>{\"name\":\"light\",\"arguments\":{\"on\":false}}</tool_call>\n<tool_call>\n{\"name\": \"get_time\", "
                + "\"arguments\": {}}\n</tool_call>",
            "", "light{\"on\":false} get_time{}" },
        { "hermes", "The tag <tool_call> begins a call.", "The tag <tool_call> begins a call.", "" },
        { "hermes", "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>",
            "<tool_call>\n{\"name\": \"unknown\", \"arguments\": {}}\n</tool_call>", "" },
        { "hermes", "<tool_call>\n{\"arguments\": {\"on\": true}, \"name\": \"light\"}\n</tool_call>", "", "light{\"on\": true}" },
        { "hermes", "<tool_call>\n{\"name\": \"light\", \"arguments\": {\"on\": tr", "", "light{\"on\": tr" },
        { "hermes", "a < b and <tool", "a < b and <tool", "" },
        { "llama-3", "{\"name\": \"light\", \"parameters\": {\"on\": true}}", "", "light{\"on\": true}" },
        { "llama-3",
            "{\"type\": \"function\", \"name\": \"light\", \"parameters\": {\"on\": true}}; {\"name\": \"get_time\", \"parameters\": {}}",
            "", "light{\"on\": true} get_time{}" },
        { "llama-3", "{\"names\": 1}", "{\"names\": 1}", "" },
        { "llama-3", "<|python_tag|>{\"name\": \"light\", \"parameters\": {\"on\": true}}", "", "light{\"on\": true}" },
        { "mistral-v3",
            "[TOOL_CALLS][{\"name\": \"light\", \"arguments\": {\"on\": true}, \"id\": \"abcdefghi\"}, {\"name\": \"get_time\", "
                + "\"arguments\": {}}]",
            "", "light{\"on\": true} get_time{}" },
        { "mistral", "[TOOL_CALLS]light[ARGS]{\"on\": true}[TOOL_CALLS]get_time[CALL_ID]abcdefghi[ARGS]{}", "",
            "light{\"on\": true} get_time{}" },
        { "functionary-v3.1", "<function=light>{\"on\": true}</function>", "", "light{\"on\": true}" },
        { "functionary-v3.2", ">>>all\nHello.>>>light\n{\"on\": true}", "Hello.", "light{\"on\": true}" },
        { "deepseek-r1",
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>light\n```json\n{\"on\": "
                + "true}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "", "light{\"on\": true} get_time{}" },
        { "command-r",
            "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"light\", \"parameters\": {\"on\": true}}\n]<|END_ACTION|>",
            "", "light{\"on\": true}" },
        { "phi-4", "<|tool_call|>[{\"name\": \"light\", \"arguments\": {\"on\": true}}]<|/tool_call|>", "", "light{\"on\": true}" },
        { "kimi",
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.light:0<|tool_call_argument_begin|>{\"on\": "
                + "true}<|tool_call_end|><|tool_calls_section_end|>",
            "", "light{\"on\": true}" },
        { "harmony",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.light "
                + "<|constrain|>json<|message|>{\"on\": true}",
            "", "light{\"on\": true}" },
        { "harmony", "<|channel|>final<|message|>Hello.", "Hello.", "" },
        { "qwen3-coder",
            "<tool_call>\n<function=light>\n<parameter=on>\ntrue\n</parameter>\n<parameter=room>\n  "
                + "two\nlines\n</parameter>\n<parameter=n>\n[1, 2]\n</parameter>\n</function>\n</tool_call>",
            "", "light{\"on\": true, \"room\": \"  two\\nlines\", \"n\": [1, 2]}" },
        { "glm",
            "<tool_call>light<arg_key>on</arg_key><arg_value>true</arg_value><arg_key>room</arg_key><arg_value>hall</arg_value></tool_call>",
            "", "light{\"on\": true, \"room\": \"hall\"}" },
        { "gemma", "<|tool_call>call:light{on:true,room:<|\"|>the \"hall\"<|\"|>,n:[1,{a:<|\"|>b<|\"|>}]}<tool_call|>", "",
            "light{\"on\": true, \"room\": \"the \\\"hall\\\"\", \"n\": [1, {\"a\": \"b\"}]}" },
        { "lfm2", "<|tool_call_start|>[light(on=True, room=\"a \\\"b\\\" c\", n=[1, 'x', None]), get_time()]<|tool_call_end|>", "",
            "light{\"on\": true, \"room\": \"a \\\"b\\\" c\", \"n\": [1, \"x\", null]} get_time{}" },
        { "json", "{\"name\": \"light\", \"arguments\": {\"on\": true}}", "", "light{\"on\": true}" },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public void An_answer_is_told_apart_however_it_is_cut(string format, string answer, string content, string calls)
    {
        ToolFormat found = Find(format);
        for (int size = 1; size <= answer.Length; size = size < 8 ? size + 1 : size * 2)
        {
            (string text, string read, _) = Read(found, answer.Chunk(size).Select(piece => new string(piece)));
            Assert.Equal((content, calls), (text, read));
        }
    }

    [Fact]
    public void Arguments_come_as_they_are_written()
    {
        var parser = new AnswerParser(Find("hermes"), Tools);
        Assert.Empty(parser.Add("<tool_call>\n{\"name\": \"light\", "));
        Assert.Equal([AnswerPartKind.CallBegin, AnswerPartKind.CallArguments],
            parser.Add("\"arguments\": {\"on").Select(part => part.Kind));
        Assert.Equal("\": tr", Assert.Single(parser.Add("\": tr")).Text);
        Assert.Equal([AnswerPartKind.CallArguments, AnswerPartKind.CallEnd], parser.Add("ue}}\n</tool_call>").Select(part => part.Kind));
        Assert.Empty(parser.End());
        Assert.Matches("^call_[0-9A-Za-z]{24}$", Assert.Single(parser.Calls).Id);
    }

    [Fact]
    public void Thoughts_are_told_apart_and_a_call_in_them_is_none()
    {
        var thinking = new ThinkingFormat("<think>", "</think>");
        const string Answer =
            "<think>\nMaybe <tool_call> {\"name\": \"light\"} is right.\n</think>\n\nSure.\n<tool_call>\n{\"name\": \"light\", "
                + "\"arguments\": {}}\n</tool_call>";
        (string text, string calls, string thoughts) = Read(Find("hermes"), Answer.Select(c => c.ToString()), thinking);
        Assert.Equal(("Sure.", "light{}", "Maybe <tool_call> {\"name\": \"light\"} is right."), (text, calls, thoughts));
        // The prompt may have opened them.
        (text, calls, thoughts) = Read(Find("hermes"), ["Hm.\n</think>\nYes."], thinking, "<|im_start|>assistant\n<think>\n");
        Assert.Equal(("Yes.", "", "Hm."), (text, calls, thoughts));
        // They may never end.
        Assert.Equal(("", "", "Hm. </thin"), Read(Find("hermes"), ["<think>Hm. </thin"], thinking));
    }

    [Fact]
    public void Text_without_tools_and_thoughts_passes_as_it_is()
    {
        var parser = new AnswerParser(Find("hermes"), []);
        Assert.Equal(" <tool_call>\n ", Assert.Single(parser.Add(" <tool_call>\n ")).Text);
        Assert.Empty(parser.End());
    }

    [Fact]
    public void Damaged_answers_give_the_same_however_they_are_cut_and_lose_nothing_where_no_call_is_read()
    {
        var random = new Random(20);
        string[] words = ["<tool_call>", "</tool_call>", "{", "}", "[", "]", "\"", "\\", "name", "light", "arguments", ":", ",", " ", "\n",
            "<function=", "<parameter=on>", "[TOOL_CALLS]", "[ARGS]", "functions.", ">>>", "é", "😀", "<|\"|>", "call:", "(", ")", "="];
        foreach (TheoryDataRow<string, string, string, string> row in Answers)
        {
            (string name, string answer) = (row.Data.Item1, row.Data.Item2);
            for (int i = 0; i < 150; i++)
            {
                var text = new StringBuilder(answer);
                for (int edits = random.Next(1, 5); edits > 0; edits--)
                {
                    int at = random.Next(text.Length + 1), length = Math.Min(random.Next(6), text.Length - at);
                    text.Remove(at, length);
                    if (random.Next(2) == 0) text.Insert(at, words[random.Next(words.Length)]);
                }
                string damaged = text.ToString();
                (string content, string calls, string thoughts) whole = Read(Find(name), [damaged]);
                int size = random.Next(1, 4);
                Assert.Equal(whole, Read(Find(name), damaged.Chunk(size).Select(piece => new string(piece))));
                if (whole.calls.Length == 0 && Find(name).Dropped.Length == 0) Assert.Equal(damaged, whole.content);
            }
        }
    }

    [Fact]
    public void A_long_hostile_answer_is_read_in_time()
    {
        foreach (string hostile in (string[])["<tool_call>{", "<", "<tool_call>\n{\"name\": \"light\", \"arguments\": {\"a\": \"",
            "{\"a\":[", "<|tool_call>call:light{a:[", "\n "])
        {
            foreach (ToolFormat format in (ToolFormat[])[Find("hermes"), Find("gemma"), Find("llama-3"), Find("qwen3-coder")])
            {
                var parser = new AnswerParser(format, Tools, new ThinkingFormat("<think>", "</think>"));
                for (int i = 0; i < 2_000; i++) parser.Add(hostile);
                parser.End();
            }
        }
    }

    private static ToolFormat Find(string name) => name == "json" ? ToolFormats.Json : ToolFormats.All.First(format => format.Name == name);

    private static (string Content, string Calls, string Thoughts) Read(ToolFormat format, IEnumerable<string> pieces,
        ThinkingFormat? thinking = null, string prompt = "")
    {
        if (format.Name == "harmony") thinking ??= new ThinkingFormat("<|channel|>analysis<|message|>", "<|end|>");
        var parser = new AnswerParser(format, Tools, thinking, prompt);
        var all = new List<AnswerPart>();
        foreach (string piece in pieces) all.AddRange(parser.Add(piece));
        all.AddRange(parser.End());
        for (int i = 0; i < parser.Calls.Count; i++)
        {
            Assert.Equal(parser.Calls[i].Arguments,
                string.Concat(all.Where(part => part.Kind == AnswerPartKind.CallArguments && part.Call == i).Select(part => part.Text)));
            Assert.Single(all, part => part.Kind == AnswerPartKind.CallEnd && part.Call == i);
        }
        return (Text(AnswerPartKind.Content), string.Join(' ', parser.Calls.Select(call => call.Name + call.Arguments)),
            Text(AnswerPartKind.Reasoning));

        string Text(AnswerPartKind kind) => string.Concat(all.Where(part => part.Kind == kind).Select(part => part.Text));
    }
}
