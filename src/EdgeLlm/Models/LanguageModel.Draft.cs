namespace EdgeLlm.Models;

/// <summary>A smaller model of the same vocabulary, opened with this one, that guesses its next tokens.</summary>
public sealed unsafe partial class LanguageModel
{
    /// <summary>
    /// The model of <see cref="ModelOptions.DraftModel"/>, on the same threads and disposed of with this one; null: none.
    /// </summary>
    internal LanguageModel? Draft { get; private set; }

    /// <summary>Opens a model and its draft model.</summary>
    private static LanguageModel OpenWithDraft(string path, string draftPath, ModelOptions options)
    {
        SharedThreads? own = options.SharedThreads is null ? SharedThreads.For(options) : null;
        LanguageModel? draft = null, model = null;
        try
        {
            options = options with { DraftModel = null, SharedThreads = options.SharedThreads ?? own };
            draft = Open(draftPath, options with { Name = null, ChatTemplate = null, PrefixBytes = 0 }, encoders: false);
            long draftBytes = draft.Plan.Total - options.OtherBytes - options.OtherModelsBytes;
            model = Open(path, options with { OtherModelsBytes = options.OtherModelsBytes + draftBytes }, encoders: false);
            RequireDraftOf(model, draft, draftPath);
            model.Draft = draft;
            if (own is not null) model._companions.Add(own); // disposed of after both
            return model;
        }
        catch
        {
            model?.Dispose();
            draft?.Dispose();
            own?.Dispose();
            throw;
        }
    }

    /// <exception cref="ModelException">The second model can't guess tokens of the first.</exception>
    private static void RequireDraftOf(LanguageModel model, LanguageModel draft, string path)
    {
        int count = model.Tokenizer.VocabularySize;
        if (draft.Info.VocabularySize != model.Info.VocabularySize || draft.Tokenizer.VocabularySize != count)
            throw new ModelException(path,
                $"has a vocabulary of {draft.Tokenizer.VocabularySize} tokens, and the model that it should draft for one of {count}: "
                    + "they have to be the same");
        for (int id = 0; id < count; id++)
        {
            if (!draft.Tokenizer.Vocabulary[id].SequenceEqual(model.Tokenizer.Vocabulary[id]))
                throw new ModelException(path, $"has another vocabulary than the model that it should draft for: token {id} is different");
        }
    }
}
