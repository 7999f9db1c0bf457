using System.Globalization;
using System.Text.Json;
using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>Templates of published models, rendered as Jinja2 renders them.</summary>
public sealed class GoldenTemplateTests
{
    [Fact]
    public void Every_template_renders_every_case_as_Jinja2_does()
    {
        List<string> failures = [];
        int count = 0;
        foreach (string path in Directory.EnumerateFiles(SharedFolder.Require("golden", "chat-templates"), "*.json"))
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
            DateTimeOffset now = DateTimeOffset.Parse(document.RootElement.GetProperty("now").GetString()!, CultureInfo.InvariantCulture);
            ChatTemplate template = ChatTemplate.Parse(document.RootElement.GetProperty("template").GetString()!);
            foreach (JsonElement given in document.RootElement.GetProperty("cases").EnumerateArray())
            {
                count++;
                string? failure = Failure(template, given, now);
                if (failure is not null) failures.Add($"{Path.GetFileName(path)} {given.GetProperty("case").GetString()}: {failure}");
            }
        }
        Assert.True(count > 0);
        Assert.True(failures.Count == 0, $"{failures.Count} of {count} differ:\n{string.Join('\n', failures.Take(20))}");
    }

    private static string? Failure(ChatTemplate template, JsonElement given, DateTimeOffset now)
    {
        string? expected = given.TryGetProperty("expected", out JsonElement text) ? text.GetString() : null;
        try
        {
            string rendered = template.Render(given.GetProperty("given"), now);
            if (expected is null) return $"an error is expected ({given.GetProperty("error").GetString()})";
            if (rendered == expected) return null;
            int at = rendered.AsSpan().CommonPrefixLength(expected);
            return $"differs at {at}: '{Excerpt(rendered, at)}' instead of '{Excerpt(expected, at)}'";
        }
        catch (ChatTemplateException error) when (expected is null)
        {
            return error.Message.Contains('\n') ? "the error has more than one line" : null;
        }
        catch (ChatTemplateException error)
        {
            return error.Message;
        }
    }

    private static string Excerpt(string text, int at) =>
        text[Math.Max(0, at - 20)..Math.Min(text.Length, at + 40)].ReplaceLineEndings("\\n");
}
