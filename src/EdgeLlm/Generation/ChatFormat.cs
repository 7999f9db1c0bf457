using EdgeLlm.Chat;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>
/// A conversation as the tokens that a model expects: its chat template rendered (ChatML where it has none), special tokens parsed in what
/// the template wrote and never in what somebody typed.
/// </summary>
public sealed class ChatFormat
{
    private readonly Tokenizer _tokenizer;
    private readonly ChatTemplate _template;
    private readonly string _bos;
    private readonly string _eos;

    /// <exception cref="ChatTemplateException">The model's template is broken.</exception>
    public ChatFormat(LanguageModel model)
    {
        _tokenizer = model.Tokenizer;
        _template = model.ChatTemplateSource is { } source ? ChatTemplate.Parse(source) : ChatTemplate.BuiltIn;
        _bos = TextOf(_tokenizer.BosId);
        _eos = TextOf(_tokenizer.EosId);
    }

    /// <summary>The tokens of a conversation. The model's texts of BOS and EOS take the place of the request's.</summary>
    /// <exception cref="ChatTemplateException">The template does not take this conversation.</exception>
    public List<int> Encode(ChatRequest request)
    {
        ChatPrompt prompt = _template.Render(request with { BosToken = _bos, EosToken = _eos });
        var typed = new List<Range>();
        int start = 0;
        foreach (ChatPromptPart part in prompt.Parts)
        {
            if (part.FromInput) typed.Add(start..(start + part.Text.Length));
            start += part.Text.Length;
        }
        var tokens = new List<int>(prompt.Text.Length / 3 + 4);
        _tokenizer.Encode(prompt.Text, typed.ToArray(), tokens);
        // Most templates write BOS themselves.
        if (_tokenizer is { AddsBos: true, BosId: { } bos } && (tokens.Count == 0 || tokens[0] != bos)) tokens.Insert(0, bos);
        return tokens;
    }

    private string TextOf(int? id) => id is { } token ? _tokenizer.Decode([token], renderSpecial: true) : "";
}
