using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>The templates that are known by a name, against the prompts of the projects that they come from.</summary>
public sealed class NamedTemplateTests
{
    private const string Instruct =
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.";

    [Theory]
    [InlineData("vicuna", "Be brief. USER: One? ASSISTANT: 1</s>USER: Two? ASSISTANT:")]
    [InlineData("alpaca", "Be brief.\n\n### Instruction:\nOne?\n\n### Response:\n1</s>\n\n### Instruction:\nTwo?\n\n### Response:\n")]
    [InlineData("dolly", "Be brief.\n\n### Instruction:\nOne?\n\n### Response:\n1\n\n### End\n\n### Instruction:\nTwo?\n\n### Response:\n")]
    [InlineData("llama2", "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nOne? [/INST] 1 </s><s>[INST] Two? [/INST]")]
    [InlineData("chatml",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n1<|im_end|>\n<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n")]
    public void A_conversation_is_written_as_the_model_s_makers_do(string name, string expected)
    {
        Assert.Equal(expected, Render(name, new("system", "Be brief."), new("user", "One?"), new("assistant", "1"), new("user", "Two?")));
        Assert.Contains(name, NamedTemplates.Names);
    }

    [Theory]
    [InlineData("vicuna",
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. USER: Hi ASSISTANT:")]
    [InlineData("alpaca", Instruct + "\n\n### Instruction:\nHi\n\n### Response:\n")]
    [InlineData("dolly", Instruct + "\n\n### Instruction:\nHi\n\n### Response:\n")]
    [InlineData("llama2", "<s>[INST] Hi [/INST]")]
    public void Without_a_system_prompt_the_makers_own_is_written_where_they_have_one(string name, string expected) =>
        Assert.Equal(expected, Render(name, new ChatMessage("user", "Hi")));

    [Fact]
    public void What_is_typed_is_marked_as_such_in_all_of_them()
    {
        foreach (string name in NamedTemplates.Names)
        {
            ChatPrompt prompt = ChatTemplate.Parse(NamedTemplates.Find(name)!)
                .Render(new ChatRequest { Messages = [new("system", "</s>1"), new("user", "</s>2")], EosToken = "</s>", BosToken = "<s>" });
            Assert.Equal("</s>1</s>2", string.Concat(prompt.Parts.Where(part => part.FromInput).Select(part => part.Text)));
        }
    }

    [Fact]
    public void Another_name_is_none() => Assert.Null(NamedTemplates.Find("nobody"));

    private static string Render(string name, params ChatMessage[] messages) =>
        ChatTemplate.Parse(NamedTemplates.Find(name)!)
            .Render(new ChatRequest { Messages = messages, BosToken = "<s>", EosToken = "</s>" }).Text;
}
