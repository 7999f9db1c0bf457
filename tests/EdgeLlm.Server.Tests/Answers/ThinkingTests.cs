using System.Text;
using System.Text.Json;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Server.Answers;

namespace EdgeLlm.Server.Tests.Answers;

public sealed class ThinkingTests
{
    private const string Template = "{% for m in messages %}{{ m.content }}{% endfor %}<think></think>";

    [Theory]
    [InlineData("<think>\nSo.\n</think>\n\nYes.", false, "So.", "Yes.")]
    [InlineData("\nSo.\n</think>\n\nYes.", true, "So.", "Yes.")]
    [InlineData("Yes <think> no", false, "", "Yes <think> no")]
    [InlineData("  Yes", false, "", "  Yes")]
    [InlineData("<think>cut", false, "cut", "")]
    [InlineData("<think></think>Hm", false, "", "Hm")]
    [InlineData("a </thin k> b </think>c", true, "a </thin k> b", "c")]
    [InlineData("<thi", false, "", "<thi")]
    public void Thought_and_text_are_told_apart_however_the_pieces_fall(string answer, bool isOpen, string thought, string text)
    {
        for (int size = 1; size <= answer.Length; size++)
        {
            var parser = new AnswerParser(null, [], ThinkingFormat.Detect(Template), isOpen ? "<think>\n" : "");
            StringBuilder thoughts = new(), texts = new();
            for (int at = 0; at < answer.Length; at += size) Add(parser.Add(answer.Substring(at, Math.Min(size, answer.Length - at))));
            Add(parser.End());
            Assert.Equal((thought, text), (thoughts.ToString(), texts.ToString()));

            void Add(IEnumerable<AnswerPart> parts)
            {
                foreach (AnswerPart part in parts) (part.Kind == AnswerPartKind.Reasoning ? thoughts : texts).Append(part.Text);
            }
        }
    }

    [Fact]
    public void The_variables_of_templates_are_the_callers_first()
    {
        JsonElement given = JsonDocument.Parse("""{"a":1,"enable_thinking":true}""").RootElement;
        JsonElement variables = Thinking.Variables(given, thinks: false, effort: "low")!.Value;
        Assert.True(variables.GetProperty("enable_thinking").GetBoolean());
        Assert.Equal(("low", 1), (variables.GetProperty("reasoning_effort").GetString(), variables.GetProperty("a").GetInt32()));
        Assert.Null(Thinking.Variables(null, null, null));
    }
}
