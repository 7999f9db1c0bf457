using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>HTML escaping as markupsafe does it; it matters in chat templates where text is added to a result of <c>safe</c>.</summary>
internal static class Markup
{
    /// <summary>Escapes a string unless it is Markup already; the result is Markup.</summary>
    public static StringValue Escape(Rendering rendering, StringValue value)
    {
        if (value.IsMarkup) return value;
        TextBuilder text = new(rendering);
        int from = 0;
        for (int i = 0; i < value.Text.Length; i++)
        {
            string? entity = value.Text[i] switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '\'' => "&#39;",
                '"' => "&#34;",
                _ => null,
            };
            if (entity is null) continue;
            text.Append(value, from, i - from);
            text.Append(entity, value.Marks.Any);
            from = i + 1;
        }
        text.Append(value, from, value.Text.Length - from);
        return text.ToValue(isMarkup: true);
    }
}
