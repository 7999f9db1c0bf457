using System.Text;
using EdgeLlm.Chat;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Quantization;

/// <summary>
/// The calibration text that comes with the program: prose in several languages, code and dialogue, written for it or by the models that it
/// is for. A line <c>=== text</c> begins a text, <c>=== user</c> a conversation, which every model receives in its own chat template;
/// <c>=== assistant</c> is an answer,
/// <c>=== more</c> what the user says then.
/// </summary>
internal static class OwnCalibrationText
{
    private const string Resource = "EdgeLlm.Quantization.calibration.txt";
    private const string Marker = "=== ";
    private const string TextRole = "text";
    private const string FurtherRole = "more";

    public static string Read()
    {
        using Stream stream = typeof(OwnCalibrationText).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"{Resource} is not in the program");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>The tokens that it has for a model, without BOS.</summary>
    public static List<int> Encode(Tokenizer tokenizer, GgufFile file)
    {
        ChatTemplate? template = TemplateOf(tokenizer, file);
        var tokens = new List<int>();
        var turns = new List<ChatMessage>();
        foreach (ChatMessage section in Sections())
        {
            if (section.Role != "assistant" && section.Role != FurtherRole) EndConversation();
            if (section.Role == TextRole) tokenizer.Encode(section.Content + "\n\n", tokens);
            else turns.Add(section.Role == FurtherRole ? section with { Role = "user" } : section);
        }
        EndConversation();
        return tokens;

        void EndConversation()
        {
            if (turns.Count == 0) return;
            Encode(tokenizer, template, turns, tokens);
            turns.Clear();
        }
    }

    private static void Encode(Tokenizer tokenizer, ChatTemplate? template, List<ChatMessage> turns, List<int> tokens)
    {
        ChatPrompt? prompt;
        try
        {
            prompt = template?.Render(
                new ChatRequest { Messages = turns, AddGenerationPrompt = false, EosToken = TextOf(tokenizer, tokenizer.EosId) });
        }
        catch (ChatTemplateException)
        {
            prompt = null;
        }
        if (prompt is null)
        {
            // No template, or one for something else than such a conversation: what was said is still text.
            tokenizer.Encode(string.Join("\n\n", turns.Select(turn => turn.Content)) + "\n\n", tokens);
            return;
        }
        var typed = new List<Range>();
        int start = 0;
        foreach (ChatPromptPart part in prompt.Parts)
        {
            if (part.FromInput) typed.Add(start..(start + part.Text.Length));
            start += part.Text.Length;
        }
        tokenizer.Encode(prompt.Text, typed.ToArray(), tokens);
    }

    /// <summary>Every section with its marker's word for a role.</summary>
    private static IEnumerable<ChatMessage> Sections()
    {
        foreach (string section in ("\n" + Read()).Split("\n" + Marker, StringSplitOptions.RemoveEmptyEntries))
        {
            int end = section.IndexOf('\n');
            if (end > 0) yield return new ChatMessage(section[..end].Trim(), section[(end + 1)..].Trim());
        }
    }

    private static ChatTemplate? TemplateOf(Tokenizer tokenizer, GgufFile file)
    {
        ChatTemplate? without = tokenizer.FindToken("<|im_start|>") is null ? null : ChatTemplate.BuiltIn;
        try
        {
            return ModelLoader.ReadChatTemplate(file) is { } source ? ChatTemplate.Parse(source) : without;
        }
        catch (ChatTemplateException)
        {
            return without;
        }
    }

    private static string TextOf(Tokenizer tokenizer, int? token) => token is { } id ? tokenizer.Decode([id], renderSpecial: true) : "";
}
