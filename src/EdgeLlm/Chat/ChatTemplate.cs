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
    private readonly Lazy<ChatCapabilities> _capabilities;

    private ChatTemplate(Statement[] statements, ChatTemplateLimits limits)
    {
        _statements = statements;
        _limits = limits;
        _capabilities = new Lazy<ChatCapabilities>(() => new CapabilityProbe(this).Probe());
    }

    /// <summary>ChatML, for models whose file has no template but whose vocabulary has ChatML's <c>&lt;|im_start|&gt;</c>.</summary>
    public static ChatTemplate BuiltIn { get; } = Parse(NamedTemplates.Find("chatml")!);

    /// <summary>Capabilities of the template. The first use renders some small conversations to find out.</summary>
    public ChatCapabilities Capabilities => _capabilities.Value;

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
    public string Render(JsonElement variables, DateTimeOffset? now = null) => Render(variables, now, _limits);

    /// <summary>
    /// The limits that hold for one of the small renderings that find out <see cref="Capabilities"/>: there are a dozen of them.
    /// </summary>
    internal ChatTemplateLimits ProbeLimits => _limits with
    {
        MaximumSteps = Math.Min(_limits.MaximumSteps, 200_000),
        MaximumAllocatedBytes = Math.Min(_limits.MaximumAllocatedBytes, 8 << 20),
    };

    internal string Render(JsonElement variables, DateTimeOffset? now, ChatTemplateLimits limits)
    {
        if (variables.ValueKind != JsonValueKind.Object) throw new ChatTemplateException("the variables are not a JSON object", 0);
        Rendering rendering = new(limits, now ?? DateTimeOffset.Now);
        return Render(rendering, (DictValue)JsonValues.Read(rendering, variables, input: false)).Text;
    }

    /// <summary>
    /// Renders a conversation. What the template cannot express (see <see cref="Capabilities"/>) is put into words that it can.
    /// The result tells the template's own text from text that users, tools or models wrote.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template fails, by its own decision too, or reaches a limit.</exception>
    public ChatPrompt Render(ChatRequest request)
    {
        if (request is { ContinueFinalMessage: true, Messages: [.., { Role: "assistant", ToolCalls: [] } last] })
            return RenderOpen(request, last.Content);
        return new ChatPrompt(RenderParts(request));
    }

    private List<ChatPromptPart> RenderParts(ChatRequest request)
    {
        ChatCapabilities capabilities = Capabilities;
        Rendering rendering = new(_limits, request.Now ?? DateTimeOffset.Now);
        StringValue text = Render(rendering, new RequestVariables(rendering, capabilities).Build(request));
        return Parts(text);
    }

    /// <summary>A conversation up to the end of its last turn's text.</summary>
    private ChatPrompt RenderOpen(ChatRequest request, string content)
    {
        if (content.Length > 0)
        {
            List<ChatPromptPart> all = RenderParts(request with { AddGenerationPrompt = false });
            int last = all.FindLastIndex(part => part.FromInput);
            if (last >= 0 && all[last].Text.TrimEnd().EndsWith(content.Trim(), StringComparison.Ordinal))
                return new ChatPrompt(all[..(last + 1)]);
        }
        // The template does not show the text as it is: it follows what the template begins an answer with.
        List<ChatPromptPart> parts = RenderParts(request with { Messages = [.. request.Messages.SkipLast(1)], AddGenerationPrompt = true });
        if (content.Length > 0) parts.Add(new ChatPromptPart(content, FromInput: true));
        return new ChatPrompt(parts);
    }

    private static List<ChatPromptPart> Parts(StringValue text)
    {
        List<ChatPromptPart> parts = [];
        int start = 0;
        bool isInput = false;
        foreach (int toggle in text.Marks.Toggles)
        {
            if (toggle > start) parts.Add(new ChatPromptPart(text.Text[start..toggle], isInput));
            start = toggle;
            isInput = !isInput;
        }
        if (start < text.Text.Length) parts.Add(new ChatPromptPart(text.Text[start..], isInput));
        return parts;
    }

    private StringValue Render(Rendering rendering, DictValue variables)
    {
        Statement.ExecuteAll(_statements, rendering, new Scope(variables));
        return rendering.Output.ToValue();
    }
}
