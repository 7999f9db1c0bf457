using System.Globalization;
using System.Text.Json;
using EdgeLlm.HuggingFace;

namespace EdgeLlm.Models.Adapters;

/// <summary>Files of a training beside an adapter: its tokenizer and chat template, compared with the model's.</summary>
internal static class AdapterFolder
{
    private const int MostBytes = 64 << 20;

    /// <summary>Notes what differs from the model.</summary>
    /// <param name="template">The model's own chat template; null: it has none.</param>
    /// <exception cref="ModelException">It was trained with tokens that the model does not have.</exception>
    public static void Check(Adapter adapter, LanguageModel model, string? template)
    {
        var notes = new List<string>(adapter.Notes);
        if (adapter.BaseModel is { Length: > 0 } trained && !IsSameName(trained, model.Name)
            && !IsSameName(trained, System.IO.Path.GetFileNameWithoutExtension(model.Path.TrimEnd('/'))))
            notes.Add($"it was trained on {trained}, and the model is {model.Name}");
        if (Directory.Exists(adapter.Path))
        {
            foreach ((string text, long id) in AddedTokens(adapter.Path))
            {
                if (model.Tokenizer.FindToken(text) != id)
                    throw new ModelException(adapter.Path,
                        $"was trained with the added token '{Printable.Line(text, 60)}' (number {id}), which the model's vocabulary does "
                            + "not have there");
            }
            adapter.ChatTemplate = TemplateOf(adapter.Path);
            if (adapter.ChatTemplate is { } own && own != template)
                notes.Add(
                    "its folder has another chat template than the model's, which is used only where that is asked for (\"template\": "
                        + "\"adapter\" in the settings)");
        }
        adapter.Notes = notes;
    }

    private static IEnumerable<(string Text, long Id)> AddedTokens(string folder)
    {
        if (Find(folder, "added_tokens.json") is { } added)
        {
            foreach ((string text, JsonPart id) in JsonPart.Read(added, MostBytes).Fields())
                yield return (text, id.Integer(0, int.MaxValue));
        }
        if (Find(folder, "tokenizer.json") is { } tokenizer && JsonPart.Read(tokenizer, MostBytes).Find("added_tokens") is { } tokens)
        {
            foreach (JsonPart token in tokens.Items())
                yield return (token.Require("content").Text(), token.Require("id").Integer(0, int.MaxValue));
        }
        if (Find(folder, "tokenizer_config.json") is { } config
            && JsonPart.Read(config, MostBytes).Find("added_tokens_decoder") is { } decoder)
        {
            foreach ((string id, JsonPart token) in decoder.Fields())
            {
                if (!int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                    throw token.Error("is not the number of a token");
                yield return (token.Require("content").Text(), number);
            }
        }
    }

    private static string? TemplateOf(string folder)
    {
        if (Find(folder, "chat_template.jinja") is { } file) return FolderFile.ReadText(file, MostBytes);
        if (Find(folder, "tokenizer_config.json") is not { } config
            || JsonPart.Read(config, MostBytes).Find("chat_template") is not { } template)
            return null;
        return template.Element.ValueKind == JsonValueKind.String ? template.Text() : null;
    }

    private static string? Find(string folder, string name) =>
        System.IO.Path.Combine(folder, name) is var path && File.Exists(path) ? path : null;

    /// <summary>Whether one name has the other in it, by letters and digits alone: of a repository the last part.</summary>
    private static bool IsSameName(string trained, string name)
    {
        string first = Plain(trained.TrimEnd('/').Split('/')[^1]), second = Plain(name);
        return first.Length == 0 || second.Length == 0 || first.Contains(second, StringComparison.Ordinal)
            || second.Contains(first, StringComparison.Ordinal);
    }

    private static string Plain(string name) => string.Concat(name.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant();
}
