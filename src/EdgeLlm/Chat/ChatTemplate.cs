using System.Text.Json;
using EdgeLlm.Chat.Jinja.Nodes;
using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Syntax;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat;

/// <summary>
/// A chat template: the Jinja text in a model's file that turns messages into a prompt, parsed once and rendered many times. It
/// renders as Jinja2 does in the set-up of Hugging Face's transformers. Instances may be used by several threads at once.
/// </summary>
public sealed class ChatTemplate
{
    private readonly Statement[] _statements;
    private readonly ChatTemplateLimits _limits;

    private ChatTemplate(Statement[] statements, ChatTemplateLimits limits)
    {
        _statements = statements;
        _limits = limits;
    }

    /// <summary>Parses a template.</summary>
    /// <param name="source">The Jinja source.</param>
    /// <param name="limits">What parsing and rendering may cost; null for <see cref="ChatTemplateLimits.Default"/>.</param>
    /// <exception cref="ChatTemplateException">The source has an error of syntax or is too large; the message names the line.</exception>
    public static ChatTemplate Parse(string source, ChatTemplateLimits? limits = null)
    {
        limits ??= ChatTemplateLimits.Default;
        return new ChatTemplate(Parser.Parse(source, limits), limits);
    }

    /// <summary>Renders the template with just these variables.</summary>
    /// <param name="variables">A JSON object: <c>messages</c>, <c>add_generation_prompt</c> and what else the template reads.</param>
    /// <param name="now">The time that the template is told; null for this machine's.</param>
    /// <exception cref="ChatTemplateException">The template fails, by its own decision too, or reaches a limit.</exception>
    public string Render(JsonElement variables, DateTimeOffset? now = null)
    {
        if (variables.ValueKind != JsonValueKind.Object) throw new ChatTemplateException("the variables are not a JSON object", 0);
        Rendering rendering = new(_limits, now ?? DateTimeOffset.Now);
        return Render(rendering, (DictValue)JsonValues.Read(rendering, variables, input: false)).Text;
    }

    private StringValue Render(Rendering rendering, DictValue variables)
    {
        Statement.ExecuteAll(_statements, rendering, new Scope(variables));
        return rendering.Output.ToValue();
    }
}
