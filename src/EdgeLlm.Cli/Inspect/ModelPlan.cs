using EdgeLlm.Gguf;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Inspect;

/// <summary>The shape of the model in a file and what it takes of memory; or why there is neither.</summary>
internal sealed record ModelPlan(ModelConfig? Config, MemoryPlan? Memory, string? Problem)
{
    public static ModelPlan Of(GgufFile file, ModelOptions options)
    {
        try
        {
            ModelConfig config = ModelLoader.ReadConfig(file);
            return new ModelPlan(config, LanguageModel.PlanMemory(config, file.FileSize, options), null);
        }
        catch (Exception exception) when (exception is ModelException or GgufException)
        {
            // Both say the file first, which the reader of a report on this file knows.
            string prefix = file.Path + ": ";
            return new ModelPlan(null, null, exception.Message.StartsWith(prefix, StringComparison.Ordinal) ? exception.Message[prefix.Length..] : exception.Message);
        }
    }
}
