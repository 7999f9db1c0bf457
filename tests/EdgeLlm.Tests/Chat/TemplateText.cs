using System.Text.Json;
using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>Templates rendered from text to text.</summary>
internal static class TemplateText
{
    public static string Render(string template, string variables = "{}", ChatTemplateLimits? limits = null)
    {
        using JsonDocument document = JsonDocument.Parse(variables);
        return ChatTemplate.Parse(template, limits).Render(document.RootElement);
    }

    public static ChatTemplateException Failure(string template, string variables = "{}", ChatTemplateLimits? limits = null) =>
        Assert.Throws<ChatTemplateException>(() => Render(template, variables, limits));
}
