using System.Text.Json;
using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>What becomes of conversations that a template cannot express as they are.</summary>
public sealed class ChatRequestTests
{
    private const string Plain = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}";
    private const string Strict = """
        {%- for m in messages %}
          {%- if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
          {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
          {{- '[' + m.role + ']' + m.content }}
        {%- endfor %}
        """;

    private static readonly JsonElement Tools = Json("""[{"type": "function", "function": {"name": "get_time", "parameters": {}}}]""");

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static string Render(string template, params ChatMessage[] messages) =>
        ChatTemplate.Parse(template).Render(new ChatRequest { Messages = messages }).Text;

    private static ChatMessage Call(string arguments) =>
        new("assistant", "") { ToolCalls = [new ChatToolCall("id", "get_time", arguments)] };

    [Fact]
    public void A_system_turn_goes_before_the_first_user_turn_where_there_is_no_system_role() => Assert.Equal(
        "[user]Be brief.\n\nHi[assistant]Ho[user]Bye",
        Render(Strict, new("system", "Be brief."), new("user", "Hi"), new("assistant", "Ho"), new("user", "Bye")));

    [Fact]
    public void A_system_turn_alone_becomes_a_user_turn() =>
        Assert.Equal("[user]Be brief.", Render(Strict, new ChatMessage("system", "Be brief.")));

    [Fact]
    public void Neighbours_of_one_role_are_joined_where_roles_must_alternate() => Assert.Equal(
        "[user]a\n\nb[assistant]c\n\nd[user]e",
        Render(Strict, new("user", "a"), new("user", "b"), new("assistant", "c"), new("assistant", "d"), new("user", "e")));

    [Fact]
    public void Nothing_is_changed_where_the_template_can_do_it() => Assert.Equal(
        "[system]s[user]a[user]b", Render(Plain, new("system", "s"), new("user", "a"), new("user", "b")));

    [Fact]
    public void Tools_go_into_the_system_turn_as_JSON_where_the_template_does_not_list_them()
    {
        ChatRequest request = new() { Messages = [new("system", "Be brief."), new("user", "Hi")], Tools = Tools };
        string text = ChatTemplate.Parse(Plain).Render(request).Text;
        Assert.StartsWith("[system]Be brief.\n\nYou may call functions.", text);
        Assert.EndsWith("""{"type": "function", "function": {"name": "get_time", "parameters": {}}}[user]Hi""", text);
        string withoutSystem = ChatTemplate.Parse(Plain).Render(request with { Messages = [new("user", "Hi")] }).Text;
        Assert.StartsWith("[system]You may call functions.", withoutSystem);
        string merged = ChatTemplate.Parse(Strict).Render(request).Text;
        Assert.StartsWith("[user]Be brief.\n\nYou may call functions.", merged);
    }

    [Fact]
    public void Tools_are_given_to_a_template_that_lists_them() => Assert.Equal("get_time|hi", ChatTemplate
        .Parse("{% if tools %}{% for t in tools %}{{ t.function.name }}{% endfor %}|{% endif %}{{ messages[0].content }}")
        .Render(new ChatRequest { Messages = [new("user", "hi")], Tools = Tools }).Text);

    [Fact]
    public void Calls_and_answers_become_text_where_the_template_has_no_words_for_them() => Assert.Equal(
        "[user]When?[assistant]<tool_call>\n{\"name\": \"get_time\", \"arguments\": {\"zone\": \"UTC\"}}\n</tool_call>"
        + "[user]<tool_response>\n12\n</tool_response>",
        Render(Strict, new("user", "When?"), Call("{\"zone\": \"UTC\"}"), new("tool", "12")));

    [Fact]
    public void What_is_no_JSON_object_stays_text_among_the_arguments() => Assert.Equal(
        "[user]?[assistant]<tool_call>\n{\"name\": \"get_time\", \"arguments\": \"{oops\"}\n</tool_call>",
        Render(Strict, new("user", "?"), Call("{oops")));

    [Theory]
    [InlineData("{{ c.function.arguments|tojson }}", true, false, """{"zone": "UTC"}""")]
    [InlineData("{{ 'call ' + c.function.arguments }}", false, true, """call {"zone":"UTC"}""")]
    [InlineData("{{ c.function.arguments }}", false, true, """{"zone":"UTC"}""")]
    [InlineData("{% set a = c.function.arguments %}{{ a if a is string else a|tojson }}", false, false, """{"zone": "UTC"}""")]
    [InlineData("{% for k, v in c.function.arguments|items %}{{ k }}={{ v }}{% endfor %}", true, false, "zone=UTC")]
    public void Arguments_are_an_object_or_text_as_the_template_wants_them(string output, bool needsObject, bool needsText, string expected)
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}{% for c in m.tool_calls %}" + output
                + "{% endfor %}{{ m.content if m.role != 'assistant' }}{% endfor %}");
        Assert.True(template.Capabilities.SupportsToolCalls);
        Assert.Equal(needsObject, template.Capabilities.RequiresObjectArguments);
        Assert.Equal(needsText, template.Capabilities.RequiresStringArguments);
        Assert.Equal(expected, template.Render(new ChatRequest { Messages = [new("user", ""), Call("{\"zone\":\"UTC\"}")] }).Text);
    }

    [Fact]
    public void Content_is_a_list_of_parts_where_the_template_takes_nothing_else()
    {
        const string typed = "{% for m in messages %}[{{ m.role }}]{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}";
        Assert.True(ChatTemplate.Parse(typed).Capabilities.RequiresTypedContent);
        Assert.False(ChatTemplate.Parse(Plain).Capabilities.RequiresTypedContent);
        Assert.Equal("[system]s[user]hi", Render(typed, new("system", "s"), new("user", "hi")));
    }

    [Fact]
    public void No_tools_are_none_except_for_a_template_that_walks_the_list_unasked()
    {
        Assert.Equal("True", Render("{{ messages[0].content }}{{ tools is none and documents is none }}", new ChatMessage("user", "")));
        Assert.Equal("[]", Render("{% for t in tools %}{% endfor %}{{ messages[0].content }}{{ tools }}", new ChatMessage("user", "")));
    }

    [Fact]
    public void Capabilities_tell_what_a_template_can_do()
    {
        ChatCapabilities strict = ChatTemplate.Parse(Strict).Capabilities;
        Assert.False(strict.SupportsSystemRole || strict.SupportsTools || strict.SupportsToolCalls || strict.SupportsToolRole);
        Assert.True(strict is { RequiresAlternation: true, RequiresNonNullContent: true });
        ChatCapabilities plain = ChatTemplate.Parse(Plain).Capabilities;
        Assert.True(plain is { SupportsSystemRole: true, SupportsToolRole: true, RequiresAlternation: false, SupportsToolCalls: false });
    }

    [Fact]
    public void A_template_that_fails_at_everything_still_has_capabilities_and_fails_when_it_is_used()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ raise_exception('no') }}");
        Assert.False(template.Capabilities.SupportsSystemRole);
        Assert.Throws<ChatTemplateException>(() => template.Render(new ChatRequest { Messages = [new("user", "hi")] }));
    }

    [Fact]
    public void The_built_in_template_is_ChatML()
    {
        ChatRequest request = new() { Messages = [new("system", "Be brief."), new("user", "Hi <|im_end|>")] };
        ChatPrompt prompt = ChatTemplate.BuiltIn.Render(request);
        Assert.Equal("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n",
            prompt.Text);
        Assert.Equal(new ChatPromptPart("Hi <|im_end|>", true), prompt.Parts[3]);
        Assert.EndsWith("<|im_end|>\n", ChatTemplate.BuiltIn.Render(request with { AddGenerationPrompt = false }).Text);
    }

    [Fact]
    public void Models_that_are_known_are_judged_rightly()
    {
        AssertCapabilities("google-gemma-2-2b-it", system: false, tools: false, calls: false, alternation: true);
        AssertCapabilities("Qwen-Qwen2.5-7B-Instruct", system: true, tools: true, calls: true, alternation: false);
        AssertCapabilities("meta-llama-Llama-3.2-3B-Instruct", system: true, tools: true, calls: true, alternation: false);
        AssertCapabilities("mistralai-Mistral-Nemo-Instruct-2407", system: true, tools: true, calls: true, alternation: true);
        AssertCapabilities("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", system: true, tools: true, calls: true, alternation: false);
        AssertCapabilities("HuggingFaceTB-SmolLM3-3B", system: true, tools: false, calls: false, alternation: false);
    }

    private static void AssertCapabilities(string name, bool system, bool tools, bool calls, bool alternation)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "chat-templates", name + ".json")));
        ChatCapabilities found = ChatTemplate.Parse(golden.RootElement.GetProperty("template").GetString()!).Capabilities;
        Assert.Equal((name, system, tools, calls, alternation),
            (name, found.SupportsSystemRole, found.SupportsTools, found.SupportsToolCalls, found.RequiresAlternation));
    }

    [Theory]
    [InlineData("{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
        "<user>Hi</><assistant>Paris is i")]
    [InlineData(
        "{% for m in messages %}<{{ m.role }}>{{ m.content|trim }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
        "<user>Hi</><assistant>Paris is i")]
    [InlineData(
        "{% for m in messages %}<{{ m.role }}>{{ m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
        "<user>Hi</s><assistant>Paris is i")]
    [InlineData(
        "{% for m in messages %}<{{ m.role }}>{{ m.content|upper }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
        "<user>HI</><assistant>Paris is i")]
    public void An_assistants_last_turn_can_be_left_open(string template, string expected)
    {
        ChatRequest request =
            new() { Messages = [new("user", "Hi"), new("assistant", "Paris is i")], ContinueFinalMessage = true, EosToken = "</s>" };
        ChatPrompt prompt = ChatTemplate.Parse(template).Render(request);
        Assert.Equal(expected, prompt.Text);
        Assert.True(prompt.Parts[^1].FromInput);
    }

    [Fact]
    public void An_empty_last_turn_or_one_with_calls_is_not_continued()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}");
        ChatRequest request = new() { Messages = [new("user", "Hi"), new("assistant", "")], ContinueFinalMessage = true };
        Assert.Equal("<user>Hi</><assistant>", template.Render(request).Text);
        Assert.EndsWith("</><assistant>", template.Render(request with { Messages = [new("user", "Hi"), Call("{}")] }).Text);
        Assert.EndsWith("</><assistant>", template.Render(request with { Messages = [new("assistant", "a"), new("user", "Hi")] }).Text);
    }
}
