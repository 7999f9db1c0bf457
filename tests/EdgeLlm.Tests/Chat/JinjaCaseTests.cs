using System.Text.Json;
using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>
/// Small templates and what Jinja2 3.1.6 makes of them in the set-up of Hugging Face (jinja-cases.jsonl: the variables of all cases,
/// then a case a line). Values, operators, filters, tests, methods, statements, scopes, white space, errors.
/// </summary>
public sealed class JinjaCaseTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 14, 9, 26, 53, TimeSpan.Zero);

    [Fact]
    public void Every_case_renders_as_Jinja2_renders_it()
    {
        string[] lines =
            File.ReadAllLines(Path.Combine(SharedFolder.RepositoryRoot, "tests", "EdgeLlm.Tests", "Chat", "jinja-cases.jsonl"));
        using JsonDocument variables = JsonDocument.Parse(lines[0]);
        List<string> failures = [];
        foreach (string line in lines[1..])
        {
            using JsonDocument given = JsonDocument.Parse(line);
            string? expected = given.RootElement.TryGetProperty("expected", out JsonElement text) ? text.GetString() : null;
            string? rendered =
                Render(given.RootElement.GetProperty("template").GetString()!, variables.RootElement.GetProperty("variables"));
            if (rendered != expected) failures.Add($"{line}\n  rendered {rendered ?? "an error"}");
        }
        Assert.True(lines.Length > 1000);
        Assert.True(failures.Count == 0, $"{failures.Count} of {lines.Length - 1} differ:\n{string.Join('\n', failures.Take(20))}");
    }

    private static string? Render(string template, JsonElement variables)
    {
        try
        {
            return ChatTemplate.Parse(template).Render(variables, Now);
        }
        catch (ChatTemplateException)
        {
            return null;
        }
    }
}
