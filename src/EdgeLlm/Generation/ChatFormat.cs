using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>
/// A conversation as the tokens that a model expects: its chat template rendered, special tokens parsed in what the template wrote and
/// never in what somebody typed. A model without a template whose vocabulary has <c>&lt;|im_start|&gt;</c> uses ChatML; any other is given
/// none, as a template that a model was not trained on makes it answer at random.
/// </summary>
public sealed class ChatFormat
{
    private readonly Tokenizer _tokenizer;
    private readonly ChatTemplate? _template;
    private readonly Lazy<ToolFormat> _toolFormat;
    private readonly Lazy<int[]> _visible;
    private readonly string _bos;
    private readonly string _eos;

    /// <param name="template">Jinja source of a template; null: the model's own.</param>
    /// <exception cref="ChatTemplateException">The template is broken.</exception>
    public ChatFormat(LanguageModel model, string? template = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _tokenizer = model.Tokenizer;
        template ??= model.ChatTemplateSource;
        _template = template is { } source ? ChatTemplate.Parse(source) : _tokenizer.FindToken("<|im_start|>") is null
            ? null : ChatTemplate.BuiltIn;
        string jinja = template ?? "";
        Thinking = ThinkingFormat.Detect(jinja);
        _toolFormat = new Lazy<ToolFormat>(() => _template is null ? ToolFormat.Usual : ToolFormat.Detect(_template, jinja));
        _visible = new Lazy<int[]>(() => [.. ((string[])[.. ToolFormat.Markup, Thinking?.Open ?? "", Thinking?.Close ?? ""])
            .Select(_tokenizer.FindToken).OfType<int>().Where(id => !_tokenizer.IsEndOfGeneration(id)).Distinct()]);
        _bos = TextOf(_tokenizer.BosId);
        _eos = TextOf(_tokenizer.EosId);
    }

    /// <summary>Message for a model for which <see cref="HasTemplate"/> is false.</summary>
    public static string MissingTemplate { get; } =
        $"the model has no chat template, so it can only continue a text; --chat-template {NamedTemplates.Choices} gives it one (in C#: "
            + "ModelOptions.ChatTemplate)";

    /// <summary>Whether there is a template: without one encoding fails, and the model only continues texts.</summary>
    public bool HasTemplate => _template is not null;

    /// <summary>How the model writes calls of tools.</summary>
    public ToolFormat ToolFormat => _toolFormat.Value;

    /// <summary>How the model marks its thoughts; null where its template speaks of none.</summary>
    public ThinkingFormat? Thinking { get; }

    /// <summary>
    /// Tokens of their own by which calls and thoughts are marked: an answer's text has to have them
    /// (<see cref="GenerationOptions.VisibleTokens"/>).
    /// </summary>
    public IReadOnlyList<int> VisibleTokens => _visible.Value;

    /// <summary>The text at a prompt's end: enough of it to see what the template has begun of the answer.</summary>
    internal string EndOf(IReadOnlyList<int> prompt) =>
        _tokenizer.Decode([.. prompt.Skip(Math.Max(0, prompt.Count - 24))], renderSpecial: true);

    /// <summary>The tokens of a conversation. The model's texts of BOS and EOS take the place of the request's.</summary>
    /// <exception cref="ChatTemplateException">There is no template, or it does not take this conversation.</exception>
    public List<int> Encode(ChatRequest request)
    {
        List<int> tokens = Encode(Render(request));
        // Most templates write BOS themselves.
        if (_tokenizer is { AddsBos: true, BosId: { } bos } && (tokens.Count == 0 || tokens[0] != bos)) tokens.Insert(0, bos);
        return tokens;
    }

    /// <summary>
    /// The tokens of turns that follow an answer: the end of the assistant's turn, as the template writes it, the turns, and the beginning
    /// of the next answer; neither a BOS nor a default system turn.
    /// </summary>
    /// <exception cref="ChatTemplateException">The template does not take this conversation.</exception>
    public List<int> EncodeNextTurns(ChatRequest request)
    {
        const string Answer = "(answer)";
        ChatMessage[] earlier = [new("user", "(question)"), new("assistant", Answer)];
        IReadOnlyList<ChatPromptPart> parts = Render(request with { Messages = [.. earlier, .. request.Messages] }).Parts;
        int answer = -1;
        for (int i = 0; i < parts.Count && answer < 0; i++)
            if (parts[i].FromInput && parts[i].Text.StartsWith(Answer, StringComparison.Ordinal)) answer = i;
        if (answer < 0) throw new ChatTemplateException("it does not show earlier answers", 0);
        string rest = parts[answer].Text[Answer.Length..]; // of what was typed, where the template writes nothing after an answer
        ChatPromptPart[] next = [.. parts.Skip(answer + 1)];
        return Encode(new ChatPrompt(rest.Length > 0 ? [new(rest, FromInput: true), .. next] : next));
    }

    /// <summary>
    /// How many of a conversation's first tokens are its instructions: tools and the system turns that it begins with, as the template
    /// writes them.
    /// </summary>
    /// <param name="prompt">The conversation's tokens, of <see cref="Encode(ChatRequest)"/>.</param>
    internal int CountInstructions(ChatRequest request, IReadOnlyList<int> prompt)
    {
        if (!BeginsWithInstructions(request.Messages) && request.Tools is null) return 0;
        try
        {
            List<int> other = EncodeWithQuestion(request, "?");
            int common = 0, most = Math.Min(other.Count, prompt.Count);
            while (common < most && other[common] == prompt[common]) common++;
            return common;
        }
        catch (ChatTemplateException)
        {
            return 0; // a template that does not take such a conversation
        }
    }

    /// <summary>The first tokens of all conversations with these tools and system turns.</summary>
    /// <exception cref="ChatTemplateException">There is no template, or it does not take them.</exception>
    internal List<int> EncodeInstructions(ChatRequest request)
    {
        List<int> tokens = EncodeWithQuestion(request, "A");
        return tokens[..CountInstructions(request, tokens)];
    }

    private static bool BeginsWithInstructions(IReadOnlyList<ChatMessage> messages) => messages is [{ Role: "system" or "developer" }, ..];

    private List<int> EncodeWithQuestion(ChatRequest request, string question) => Encode(request with
    {
        Messages = [.. request.Messages.TakeWhile(message => message.Role is "system" or "developer"), new ChatMessage("user", question)],
        ContinueFinalMessage = false,
    });

    private ChatPrompt Render(ChatRequest request) =>
        (_template ?? throw new ChatTemplateException(MissingTemplate, 0)).Render(request with { BosToken = _bos, EosToken = _eos });

    private List<int> Encode(ChatPrompt prompt)
    {
        var typed = new List<Range>();
        int start = 0;
        foreach (ChatPromptPart part in prompt.Parts)
        {
            if (part.FromInput) typed.Add(start..(start + part.Text.Length));
            start += part.Text.Length;
        }
        var tokens = new List<int>(prompt.Text.Length / 3 + 4);
        _tokenizer.Encode(prompt.Text, typed.ToArray(), tokens);
        return tokens;
    }

    private string TextOf(int? id) => id is { } token ? _tokenizer.Decode([token], renderSpecial: true) : "";
}
