using EdgeLlm.Chat;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>A rendered chat as tokens: special tokens are parsed in what the template wrote and never in what somebody typed.</summary>
internal static class PromptTokens
{
    public static List<int> Encode(Tokenizer tokenizer, ChatPrompt prompt)
    {
        var typed = new List<Range>();
        int start = 0;
        foreach (ChatPromptPart part in prompt.Parts)
        {
            if (part.FromInput) typed.Add(start..(start + part.Text.Length));
            start += part.Text.Length;
        }
        var tokens = new List<int>(prompt.Text.Length / 3 + 4);
        tokenizer.Encode(prompt.Text, typed.ToArray(), tokens);
        // Most templates write BOS themselves.
        if (tokenizer is { AddsBos: true, BosId: { } bos } && (tokens.Count == 0 || tokens[0] != bos)) tokens.Insert(0, bos);
        return tokens;
    }
}
