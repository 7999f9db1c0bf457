using EdgeLlm.Chat;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Inspect;

/// <summary>
/// Whether the model in a file runs here, by what `run` itself reads (keys, tensors, tokenizer, chat template), without a weight being
/// touched; its shape and what it takes of memory. `inspect`, `serve --check`, `quantize` and `pull` all ask this.
/// </summary>
/// <param name="Problem">Why it doesn't run, whatever the machine, or null.</param>
/// <param name="Notes">What is unusual but does no harm, a line each.</param>
internal sealed record ModelPlan(ModelSpec? Model, MemoryPlan? Memory, string? Problem, IReadOnlyList<string> Notes)
{
    /// <summary>Why it doesn't run on this machine now, or null: the problem, or that memory is short.</summary>
    public string? Refusal => Problem ?? Memory!.Refusal(MachineMemory.Total, MachineMemory.Available);

    public static ModelPlan Of(GgufFile file, ModelOptions options)
    {
        try
        {
            ModelSteps steps = LayerBuilder.Build(ModelLoader.ReadSpec(file));
            ModelLoader.Bind(steps, file, steps.Model.ContextLength);
            Tokenizer tokenizer = ModelLoader.MakeTokenizer(file);
            if ((options.ChatTemplate ?? ModelLoader.ReadChatTemplate(file)) is { } template) ChatTemplate.Parse(template);
            return new ModelPlan(steps.Model, LanguageModel.PlanMemory(steps, file, options), null,
                [.. file.Notes, .. NotesOn(steps.Model, tokenizer)]);
        }
        catch (ModelException exception)
        {
            return new ModelPlan(null, null, exception.Problem, []);
        }
        catch (Exception exception) when (exception is GgufException or ChatTemplateException)
        {
            // It says the file first, which the reader of a report on this file knows.
            string prefix = file.Path + ": ";
            return new ModelPlan(null, null,
                exception.Message.StartsWith(prefix, StringComparison.Ordinal) ? exception.Message[prefix.Length..]
                    : exception.Message, []);
        }
    }

    /// <summary>Refuses what doesn't run, in the words of `run`.</summary>
    /// <param name="name">What the user called the file.</param>
    /// <exception cref="ModelException">It doesn't run.</exception>
    public ModelPlan RequireRunnable(string name) => Problem is null ? this : throw new ModelException(name, Problem);

    private static IEnumerable<string> NotesOn(ModelSpec model, Tokenizer tokenizer)
    {
        foreach (string note in tokenizer.Notes) yield return note;
        int beyond = tokenizer.VocabularySize - model.VocabularySize;
        if (beyond > 0)
            yield return $"the vocabulary has {tokenizer.VocabularySize} tokens and the embedding {model.VocabularySize} rows: "
                + $"{(beyond == 1 ? "the last token" : $"the last {beyond} tokens")} can't be computed, and a prompt that has one is "
                + "refused";
    }
}
