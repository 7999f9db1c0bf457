namespace EdgeLlm.Chat.Tools;

/// <summary>
/// The formats in which families of models write calls, each as its model's chat template or card shows it. Those with more special signs
/// are before the others: the first whose signs are there is taken.
/// </summary>
internal static class ToolFormats
{
    private static readonly ValueNotation Gemma = new("{", "}", ":", "<|\"|>", "true");
    private static readonly ValueNotation FunctionGemma = new("{", "}", ":", "<escape>", "true");
    private static readonly ValueNotation Python = new("(", ")", "=", null, "True");

    private static readonly NamePart Name = new();
    private static readonly JsonPart Arguments = new();

    /// <summary>JSON as the whole answer: for templates that show tools and of which nothing else is known.</summary>
    public static ToolFormat Json { get; } = new("json")
    {
        StartTriggers = ["{ \"name\" :"],
        Call =
        [
            Text("{ \"name\" : \""), Name, Text("\" , "), new EitherPart([Text("\"arguments\"")], [Text("\"parameters\"")]),
            Text(" : "), Arguments, Text(" }"),
        ],
        Separator = " ; ",
    };

    /// <summary>Hermes', Qwen's, SmolLM3's; and what the built-in instructions of <see cref="RequestTurns"/> ask for.</summary>
    public static ToolFormat BuiltIn { get; } = new("hermes")
    {
        Triggers = ["<tool_call>"],
        Call = [Text("<tool_call>\n{ \"name\" : \""), Name, Text("\" , \"arguments\" : "), Arguments, Text(" }\n</tool_call>")],
        Separator = "\n",
        Signs = ["<tool_call>"],
    };

    public static IReadOnlyList<ToolFormat> All { get; } =
    [
        Parameters("minimax", "<minimax:tool_call>\n<invoke name=\"", "\">\n", "<parameter name=\"", "\">", "</parameter>\n",
            "</invoke>\n</minimax:tool_call>", "<minimax:tool_call>"),
        Parameters("seed-oss", "<seed:tool_call>\n<function=", ">\n", "<parameter=", ">", "</parameter>\n",
            "</function>\n</seed:tool_call>", "<seed:tool_call>"),
        Parameters("glm", "<tool_call>", "\n", "<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n", "</tool_call>",
            "<tool_call>", "<arg_key>"),
        Parameters("qwen3-coder", "<tool_call>\n<function=", ">\n", "<parameter=", ">\n", "\n</parameter>\n", "</function>\n</tool_call>",
            "<tool_call>", "<parameter="),
        Dsml("deepseek-v4", "tool_calls"),
        Dsml("deepseek-v3.2", "function_calls"),
        new("harmony")
        {
            Triggers = ["to=functions."],
            Preface = "<|channel|>commentary ",
            Call =
            [
                Text("to=functions."), Name, new EitherPart([Text("<|channel|>commentary")], []), Text(" "),
                new EitherPart([Text("<|constrain|>")], []), Text("json<|message|>"),
                Arguments, new EitherPart([Text("<|call|>")], []),
            ],
            Separator = "<|start|>assistant<|channel|>commentary ",
            Dropped = ["<|start|>assistant", "<|channel|>final<|message|>", "<|channel|>final", "<|channel|>commentary<|message|>",
                "<|channel|>commentary", "<|message|>", "<|end|>", "<|return|>", "<|call|>"],
            Signs = ["to=functions.", "<|channel|>commentary"],
        },
        new("gemma")
        {
            Triggers = ["<|tool_call>"],
            Call = [Text("<|tool_call>call:"), Name, new ValuesPart(Gemma), Text("<tool_call|>")],
            Signs = ["<|tool_call>call:"],
        },
        new("functiongemma")
        {
            Triggers = ["<start_function_call>"],
            Call = [Text("<start_function_call>call:"), Name, new ValuesPart(FunctionGemma), Text("<end_function_call>")],
            Signs = ["<start_function_call>"],
        },
        new("kimi")
        {
            Triggers = ["<|tool_calls_section_begin|>"],
            Begin = [Text("<|tool_calls_section_begin|>")],
            Call = [Text("<|tool_call_begin|>functions."), Name, Text(":"), new IdPart("[0-9]{1,4}"), Text("<|tool_call_argument_begin|>"),
                Arguments, Text("<|tool_call_end|>")],
            End = "<|tool_calls_section_end|>",
            Signs = ["<|tool_calls_section_begin|>"],
        },
        new("deepseek-r1")
        {
            Triggers = ["<｜tool▁calls▁begin｜>"],
            Begin = [Text("<｜tool▁calls▁begin｜>")],
            Call = [Text("<｜tool▁call▁begin｜>function<｜tool▁sep｜>"), Name, Text("\n```json\n"), Arguments, Text("\n```<｜tool▁call▁end｜>")],
            Separator = "\n",
            End = "<｜tool▁calls▁end｜>",
            Signs = ["<｜tool▁calls▁begin｜>", "```json"],
        },
        new("deepseek-v3.1")
        {
            Triggers = ["<｜tool▁calls▁begin｜>"],
            Begin = [Text("<｜tool▁calls▁begin｜>")],
            Call = [Text("<｜tool▁call▁begin｜>"), Name, Text("<｜tool▁sep｜>"), Arguments, Text("<｜tool▁call▁end｜>")],
            End = "<｜tool▁calls▁end｜>",
            Signs = ["<｜tool▁calls▁begin｜>"],
        },
        Objects("command-r", "<|START_ACTION|>", "tool_name", "parameters", "<|END_ACTION|>", "<|START_ACTION|>"),
        new("apertus")
        {
            Triggers = ["<|tools_prefix|>"],
            Begin = [Text("<|tools_prefix|> [ ")],
            Call = [Text("{ \""), Name, Text("\" : "), Arguments, Text(" }")],
            Separator = " , ",
            End = " ]<|tools_suffix|>",
            Signs = ["<|tools_prefix|>"],
        },
        new("mistral")
        {
            Triggers = ["[TOOL_CALLS]"],
            Call = [Text("[TOOL_CALLS]"), Name, new EitherPart([Text("[CALL_ID]"), new IdPart("[a-zA-Z0-9]{9}")], []),
                Text("[ARGS]"), Arguments],
            HasShortIds = true,
            Signs = ["[TOOL_CALLS]", "[ARGS]"],
        },
        Objects("mistral-v3", "[TOOL_CALLS]", "name", "arguments", "", "[TOOL_CALLS]"),
        Objects("apriel", "<tool_calls>", "name", "arguments", "</tool_calls>", "<tool_calls>"),
        Objects("nemotron", "<TOOLCALL>", "name", "arguments", "</TOOLCALL>", "<TOOLCALL>"),
        Objects("phi-4", "<|tool_call|>", "name", "arguments", "<|/tool_call|>", "<|/tool_call|>"),
        Objects("phi-4", "<|tool_call|>", "name", "arguments", "<|/tool_call|>", "<|tool|>", "<|/tool|>"),
        Objects("functools", "functools", "name", "arguments", "", "functools["),
        Objects("granite", "<|tool_call|>", "name", "arguments", "", "<|tool_call|>"),
        new("gigachat")
        {
            Triggers = ["function call<|role_sep|>"],
            Begin = [Text("function call<|role_sep|>\n")],
            Call = [Text("{ \"name\" : \""), Name, Text("\" , \"arguments\" : "), Arguments, Text(" }")],
            Dropped = ["<|message_sep|>"],
            Signs = ["function call<|role_sep|>"],
        },
        new("lfm2")
        {
            Triggers = ["<|tool_call_start|>"],
            Begin = [Text("<|tool_call_start|> [ ")],
            Call = [Name, new ValuesPart(Python)],
            Separator = " , ",
            End = " ]<|tool_call_end|>",
            Signs = ["<|tool_list_start|>"],
        },
        new("functionary-v3.2")
        {
            Triggers = [">>>"],
            NamesFollowTriggers = true,
            Call = [Text(">>>"), Name, Text("\n"), Arguments],
            Dropped = [">>>all"],
            Signs = [">>>"],
        },
        new("functionary-v3.1")
        {
            Triggers = ["<function="],
            Call = [Text("<function="), Name, Text(">"), Arguments, Text("</function>")],
            Signs = ["<function="],
        },
        BuiltIn,
        Llama("\"parameters\":", "\"name\":", "probe"),
        Llama("<|python_tag|>"),
    ];

    /// <summary>The format of a name, of which there is one way of writing calls; null where there is none.</summary>
    public static ToolFormat? Named(string name) => name == Json.Name ? Json : All.FirstOrDefault(format => format.Name == name);

    /// <summary>The format whose signs a text has: a rendered call, or a template's source; null where there is none.</summary>
    public static ToolFormat? Find(string text) =>
        All.FirstOrDefault(format => format.Signs.All(sign => text.Contains(sign, StringComparison.Ordinal)));

    /// <summary>Calls as JSON objects in a list, after a mark.</summary>
    private static ToolFormat Objects(string family, string mark, string name, string arguments, string close, params string[] signs) =>
        new(family)
        {
            Triggers = [mark],
            Begin = [Text(mark + " [ ")],
            Call =
        [
            Text("{ "), new EitherPart([Text("\"tool_call_id\" : \""), new IdPart("[0-9]{1,4}"), Text("\" , ")], []),
            Text($"\"{name}\" : \""), Name, Text($"\" , \"{arguments}\" : "), Arguments,
            new EitherPart([Text(" , \"id\" : \""), new IdPart("[a-zA-Z0-9_-]{1,40}"), Text("\"")], []), Text(" }"),
        ],
            Separator = " , ",
            End = " ]" + close,
            HasShortIds = family.StartsWith("mistral", StringComparison.Ordinal),
            Signs = signs,
        };

    /// <summary>Calls with each argument between tags.</summary>
    private static ToolFormat Parameters(string family, string before, string afterName, string head, string middle, string tail,
        string after, params string[] signs) =>
        new(family)
        {
            Triggers = [before.Split('\n')[0]],
            Call = [Text(before), Name, Text(afterName), new ParametersPart(head, middle, tail), Text(after)],
            Separator = "\n",
            Signs = signs,
        };

    private static ToolFormat Llama(params string[] signs) => new("llama-3")
    {
        Triggers = ["<|python_tag|>"],
        StartTriggers = ["{ \"name\" :", "{ \"type\" : \"function\" , \"name\" :"],
        Call =
        [
            new EitherPart([Text("<|python_tag|>")], []), Text("{ "), new EitherPart([Text("\"type\" : \"function\" , ")], []),
            Text("\"name\" : \""), Name,
            Text("\" , \"parameters\" : "), Arguments, Text(" }"),
        ],
        Separator = " ; ",
        Signs = signs,
    };

    private static ToolFormat Dsml(string family, string section) => new(family)
    {
        Triggers = [$"<｜DSML｜{section}>"],
        Begin = [Text($"<｜DSML｜{section}>\n")],
        Call =
        [
            Text("<｜DSML｜invoke name=\""), Name, Text("\">\n"),
            new ParametersPart("<｜DSML｜parameter name=\"", "\" string=\"{string}\">", "</｜DSML｜parameter>\n"), Text("</｜DSML｜invoke>"),
        ],
        Separator = "\n",
        End = $"\n</｜DSML｜{section}>",
        Signs = [$"<｜DSML｜{section}>"],
    };

    private static TextPart Text(string text) => new(text);
}
