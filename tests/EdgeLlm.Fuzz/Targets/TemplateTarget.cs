using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.Chat;
using EdgeLlm.Fuzz.Inputs;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Chat templates: Jinja source damaged word by word or made up from its grammar, with damaged variables.</summary>
internal static partial class TemplateTarget
{
    private static readonly string[] Templates =
    [
        TinyModel.ChatTemplate,
        "{%- if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set loop_messages = messages[1:] %}{% else %}{% "
            + "set loop_messages = messages %}{% endif %}{% for m in loop_messages %}"
            + "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ "
            + "bos_token ~ '[INST] ' ~ m.content|trim ~ ' [/INST]' }}{% endfor %}",
        "{% macro tool(t, n=2) %}{{ t.function.name }}: {{ t.function.parameters | tojson(indent=n) }}{% endmacro %}{% if tools %}{% "
            + "for t in tools %}{{ tool(t) }}\n{% endfor %}{% endif %}"
            + "{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.arguments | tojson }}{% endfor %}{% "
            + "endif %}{{ m.content }}{% endfor %}",
        "{% set ns = namespace(n=0, s='', l=[]) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.l = ns.l + [m.role|upper] "
            + "%}{% set ns.s = ns.s + m.content[:10] %}{% endfor %}"
            + "{{ ns.n }} {{ ns.l | join(', ') }} {{ ns.s.split(' ') | length }} {{ strftime_now('%d %b %Y') }} {{ '%5.2f|%-5s' % (1.5, "
            + "'a') }} {{ '{:>8}'.format(ns.n) }}",
        "{% for k, v in d | dictsort %}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}{% for x in l recursive %}{{ x "
            + "}}{% if x is sequence and x is not string %}{{ loop(x) }}{% endif %}{% endfor %}"
            + "{% filter upper %}a{% endfilter %}{% call(u) outer() %}{{ u }}{% endcall %}{% generation %}x{% endgeneration %}",
    ];

    private static readonly string[] Words =
    [
        .. ("abs attr batch capitalize center count default dictsort escape first float format groupby indent int items join last "
            + "length list lower lstrip map max min random reject rejectattr replace reverse "
            + "round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode wordcount "
            + "wordwrap xmlattr startswith endswith split rsplit splitlines strip find "
            + "rfind index isalpha isdigit casefold zfill ljust rjust expandtabs partition get keys values pop append extend insert "
            + "namespace range dict cycler joiner lipsum raise_exception strftime_now loop "
            + "caller varargs kwargs self messages tools bos_token eos_token add_generation_prompt message role content d l s n x true "
            + "false none True None not and or in is if else elif endif for endfor set endset "
            + "macro endmacro call endcall filter endfilter recursive break continue defined undefined string number mapping iterable "
            + "sequence even odd divisibleby sameas eq raw endraw include import block").Split(
                ' '),
        "{{", "}}", "{%", "%}", "{%-", "-%}", "{#", "#}", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "~", "+", "-", "*", "/", "//",
        "%", "**", "==", "!=", "<", ">", "<=", ">=", "=",
        "'a'", "\"\\u00e9\"", "'\\x00'", "'%s'", "'{}'", "'%*d'", "'{:{}}'", "0", "1", "2", "10", "100", "-1", "1.5", "1e308",
        "9223372036854775807", "10**9", "2**63", "'a' * 100000", "[0] * 100000", "range(100000)", "\n", " ",
    ];

    private const string Variables =
        """
        {"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi \ud83d\ude00 é","tool_calls":null},{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":{"a":[1,2.5,null]}}}]},
        {"role":"tool","tool_call_id":"c1","content":"42"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":"number"}}}}}],
        "add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>","d":{"b":1,"a":[1,2,{"c":null}]},"l":[1,[2,[3]],"x",2.5,true],"s":" text ","n":7,"x":1e300}
        """;

    private static readonly string[] Names = ["role", "content", "tool_calls", "function", "arguments", "name", "parameters", "type",
        "messages", "tools", "d", "l", "s", "n", "x", "bos_token", "enable_thinking"];

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        string source = dice.Below(4) switch
        {
            0 => MadeUp(dice),
            1 => Encoding.UTF8.GetString(dice.Damage(Encoding.UTF8.GetBytes(dice.Of(Templates)))),
            _ => Reworded(dice, dice.Of(Templates)),
        };
        JsonElement variables = VariablesOf(dice);
        current.Begin(source.Length + Variables.Length);
        ChatTemplate template = ChatTemplate.Parse(source);
        if (dice.OneIn(3)) template.Render(Request(dice, variables));
        else template.Render(variables, DateTimeOffset.UnixEpoch);
        return null;
    }

    private static JsonElement VariablesOf(Dice dice)
    {
        try
        {
            JsonElement element = JsonDocument.Parse(dice.OneIn(2) ? Encoding.UTF8.GetBytes(Variables)
                : JsonMutator.Mutate(dice, Encoding.UTF8.GetBytes(Variables), Names)).RootElement;
            if (element.ValueKind == JsonValueKind.Object) return element;
        }
        catch (JsonException)
        {
            // JSON is parsed before a template gets it.
        }
        return JsonDocument.Parse(Variables).RootElement;
    }

    private static ChatRequest Request(Dice dice, JsonElement variables) => new()
    {
        Messages =
        [
            .. Enumerable.Range(0, 1 + dice.Below(4))
                .Select(_ => new ChatMessage(dice.Pick("system", "user", "assistant", "tool", dice.Text()), dice.Text())
            {
                ToolCalls = dice.OneIn(3)
                    ? [new ChatToolCall(dice.Text(), dice.Text(), dice.Pick("{}", "{\"a\":[1]}", "[", dice.Text()))] : [],
                ReasoningContent = dice.OneIn(3) ? dice.Text() : null,
            }),
        ],
        Tools = dice.OneIn(2) && variables.TryGetProperty("tools", out JsonElement tools) ? tools : null,
        Variables = dice.OneIn(2) ? variables : null,
        AddGenerationPrompt = dice.OneIn(2),
        BosToken = dice.Text(),
        Now = DateTimeOffset.UnixEpoch,
    };

    /// <summary>Words of a template are left out, doubled, or become others.</summary>
    private static string Reworded(Dice dice, string template)
    {
        List<string> words = [.. Word().Matches(template).Select(match => match.Value)];
        for (int count = dice.OneIn(16) ? 0 : dice.Mutations(); count > 0 && words.Count > 0; count--)
        {
            int at = dice.Below(words.Count);
            switch (dice.Below(5))
            {
                case 0: words.RemoveAt(at); break;
                case 1: words.Insert(at, words[dice.Below(words.Count)]); break;
                case 2: words.Insert(at, dice.Of(Words)); break;
                case 3: words.InsertRange(at, words.GetRange(at, Math.Min(words.Count - at, dice.Below(12)))); break;
                default: words[at] = dice.Of(Words); break;
            }
        }
        return string.Concat(words);
    }

    /// <summary>Statements and expressions by the grammar, whatever they mean.</summary>
    private static string MadeUp(Dice dice)
    {
        var text = new StringBuilder();
        for (int count = 1 + dice.Below(6); count > 0; count--) text.Append(Statement(dice, 0));
        return text.ToString();
    }

    private static string Statement(Dice dice, int depth)
    {
        string Body() => depth > 4 ? "x" : Statement(dice, depth + 1);
        return dice.Below(9) switch
        {
            0 => $"{{% for x in {Expression(dice, 0)} %}}{Body()}{{% endfor %}}",
            1 => $"{{% if {Expression(dice, 0)} %}}{Body()}{{% else %}}{Body()}{{% endif %}}",
            2 => $"{{% set {dice.Pick("x", "n", "s", "l")} = {Expression(dice, 0)} %}}",
            3 => $"{{% set x %}}{Body()}{{% endset %}}",
            4 => $"{{% macro m(x, n={Expression(dice, 2)}) %}}{Body()}{{% endmacro %}}{{{{ m({Expression(dice, 1)}) }}}}",
            5 => $"{{% set ns = namespace(a={Expression(dice, 1)}) %}}{{% set ns.a = {Expression(dice, 1)} %}}{Body()}{{{{ ns.a }}}}",
            6 => dice.OneIn(4) ? dice.Text() : "text ",
            _ => $"{{{{ {Expression(dice, 0)} }}}}",
        };
    }

    private static string Expression(Dice dice, int depth)
    {
        if (depth > 4)
            return dice.Pick("x", "n", "s", "l", "d", "messages", "1", "0", "-1", "2.5", "'a b'", "none", "true", "[]", "{}", "range(9)");
        string Part() => Expression(dice, depth + 1);
        return dice.Below(14) switch
        {
            0 or 1 =>
                $"{Part()} {dice.Pick("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "and", "or", "in", "not in")} {Part()}",
            2 or 3 or 4 => $"({Part()}) | {dice.Of(Words)}{(dice.OneIn(2) ? $"({Part()})" : "")}",
            5 or 6 => $"({Part()}).{dice.Of(Words)}({(dice.OneIn(2) ? Part() : "")})",
            7 => $"({Part()})[{(dice.OneIn(2) ? $"{Part()}:{Part()}" : Part())}]",
            8 => $"[{Part()}, {Part()}]",
            9 => $"{{{Part()}: {Part()}}}",
            10 => $"({Part()} if {Part()} else {Part()})",
            11 => $"({Part()}) is {(dice.OneIn(4) ? "not " : "")}{dice.Of(Words)}",
            12 => dice.Pick("range", "dict", "namespace", "cycler", "joiner") + $"({Part()})",
            _ => dice.OneIn(4) ? ((long)dice.Integer()).ToString(CultureInfo.InvariantCulture) : Expression(dice, 5),
        };
    }

    [GeneratedRegex(@"\w+|\s+|\{[{%#]-?|-?[%}#]\}|.", RegexOptions.Singleline)]
    private static partial Regex Word();
}
