using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Doctor;

/// <summary>Folders of models, and whether there is one to begin with.</summary>
internal static class StorageChecks
{
    private const long Scarce = 1_000_000_000;

    public static IEnumerable<Check> All(ModelStore store, string? defaultModel)
    {
        yield return Disk(store.UserFolder, FreeSpace.At(store.UserFolder));
        yield return DefaultModel(defaultModel);
        foreach (StoredModel model in store.Models())
        {
            if (SpeechRecognizer.IsRecognizer(model.Path)) yield return Recognizer(model);
        }
    }

    private static Check Disk(string folder, long? free)
    {
        string value = free is { } bytes ? $"{Quantity.Bytes(bytes)} free for {folder}" : $"unknown for {folder}";
        return free < Scarce ? Check.Note("disk", value, "`edgellm list` shows the models that are here and `edgellm rm` removes one")
            : Check.Ok("disk", value);
    }

    private static Check Recognizer(StoredModel model)
    {
        const string name = "model that hears";
        try
        {
            SpeechPlan plan = SpeechPlan.Of(model.Path);
            string value = $"{model.Path} ({Quantity.Bytes(plan.Weights)}; {Quantity.Bytes(plan.Working)} of memory beside it)";
            return plan.Weights + plan.Working <= MachineMemory.Total && plan.Working <= MachineMemory.Available ? Check.Ok(name, value)
                : Check.Problem(name, value, "It does not fit: take a smaller one or stop other programs");
        }
        catch (Exception exception) when (exception is GgufException or ModelException or IOException or UnauthorizedAccessException)
        {
            return Check.Problem(name, exception.Message, "`edgellm pull` it again");
        }
    }

    private static Check DefaultModel(string? path)
    {
        const string name = "default model";
        if (path is null) return Check.Note(name, "this build has none", "Name one with --model; `edgellm pull` gets one");
        try
        {
            using GgufFile file = GgufFile.Open(path);
            MemoryPlan plan = LanguageModel.PlanMemory(LayerBuilder.Build(ModelLoader.ReadSpec(file)), file, new ModelOptions());
            string value = $"{path} ({Quantity.Bytes(file.FileSize)}; {Quantity.Bytes(plan.Total)} with a full context)";
            return plan.Refusal(MachineMemory.Total, MachineMemory.Available) is null
                ? Check.Ok(name, value)
                : Check.Problem(name, value, "It does not fit: take a smaller --context or stop other programs");
        }
        catch (Exception exception) when (exception is GgufException or ModelException or IOException or UnauthorizedAccessException)
        {
            return Check.Problem(name, exception.Message, "Install the program again");
        }
    }
}
