using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Chat.Tools;

/// <summary>Formats of calls, against what published templates write.</summary>
public sealed class ToolFormatTests
{
    private const string Schema = """
        {"type":"object","properties":{"room":{"type":"string","enum":["kitchen","hall"]},"unit":{"type":"string"},"count":{"type":"integer"},"on":{"type":"boolean"}},"required":["room"]}
        """;

    private static readonly ToolDefinition[] Tools =
    [
        new("get_temperature") { Description = "Reads a sensor.", Parameters = JsonDocument.Parse(Schema).RootElement },
        new("ring") { Description = "Rings the bell." },
    ];

    private static readonly string[] Arguments =
    [
        """{"room": "kitchen", "unit": "celsius"}""", """{"room": "hall", "unit": "a \"b\" <c> {d} é😀", "count": -12, "on": true}""",
        """{"room": "kitchen"}""",
    ];

    public static TheoryData<string, string> Formats => new()
    {
        { "Apertus-8B-Instruct", "apertus" }, { "Apriel-1.6-15b-Thinker-fixed", "apriel" }, { "ByteDance-Seed-OSS", "seed-oss" },
        { "Cohere2MoE", "command-r" },
        { "CohereForAI-c4ai-command-r7b-12-2024-tool_use", "command-r" }, { "GLM-4.6", "glm" }, { "GLM-5.2", "glm" },
        { "GigaChat3-10B-A1.8B", "gigachat" },
        { "HuggingFaceTB-SmolLM3-3B", "hermes" }, { "Kimi-K2-Instruct", "kimi" }, { "LFM2-8B-A1B", "lfm2" },
        { "Mistral-Small-3.2-24B-Instruct-2506", "mistral" },
        { "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes" }, { "NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes" },
        { "Qwen-Qwen2.5-7B-Instruct", "hermes" },
        { "Qwen-Qwen3-0.6B", "hermes" }, { "Qwen3.5-4B", "qwen3-coder" }, { "Reka-Edge", "hermes" },
        { "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1" },
        { "deepseek-ai-DeepSeek-V3.2", "deepseek-v3.2" }, { "deepseek-ai-DeepSeek-V4", "deepseek-v4" },
        { "google-gemma-2-2b-it", "hermes" },
        { "google-gemma-4-31B-it-interleaved", "gemma" }, { "ibm-granite-granite-3.3-2B-Instruct", "granite" },
        { "meetkai-functionary-medium-v3.1", "functionary-v3.1" },
        { "meetkai-functionary-medium-v3.2", "functionary-v3.2" }, { "meta-llama-Llama-3.2-3B-Instruct", "llama-3" },
        { "meta-llama-Llama-3.3-70B-Instruct", "llama-3" },
        { "mistralai-Ministral-3-14B-Reasoning-2512", "mistral" }, { "mistralai-Mistral-Nemo-Instruct-2407", "mistral-v3" },
        { "openai-gpt-oss-120b", "harmony" },
        { "stepfun-ai-Step-3.5-Flash", "qwen3-coder" }, { "unsloth-mistral-Devstral-Small-2507", "mistral" },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_template_s_format_is_found_and_what_it_writes_is_read_and_allowed(string file, string name)
    {
        using JsonDocument document =
            JsonDocument.Parse(File.ReadAllBytes(SharedFolder.Require("golden", "chat-templates", file + ".json")));
        string source = document.RootElement.GetProperty("template").GetString()!;
        ChatTemplate template = ChatTemplate.Parse(source);
        ToolFormat format = ToolFormat.Detect(template, source);
        Assert.Equal(name, format.Name);
        if (!template.Capabilities.SupportsToolCalls) return;
        foreach (string arguments in Arguments)
        {
            ChatMessage user = new("user", "How warm is it?"),
                call = new("assistant", "") { ToolCalls = [new ChatToolCall("call00001", "get_temperature", arguments)] };
            var request = new ChatRequest { Messages = [user], Tools = ToolDefinition.ToJson(Tools), BosToken = "<s>", EosToken = "</s>" };
            string prompt = template.Render(request).Text;
            string all = TryRender(template, request with { Messages = [user, call], AddGenerationPrompt = false })
                ?? template.Render(request
                    with
                {
                    Messages = [user, call, new ChatMessage("tool", "21") { ToolCallId = "call00001", Name = "get_temperature" }],
                    AddGenerationPrompt = false
                }).Text;
            int common = prompt.AsSpan().CommonPrefixLength(all);
            // within a mark that both begin
            if (all.LastIndexOf('<', common - 1) is var mark and >= 0 && all.IndexOf('>', mark) >= common) common = mark;
            string answer = all[common..];
            prompt = prompt[..common]; // it may open thoughts that this answer does not have
            var parser = new AnswerParser(format, Tools, ThinkingFormat.Detect(source), prompt);
            foreach (char c in answer) parser.Add(c.ToString());
            parser.End();
            Assert.True(parser.Calls.Count == 1, $"{prompt[^Math.Min(80, prompt.Length)..]} ### {answer}");
            ChatToolCall read = parser.Calls[0];
            Assert.Equal("get_temperature", read.Name);
            Assert.True(JsonElement.DeepEquals(Json(arguments), Json(read.Arguments)), $"{file}: {read.Arguments}");
            AssertAllowed(format, prompt, answer);
        }
    }

    /// <summary>From its trigger on, a call that the template wrote is one that the engine would let the model write.</summary>
    private static void AssertAllowed(ToolFormat format, string prompt, string answer)
    {
        OutputConstraint constraint = CallConstraint.Compile(format, Tools, 8);
        string seed = AnswerParser.SeedOf(format, prompt);
        var trigger = new CallTrigger(format, Tools.Select(tool => tool.Name), null, prompt);
        string? begun = null;
        int at = 0;
        for (; at < answer.Length && begun is null; at++) begun = trigger.Add(answer.AsSpan(at, 1));
        Assert.NotNull(begun);
        string rest = begun + answer[at..];
        int longest = Enumerable.Range(0, rest.Length + 1).LastOrDefault(length => constraint.Accepts(rest[..length]), -1);
        Assert.True(longest > 0, $"{format.Name}: {seed}|{rest}");
    }

    private static string? TryRender(ChatTemplate template, ChatRequest request)
    {
        try
        {
            return template.Render(request).Text;
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;
}
